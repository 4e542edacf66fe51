"""The figure notebooks: valid, without outputs, and able to show their figure from result files."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from sphere_repro.figures import style
from sphere_repro.study import catalogue
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = [*catalogue.KINDS]


def read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def source(notebook: dict[str, Any], cell_id: str) -> str:
    return "".join(next(cell for cell in notebook["cells"] if cell["id"] == cell_id)["source"])


def test_one_notebook_per_figure() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_valid_and_without_outputs(name: str) -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = read(name)
    nbformat.validate(notebook)
    assert [cell["id"] for cell in notebook["cells"]] == ["about", "setup", "parameters", "figure", "table"]
    assert "\nfigure = " in source(notebook, "figure")  # what becomes the figure's files
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            ast.parse("".join(cell["source"]))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_demo(name: str) -> None:
    """A notebook opened by hand shows the default study's first figure of its kind."""
    notebook = read(name)
    cell = next(cell for cell in notebook["cells"] if cell["metadata"].get("tags") == ["parameters"])
    found: dict[str, Any] = {}
    exec("".join(cell["source"]), found)
    elsewhere = {
        "ablations": "ablations-small",
        "noise-angle": "ablations-small",
        "guidance": "gallery",
        "trade-off": "holes-small",
        "training-length": "evening",
    }
    study = elsewhere.get(name, "demo")
    figures = catalogue.figures(StudyFiles(load_study(ROOT / f"params/{study}.yaml")))
    figure = next(figure for figure in figures.values() if figure.kind == name)
    assert found["subject"] == figure.subject
    assert found["inputs"].items() <= figure.inputs.items() and found["inputs"]


@pytest.mark.parametrize("start", [".", "notebooks"])
def test_setup_finds_the_root(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("params", "src/sphere_repro", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / start)
    monkeypatch.syspath_prepend("somewhere")  # restores sys.path afterwards
    exec(source(read("samples"), "setup"), {})
    assert Path.cwd() == tmp_path
    import sys

    assert sys.path[0] == str(tmp_path / "src")


def test_a_notebook_shows_its_figure_and_its_table(tmp_path: Path) -> None:
    display = pytest.importorskip("IPython.display")
    csv = tmp_path / "training.csv"
    csv.write_text("step,epoch,learning_rate,grad_norm,loss,kl\n1,1,1,1,2,0.5\n2,2,1,1,1,0.25\n")
    notebook, shown = read("training-curves"), []
    space: dict[str, Any] = {"subject": "", "inputs": {"digits": str(csv)}}
    original = display.display
    display.display = shown.append
    try:
        exec(source(notebook, "figure"), space)
    finally:
        display.display = original
    assert shown[0].data.startswith(b"\x89PNG") and shown[0].data == style.png(space["figure"])
    assert eval(source(notebook, "table"), space).loc["digits", "steps"] == 2

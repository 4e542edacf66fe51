"""A figure and its notebook in one go: the files are of what the notebook shows."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.provenance.integrity import refuse_edited

papermill = pytest.importorskip("papermill")

SOURCE = ROOT / "notebooks" / "training-curves.ipynb"
CURVES = "step,epoch,learning_rate,grad_norm,loss,kl\n1,1,1,1,2,0.5\n2,2,1,1,1,0.25\n"
FORMS = (".png", ".pdf", ".csv")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(ROOT / "workflow" / "jupyter"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    (tmp_path / "curves.csv").write_text(CURVES)
    return tmp_path


def figure(*more: str, out: str = "made/a.png", notebook: Path = SOURCE) -> int:
    words = ["figure", "training-curves", "digits=curves.csv", "--subject", "mine", "--out", out]
    if not more:
        more = ("--notebook", str(notebook), "--executed", "made/a.ipynb")
    return cli.main([*words, *more])


def shown(notebook: dict[str, Any]) -> list[bytes]:
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    return [base64.b64decode(out["data"]["image/png"]) for out in outputs if "image/png" in out["data"]]


def test_the_files_are_of_the_figure_that_the_notebook_shows(folder: Path) -> None:
    before = SOURCE.read_bytes()
    assert figure() == 0
    made = {path.suffix: path.read_bytes() for path in (folder / "made").iterdir()}
    assert made.keys() == {*FORMS, ".json", ".ipynb"} and SOURCE.read_bytes() == before
    notebook = json.loads(made[".ipynb"])
    assert shown(notebook) == [made[".png"]]
    assert notebook["cells"][-1]["id"] == "table" and "made/a.png" not in str(notebook["cells"])
    assert notebook["metadata"]["papermill"]["output_path"] == "made/a.ipynb"
    assert notebook["metadata"]["papermill"]["parameters"]["subject"] == "mine"
    refuse_edited(folder / "made/a.json")
    assert json.loads(made[".json"])["inputs"].keys() == {"digits", "notebook"}
    assert figure("--threads", "1", out="alone/a.png") == 0  # without a notebook
    for form in FORMS:
        assert (folder / f"alone/a{form}").read_bytes() == made[form], form


def test_a_broken_input_is_one_sentence_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "curves.csv").write_text("nothing of use")
    assert figure() == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert "curves.csv" in told[-1] and "Traceback" not in "".join(told)
    assert not (folder / "made").exists()


def test_a_mistake_in_the_notebook_is_shown_in_full(folder: Path) -> None:
    content = json.loads(SOURCE.read_text())
    content["cells"][-1]["source"] = "1 / 0"
    (folder / "mine.ipynb").write_text(json.dumps(content))
    with pytest.raises(papermill.exceptions.PapermillExecutionError, match="ZeroDivisionError"):
        figure(notebook=folder / "mine.ipynb")
    assert not (folder / "made").exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--notebook", "a.ipynb"], "needs --notebook and --executed together"),
        (["--executed", "a.ipynb"], "needs --notebook and --executed together"),
        (["--notebook", "none.ipynb", "--executed", "a.ipynb"], "none.ipynb is no notebook that can be run"),
        (["--notebook", "curves.csv", "--executed", "a.ipynb"], "curves.csv is no notebook that can be run"),
        (["--notebook", "a.ipynb", "--executed", "a.ipynb"], "one would overwrite the other"),
        (["--notebook", str(SOURCE), "--executed", "curves.csv"], "one would overwrite the other"),
    ],
)
def test_wrong_options_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert figure(*more) == 2
    assert told in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["curves.csv"]


def test_without_papermill_that_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)
    assert figure() == 2
    assert "papermill, which is not installed" in capsys.readouterr().err

"""Several figures in one job: the same files as by a job each, and a mistake loses none that is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.figures.draw import draw, write
from sphere_repro.provenance.integrity import refuse_edited
from sphere_repro.study.figures_job import FigureJob, FiguresJob

pytest.importorskip("papermill")

CURVES = "step,epoch,learning_rate,grad_norm,loss,kl\n1,1,1,1,2,0.5\n2,2,1,1,1,0.25\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Curves, others that are none, and a notebook that would notice another's names in its kernel."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(ROOT / "workflow" / "jupyter"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    (tmp_path / "curves.csv").write_text(CURVES)
    (tmp_path / "broken.csv").write_text("nothing of use")
    notebook = json.loads((ROOT / "notebooks/training-curves.ipynb").read_text())
    notebook["cells"][-1]["source"] = 'assert "left" not in globals()\nleft = 1\nsubject'
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/training-curves.ipynb").write_text(json.dumps(notebook))
    return tmp_path


def job(**inputs: str) -> list[str]:
    """A command that draws the curves of files, with their subjects' names."""
    found = [
        FigureJob(kind="training-curves", subject=name, inputs={"a": path}) for name, path in inputs.items()
    ]
    return ["figures", "--job", FiguresJob(figures=tuple(found)).as_text(), "--folder", "made"]


def test_each_is_as_if_alone_and_one_that_cannot_be_drawn_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(job(one="curves.csv", two="curves.csv", three="broken.csv", four="curves.csv")) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert "broken.csv" in told[-1] and "Traceback" not in "".join(told)

    made = {path.name for path in folder.glob("made/*/*")}
    forms = [*(f"figures/training-curves-{{}}{form}" for form in (".png", ".pdf", ".csv", ".json"))]
    forms += ["notebooks/training-curves-{}.ipynb"]
    assert made == {Path(form.format(name)).name for form in forms for name in ("one", "two")}
    for name in ("one", "two"):
        inputs = {"a": Path("curves.csv")}
        alone = write(
            "training-curves", inputs, draw("training-curves", inputs, name), folder / f"{name}.png"
        )
        together = [folder / "made/figures" / f"training-curves-{path.name}" for path in alone]
        assert [path.read_bytes() for path in alone] == [path.read_bytes() for path in together]
        refuse_edited(together[0].with_suffix(".json"))
        cells = json.loads((folder / f"made/notebooks/training-curves-{name}.ipynb").read_text())["cells"]
        assert [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"] == [1, 2, 3, 4, 5]
        assert cells[-1]["outputs"][0]["data"]["text/plain"] == [f"'{name}'"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--job", "{"], "--job"),
        (["--job", '{"figures": []}'], "the job of 'figures'"),
        (
            [*job(one="curves.csv")[1:3], "--notebooks", "nowhere"],
            "nowhere/training-curves.ipynb is no notebook",
        ),
    ],
)
def test_wrong_options_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert cli.main(["figures", *words, "--folder", "made"]) == 2
    assert told in capsys.readouterr().err and not (folder / "made").exists()

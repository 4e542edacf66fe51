"""Every figure that can be drawn of a run's results, and the notebook that shows it (smoke study)."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat
import pytest

from conftest import ROOT, SMOKE
from shown import assert_shown
from sphere_repro.study import catalogue
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles

pytestmark = pytest.mark.slow

FILES = StudyFiles(load_study(ROOT / SMOKE))
WANTED = catalogue.wanted(FILES)
OTHERS = {name: figure for name, figure in catalogue.figures(FILES).items() if name not in WANTED}


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_figure_is_drawn_of_the_same_results_as_its_notebook_shows_it(
    name: str, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made.png"
    assert_shown(OTHERS[name], finished, out)
    assert_can_be_shown(out)


def assert_can_be_shown(picture: Path) -> None:
    """Not blank, and small enough for a page."""
    assert 5_000 < picture.stat().st_size < 300_000, picture


def test_the_study_draws_some_of_them(finished: Path) -> None:
    assert len(WANTED) == 4 and len(OTHERS) >= 10
    for folder, form in (("figures", "png"), ("notebooks", "ipynb")):
        assert sorted(path.stem for path in finished.glob(f"results/{folder}/*.{form}")) == sorted(WANTED)


def test_notebooks_hold_their_figures(finished: Path) -> None:
    for path in finished.glob("results/notebooks/*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        made = [out["data"] for cell in cells for out in cell.get("outputs", []) if "data" in out]
        assert {"image/png", "text/html"} <= {kind for data in made for kind in data}, path
        shown = [base64.b64decode(data["image/png"]) for data in made if "image/png" in data]
        picture = finished / f"results/figures/{path.stem}.png"
        assert shown == [picture.read_bytes()]
        assert_can_be_shown(picture)

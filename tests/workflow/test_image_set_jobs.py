"""Image sets of every kind through the workflow: datasets by index, and a folder of one's own."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml
from PIL import Image

from conftest import SMOKE, pending, run, snakemake
from shown import assert_shown
from sphere_repro.data.archive import ImageArchive
from sphere_repro.study import catalogue
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles

pytestmark = pytest.mark.slow

STUDY = "params/shown.yaml"
FIGURES = ["crossover", "foreign-reconstructions"]
OTHERS = ["conditional-manipulation", "interpolation"]  # without their jobs
UNDECIDED = {
    "loop-is-stable": "reconstruction-mine: 1 image, and fewer than 4",
    "editing-keeps-structure": "edit-inks: 2 images, and fewer than 4",
    "interpolation-is-sudden": "interpolation-line: 1 path, and fewer than 4",
    "crossover-comes-to-rest": "crossover-pair: 1 pair, and fewer than 4",
}
SETS = ["crossover-pair", "edit-inks", "interpolation-line", "reconstruction-mine"]


def test_image_sets_of_every_kind(workspace, tmp_path):
    random = np.random.default_rng(0)
    (workspace / "mine").mkdir()
    Image.fromarray(random.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(workspace / "mine/a.png")
    shown = yaml.safe_load((workspace / SMOKE).read_text()) | {"figures": FIGURES}
    inks = {"dataset": "digits", "indices": [0, 1]}
    again = {"name": "mine", "inputs": "mine", "passes": 2}
    shown["runs"]["digits"]["sampling"] |= {
        "edits": [{"name": "inks", "classes": [3], "steps": 2, "negatives": True} | inks],
        "crossovers": [{"name": "pair", "passes": 2} | inks],
        "reconstructions": [again],
    }
    shown["runs"]["digits-vae"]["sampling"]["reconstructions"] = [again]
    (workspace / STUDY).write_text(yaml.safe_dump(shown))

    figures = [f"results/figures/{name}-digits.png" for name in FIGURES]
    judged = ["results/claims.csv", "results/tables/image-sets.csv"]
    targets = ["image_sets", *figures, "results/notebooks/crossover-digits.ipynb", *judged]
    done = snakemake(workspace, *targets, study=STUDY, check=True)
    assert "rule train" not in done.stdout + done.stderr
    folder = workspace / "results/smoke/digits/images"
    assert sorted(path.stem for path in folder.glob("*.zip")) == SETS
    original = ImageArchive(workspace / "data/prepared/digits-8px.zip")
    assert np.array_equal(ImageArchive(folder / "crossover-pair.zip").read(0), original.read(0))
    assert [path for path in figures if not (workspace / path).with_suffix(".csv").is_file()] == []
    others = catalogue.figures(StudyFiles(load_study(workspace / STUDY)))
    for name in OTHERS:
        assert_shown(others[f"{name}-digits"], workspace, tmp_path / f"{name}.png")

    verdicts = {row["claim"]: row for row in csv.DictReader((workspace / judged[0]).open())}
    for claim, why in UNDECIDED.items():
        assert verdicts[claim]["verdict"] == "undecided" and why in verdicts[claim]["numbers"], claim
    rows = list(csv.DictReader((workspace / judged[1]).open()))
    assert {row["set"] for row in rows if row["run"] == "digits"} == set(SETS)
    assert [row["set"] for row in rows if row["run"] == "digits-vae"] == ["reconstruction-mine"]

    told = run(workspace, "python", "-m", "sphere_repro", "explain", figures[0]).stdout
    assert "results/smoke/digits/images.json" in told and "edited" not in told
    assert pending(workspace, *targets, study=STUDY) == set()

    Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(workspace / "mine/b.png")
    expected = {"draw digits", "claims", "paper_tables"}
    assert pending(workspace, *targets, study=STUDY) == expected | {"images digits", "images digits-vae"}

    (workspace / "mine/b.png").unlink()
    assert pending(workspace, *targets, study=STUDY) == set()
    archive = folder / "crossover-pair.zip"
    archive.write_bytes(archive.read_bytes()[:-10])
    refused = snakemake(workspace, *targets, study=STUDY)
    assert refused.returncode and "crossover-pair.zip is not the file that was made" in refused.stderr

"""How far trainings lie apart is kept beside the results that it judges, and only where it speaks of them."""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

FIVE = (100.0, 104.0, 97.0, 101.0, 103.0)
COLUMNS = ("study", "run", "replicate", "set", "metric", "frechet")
STUDIES = ("params/demo-replicates.yaml", "params/demo.yaml")


def keep(folder: Path, *studies: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "workflow/scripts/keep_deviations.py"
    command = [sys.executable, str(script), *(str(ROOT / study) for study in studies or STUDIES)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def tables(folder: Path, study: str = "demo-replicates", trainings: int = 5) -> None:
    """A table of scores as the finished study of replicates leaves it."""
    place = folder / "results/studies/demo-replicates"
    place.mkdir(parents=True)
    with (place / "fid_table.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        for number, value in enumerate(FIVE[:trainings]):
            writer.writerow([study, "digits", number, "generation-1", "frechet-x", value])


def test_the_deviation_of_five_trainings_is_kept(tmp_path: Path) -> None:
    tables(tmp_path)
    done = keep(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "reference/demo/deviations.csv: 1 numbers of 5 trainings\n"
    with (tmp_path / "reference/demo/deviations.csv").open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert float(row["deviation"]) == pytest.approx(statistics.stdev(FIVE), rel=1e-5)
    assert (row["row"], row["trainings"]) == ("digits · generation-1 · frechet-x", "5")


def test_what_says_nothing_of_the_study_is_refused(tmp_path: Path) -> None:
    def refused(words: str, *studies: str) -> None:
        done = keep(tmp_path, *studies)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "reference").exists()

    refused("holds no fid_table.csv")
    tables(tmp_path, trainings=2)
    refused("has no run of 3 trainings")
    refused("runs.digits of 'gallery' is not that of 'demo'", "params/gallery.yaml", "params/demo.yaml")
    refused("runs.digits of 'evening' is not that of 'demo'", "params/evening.yaml", "params/demo.yaml")


def test_tables_of_another_study_are_refused(tmp_path: Path) -> None:
    tables(tmp_path, study="demo")
    assert "holds the results of 'demo', not of 'demo-replicates'" in keep(tmp_path).stderr

"""Curves that grow during training, logged with DVCLive."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from sphere_repro.errors import UserError
from sphere_repro.live import LiveCurves

pytest.importorskip("dvclive")
ROWS = [{"step": step, "loss": 1 / step, "learning_rate": 1e-4} for step in (1, 2, 5)]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty DVC project as the working folder."""
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    monkeypatch.chdir(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_each_metric_has_its_file(tmp_path: Path) -> None:
    curves = LiveCurves(tmp_path / "live")
    for row in ROWS:
        curves.add(row)
    with (tmp_path / "live/plots/metrics/loss.tsv").open() as file:
        found = list(csv.DictReader(file, delimiter="\t"))
    assert [(int(row["step"]), float(row["loss"])) for row in found] == [(1, 1.0), (2, 0.5), (5, 0.2)]
    last = json.loads((tmp_path / "live/metrics.json").read_text())
    assert last == {"step": 5, "loss": 0.2, "learning_rate": 1e-4}


def test_a_resumed_training_leaves_the_same_files(tmp_path: Path) -> None:
    whole, resumed = LiveCurves(tmp_path / "whole"), LiveCurves(tmp_path / "resumed")
    for row in ROWS:
        whole.add(row)
    resumed.add(ROWS[0])
    resumed.add({"step": 2, "loss": 9.0, "learning_rate": 1.0})  # after the state that is taken up again
    again = LiveCurves(tmp_path / "resumed", ROWS[:1])
    for row in ROWS[1:]:
        again.add(row)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_nothing_else_is_written(tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    LiveCurves(tmp_path / "live").add(ROWS[0])
    assert set(tmp_path.iterdir()) - before == {tmp_path / "live"}


def test_outside_a_project_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").rename(tmp_path / "was")
    with pytest.raises(UserError, match="DVC project"):
        LiveCurves(tmp_path / "live")
    assert not (tmp_path / "live").exists() and not (tmp_path / ".dvc").exists()

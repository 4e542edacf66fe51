"""Curves that grow during training, logged with DVCLive."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from test_loop import CPU, Place, tiny_job

from sphere_repro.errors import UserError
from sphere_repro.study.recipe import Execution
from sphere_repro.training import optim
from sphere_repro.training.live import LiveCurves
from sphere_repro.training.loop import Files, train

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


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("samples/*"))


def trained(folder: Path, archive: Path, grids: int, told: list[str], stop_at: int | None = None) -> None:
    execution = Execution(grids=grids, checkpoint_seconds=1e-9, checkpoint_share=1)
    place = Place(folder)
    files = Files(archive, place.model, place.log, place.state, folder / "live")
    original, calls = optim.set_rates, []

    def set_rates(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) - 1 == stop_at:
            raise KeyboardInterrupt
        original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optim, "set_rates", set_rates)
        patch.setattr("sphere_repro.training.live.REPORT_SECONDS", 0.0)
        train(tiny_job(), files, CPU, execution, told.append)


def test_a_training_shows_pictures_curves_and_its_speed(tmp_path: Path, digits_archive: Path) -> None:
    told: list[str] = []
    trained(tmp_path, digits_archive, 3, told)
    assert names(tmp_path / "live") == [f"step-{step:08d}.png" for step in (2, 4, 6)]
    assert len(told) == 5 and told[0].startswith("train tiny: step 2 of 6, loss ")
    assert all("images/s" in line and line.endswith(" to go") for line in told)
    last = json.loads((tmp_path / "live/metrics.json").read_text())
    assert last["step"] == 6 and last["images_per_second"] > 0 and last["seconds_to_go"] == 0
    assert (tmp_path / "live/plots/metrics/loss.tsv").is_file()
    assert not list(tmp_path.glob("live/plots/metrics/images*"))


@pytest.mark.parametrize(("grids", "steps"), [(0, []), (1, [6]), (4, [2, 3, 5, 6]), (50, [1, 2, 3, 4, 5, 6])])
def test_as_many_pictures_as_asked_for(
    tmp_path: Path, digits_archive: Path, grids: int, steps: list[int]
) -> None:
    trained(tmp_path, digits_archive, grids, [])
    assert names(tmp_path / "live") == [f"step-{step:08d}.png" for step in steps]
    assert (tmp_path / "live/samples").is_dir()  # DVC tracks the folder, empty or not


def test_a_resumed_training_leaves_the_same_pictures(tmp_path: Path, digits_archive: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trained(whole, digits_archive, 6, [])
    with pytest.raises(KeyboardInterrupt):
        trained(broken, digits_archive, 6, [], stop_at=4)
    (broken / "live/samples/step-00000005.png").write_bytes(b"of a step that comes again")
    trained(broken, digits_archive, 6, [])
    found = [
        {path.name: path.read_bytes() for path in (side / "live/samples").iterdir()}
        for side in (whole, broken)
    ]
    assert found[0] == found[1] and len(found[0]) == 6


def test_pictures_change_no_weight(tmp_path: Path, digits_archive: Path) -> None:
    trained(tmp_path / "a", digits_archive, 6, [])
    trained(tmp_path / "b", digits_archive, 0, [])
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()

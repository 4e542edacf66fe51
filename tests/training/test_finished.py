"""Going on with a finished training: to the bit where the rates allow it, in one sentence where not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from test_loop import CPU, Place, interrupted, places, tiny_job
from test_saved import asked, changed, spoil

from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import World
from sphere_repro.study.jobs import TrainJob
from sphere_repro.training.finished import Finished, about
from sphere_repro.training.saved import Saved, resumed_state
from sphere_repro.training.segments import continued

assert places  # a fixture
Make = Callable[[str], Place]
CONSTANT = {"minimum_learning_rate": 8e-3}  # the maximum of `tiny_job`


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def state_of(place: Place) -> Path:
    return place.model.with_name("model.state.pt")


def from_the_start(places: Make, archive: Path, job: TrainJob) -> bytes:
    whole = places("whole")
    assert whole.train(job, archive).resumed_at == 0
    return whole.model.read_bytes()


# -- the same bits


@pytest.mark.parametrize("kind", ["sphere", "vae"])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (CONSTANT, {"epochs": 2, **CONSTANT}),  # a rate that does not fall
        ({}, {"epochs": 2, "schedule_epochs": 1}),  # a rate that stays at its minimum
        ({"schedule_epochs": 3}, {"epochs": 3}),  # the first third of a long schedule
        ({"schedule_epochs": 3}, {"epochs": 2, "schedule_epochs": 3}),
    ],
)
def test_going_on_ends_in_the_bits_of_a_training_from_the_start(
    places: Make, digits_archive: Path, kind: str, first: dict[str, Any], then: dict[str, Any]
) -> None:
    longer = tiny_job(kind, **then)
    place = places("a")
    place.train(tiny_job(kind, **first), digits_archive)
    result = place.train(longer, digits_archive)
    assert result.resumed_at == 6 and result.steps == longer.training.epochs * 6
    assert place.model.read_bytes() == from_the_start(places, digits_archive, longer)
    assert place.log.read_bytes() == places("whole").log.read_bytes()
    assert [segment.get("after_epochs") for segment in result.segments] == [None, 1]
    assert result.segments[1]["from_step"] == 6


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 3))
def test_however_often_it_is_lengthened(
    tmp_path_factory: pytest.TempPathFactory, digits_archive: Path, more: list[int], constant: int
) -> None:
    """Any number of longer trainings one after the other is one training."""
    folder = tmp_path_factory.mktemp("lengthened")
    how = CONSTANT if constant else {"schedule_epochs": 2.0}
    place, whole, sixths = Place(folder / "a"), Place(folder / "whole"), 3
    place.train(tiny_job(epochs=sixths / 6, **how), digits_archive)
    for each in more:
        before, sixths = sixths, sixths + each
        assert place.train(tiny_job(epochs=sixths / 6, **how), digits_archive).resumed_at == before
    whole.train(tiny_job(epochs=sixths / 6, **how), digits_archive)
    assert place.bytes == whole.bytes


def test_one_that_is_interrupted_while_it_goes_on(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = tiny_job(epochs=2, **CONSTANT)
    place = places("a")
    place.train(tiny_job(**CONSTANT), digits_archive)
    interrupted(place, longer, digits_archive, monkeypatch, 3)
    assert len(place.kept) == 2 and state_of(place).is_file()
    result = place.train(longer, digits_archive)
    assert result.resumed_at == 9
    assert [segment.get("after_epochs") for segment in result.segments] == [None, 1]
    assert place.model.read_bytes() == from_the_start(places, digits_archive, longer)


def test_a_mark_of_going_on_is_no_difference_to_what_follows_it() -> None:
    plain = {"from_step": 0, "code": "a"}
    marked = plain | {"from_step": 6, "after_epochs": 1.0}
    assert continued([plain], marked) == [plain, marked]
    assert continued([plain, marked], plain | {"from_step": 9}) == [plain, marked]
    other = {"from_step": 9, "code": "b"}
    assert continued([plain, marked], other) == [plain, marked, other]


# -- from the start


def test_a_rate_that_would_have_been_another_starts_anew_and_says_what_goes_on(
    places: Make, digits_archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, longer = places("a"), tiny_job(epochs=2)
    place.train(tiny_job(), digits_archive)
    before = state_of(place).read_bytes()
    capsys.readouterr()
    assert place.train(longer, digits_archive).resumed_at == 0
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "tiny starts from step 0: from step " in told
    assert "training.schedule_epochs: 1 goes on" in told
    assert place.model.read_bytes() == from_the_start(places, digits_archive, longer)
    # what is told works: the state stays until another training has ended
    state_of(place).write_bytes(before)
    advised = tiny_job(epochs=2, schedule_epochs=1)
    assert place.train(advised, digits_archive).resumed_at == 6


def test_the_advice_leads_to_other_weights_and_says_so_in_the_job(places: Make, digits_archive: Path) -> None:
    longer, advised = tiny_job(epochs=2), tiny_job(epochs=2, schedule_epochs=1)
    one, other = places("a"), places("b")
    one.train(longer, digits_archive)
    other.train(advised, digits_archive)
    assert one.model.read_bytes() != other.model.read_bytes()
    assert longer.model_dump(mode="json") != advised.model_dump(mode="json")


@pytest.mark.parametrize(
    "change", [{"learning_rate": 9e-3}, {"seed": 4}, {"batch_size": 24}, {"ema_decay": 0.8}]
)
def test_what_differs_in_more_than_its_length_starts_from_the_start(
    places: Make, digits_archive: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any]
) -> None:
    place = places("a")
    place.train(tiny_job(**CONSTANT), digits_archive)
    capsys.readouterr()
    job = tiny_job(epochs=2, **CONSTANT, **change)
    assert place.train(job, digits_archive).resumed_at == 0
    assert "step 0" not in capsys.readouterr().err


def test_a_finished_training_that_is_run_again_is_run(places: Make, digits_archive: Path) -> None:
    place = places("a")
    place.train(tiny_job(), digits_archive)
    assert place.train(tiny_job(), digits_archive).resumed_at == 0


def test_a_shorter_one_starts_from_the_start(
    places: Make, digits_archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, job = places("a"), tiny_job(**CONSTANT)
    place.train(tiny_job(epochs=2, **CONSTANT), digits_archive)
    assert place.train(job, digits_archive).resumed_at == 0
    assert "12 steps, more than 6" in capsys.readouterr().err
    assert place.model.read_bytes() == from_the_start(places, digits_archive, job)


# -- what is kept


def test_the_last_state_is_kept_beside_the_model(places: Make, digits_archive: Path) -> None:
    place = places("a")
    place.train(tiny_job(), digits_archive)
    record = torch.load(state_of(place), weights_only=True)
    raw = load_file(place.model)
    assert record["step"] == 6 and place.states == []
    assert all(torch.equal(raw[f"raw.{name}"], tensor) for name, tensor in record["model"].items())
    # weights, average, and two moments of what was trained, beside the model's weights and average
    assert 1.5 < state_of(place).stat().st_size / place.model.stat().st_size < 2.5


def test_nothing_is_kept_where_that_is_said(places: Make, digits_archive: Path) -> None:
    place = places("a")
    place.train(tiny_job(**CONSTANT), digits_archive)
    assert place.execution is not None
    place.execution = place.execution.model_copy(update={"keep_state": False})
    assert place.train(tiny_job(epochs=2, **CONSTANT), digits_archive).resumed_at == 6
    assert not state_of(place).exists() and place.states == []  # it belonged to the model before


def test_the_state_may_lie_on_another_file_system(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    place = places("a")
    place.train(tiny_job(**CONSTANT), digits_archive)
    assert place.states == []
    assert place.train(tiny_job(epochs=2, **CONSTANT), digits_archive).resumed_at == 6


# -- in doubt


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "moments"])
def test_a_damaged_state_stops_and_asks(
    places: Make, digits_archive: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    place, longer = places("a"), tiny_job(epochs=2, **CONSTANT)
    place.train(tiny_job(**CONSTANT), digits_archive)
    left = spoil(state_of(place), damage)
    for resume in ("exact", "anyway"):
        with pytest.raises(UserError, match=r"model\.state\.pt.* is damaged. Restore it .*, or delete it"):
            asked(place, resume).train(longer, digits_archive)
        assert state_of(place).read_bytes() == left
    assert asked(place, "anew").train(longer, digits_archive).resumed_at == 0
    assert "model.state.pt is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("what", "words"), [("code", "other code"), ("torch", r"torch \S+ \(now 9\.9\)")])
def test_a_state_of_other_code_is_gone_on_with_only_if_that_is_said(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str
) -> None:
    place, longer = places("a"), tiny_job(epochs=2, **CONSTANT)
    place.train(tiny_job(**CONSTANT), digits_archive)
    changed(monkeypatch, what)
    with pytest.raises(UserError, match=rf"would go on from .*, which was made by {words}.*execution.resume"):
        place.train(longer, digits_archive)
    before = state_of(place).read_bytes()
    assert asked(place, "anew").train(longer, digits_archive).resumed_at == 0
    state_of(place).write_bytes(before)
    result = asked(place, "anyway").train(longer, digits_archive)
    assert result.resumed_at == 6 and len(result.segments) == 2


def test_a_half_trained_state_comes_before_a_finished_one(tmp_path: Path) -> None:
    job = tiny_job(epochs=2, **CONSTANT)
    said = about(job, {"data": "x"})
    finished = Finished(tmp_path / "model.state.pt", job, said["course"], 6)
    ended = Saved(tmp_path / "old", "tiny-old", "old", about(tiny_job(**CONSTANT), {"data": "x"}))
    state = resumed_state(job, ended, CPU, World())
    state.step = 6
    ended.write(state.record("old"))
    finished.replace(ended, keep=True)
    own = Saved(tmp_path / "new", "tiny-new", "new", said)
    assert resumed_state(job, own, CPU, World(), finished=finished).step == 6
    state.step = 9
    own.write(state.record("new"))
    assert resumed_state(job, own, CPU, World(), finished=finished).step == 9
    other = about(job, {"data": "y"})["course"]
    elsewhere = Saved(tmp_path / "none", "tiny-none", "none", said)
    foreign = Finished(finished.path, job, other, 6)
    assert resumed_state(job, elsewhere, CPU, World(), finished=foreign).step == 0

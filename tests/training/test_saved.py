"""Half-trained models on disk: interrupted, damaged, by other code, on a disk that stumbles."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import CPU, Place, interrupted, places, tiny_job

from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import World
from sphere_repro.machine.signals import deferred_interrupt
from sphere_repro.provenance import maker
from sphere_repro.provenance.maker import difference
from sphere_repro.study.recipe import Execution
from sphere_repro.training import saved as module
from sphere_repro.training.saved import Rhythm, Saved, resumed_state
from sphere_repro.training.segments import continued
from sphere_repro.training.state import initial_state

assert places  # a fixture
Make = Callable[[str], Place]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def asked(place: Place, resume: str) -> Place:
    """The same place, and what to do in doubt."""
    assert place.execution is not None
    place.execution = place.execution.model_copy(update={"resume": resume})
    return place


# -- signals


def signals_while_writing(
    monkeypatch: pytest.MonkeyPatch, step: int, number: int, count: int
) -> pytest.MonkeyPatch:
    """In the middle of writing the state after `step`, `count` signals come."""
    original = torch.save

    class Writer:
        def __init__(self, file: Any) -> None:
            self.file, self.calls = file, 0

        def write(self, data: bytes) -> int:
            self.calls += 1
            if self.calls == 5:
                for _ in range(count):
                    signal.raise_signal(number)
            return int(self.file.write(data))

        def flush(self) -> None:
            self.file.flush()

    def save(record: Any, file: Any) -> None:
        original(record, Writer(file) if record["step"] == step else file)

    monkeypatch.setattr(torch, "save", save)
    return monkeypatch


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("count", "left"), [(1, 5), (2, 5), (3, 3)])
def test_a_save_in_progress_is_finished_until_the_third_signal(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, number: int, count: int, left: int
) -> None:
    """Signals during the save after step 4: obeyed after step 5, whose state is saved, or at the third."""
    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(), digits_archive)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        signals_while_writing(patch, 4, number, count)
        broken.train(tiny_job(), digits_archive)
    assert [Path(name).suffix for name in broken.states] == [".pt", ".pt"]
    assert broken.train(tiny_job(), digits_archive).resumed_at == left
    assert broken.bytes == whole.bytes


def test_a_signal_before_the_save_and_one_within_it(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal's to the group ends the step; Snakemake's own comes while its state is written."""
    from sphere_repro.training import optim

    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(), digits_archive)
    original, calls = optim.set_rates, []

    def set_rates(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        original(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(optim, "set_rates", set_rates)
        signals_while_writing(patch, 3, signal.SIGTERM, 1)
        broken.train(tiny_job(), digits_archive)
    assert broken.train(tiny_job(), digits_archive).resumed_at == 3
    assert broken.bytes == whole.bytes


def test_a_save_that_takes_for_ever_meets_the_deadline(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    class Stuck:
        def write(self, _: bytes) -> int:
            if not told:
                told.append(1)
                signal.raise_signal(signal.SIGTERM)
            signal.pause()  # as a disk that does not answer
            raise AssertionError

        def flush(self) -> None:
            pass

    original = torch.save
    place = places("a")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(torch, "save", lambda record, _: original(record, Stuck()))
        patch.setattr(
            "sphere_repro.training.loop.deferred_interrupt", lambda: deferred_interrupt(deadline=0.1)
        )
        place.train(tiny_job(), digits_archive)
    assert place.states == []


# -- damage


def spoil(saved: Path, damage: str) -> bytes:
    data = saved.read_bytes()
    if damage == "empty":
        saved.write_bytes(b"")
    elif damage == "half":
        saved.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        saved.write_bytes(data[:5000] + bytes([data[5000] ^ 0xFF]) + data[5001:])
    elif damage == "foreign":
        torch.save({"weights": torch.zeros(3)}, saved)
    elif damage == "list":
        torch.save([1, 2], saved)
    else:
        record = torch.load(saved, weights_only=True)
        if damage == "misfit":
            record["ema"][-1] = torch.zeros(1, 2, 3)
        elif damage == "moments":
            record["adam"]["state"][0]["exp_avg"] = torch.zeros(2)
        else:
            del record["log"]
        torch.save(record, saved)
    return saved.read_bytes()


DAMAGES = ["empty", "half", "flipped", "foreign", "list", "misfit", "moments", "part"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_put_aside_and_the_one_before_serves(
    places: Make,
    digits_archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:
    whole, broken = places("whole"), places("broken")
    job = tiny_job()
    whole.train(job, digits_archive)
    interrupted(broken, job, digits_archive, monkeypatch, 4)
    saved = broken.saved
    left = spoil(saved, damage)
    result = broken.train(job, digits_archive)
    message = capsys.readouterr().err
    assert result.resumed_at == 3
    assert broken.bytes == whole.bytes
    assert message.count("\n") == 1 and "is damaged" in message and "step 3" in message
    assert str(saved) in message and broken.states == [f"{saved.name}.broken"]
    assert saved.with_name(f"{saved.name}.broken").read_bytes() == left


@pytest.mark.parametrize("kept", [1, 2])
def test_where_no_state_can_be_read_it_stops_and_asks(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    whole, broken = places("whole"), places("broken")
    job = tiny_job()
    whole.train(job, digits_archive)
    interrupted(broken, job, digits_archive, monkeypatch, 4)
    for path in broken.kept[kept:]:
        path.unlink()
    for path in broken.kept:
        spoil(path, "half")
    before = broken.states
    for _ in range(2):  # asked again, and nothing was thrown away
        with pytest.raises(UserError, match=r"No training state of tiny can be read: .*to anew") as caught:
            broken.train(job, digits_archive)
        assert all(str(path) in str(caught.value) for path in broken.kept)
        assert broken.states == before
    with pytest.raises(UserError, match="No training state"):
        asked(broken, "anyway").train(job, digits_archive)
    assert asked(broken, "anew").train(job, digits_archive).resumed_at == 0
    assert broken.bytes == whole.bytes
    assert broken.states == [f"{name}.broken" for name in before]


def test_anew_throws_away_nothing_that_can_be_gone_on_with(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the key may stay in the study: the training that starts anew is itself taken up again."""
    place = asked(places("a"), "anew")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 4)
    assert place.train(tiny_job(), digits_archive).resumed_at == 4


# -- passing errors


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_file_system_that_stumbles_is_no_damage(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    before = place.states
    original = Path.open

    class Stumbling(io.FileIO):
        """A file whose eighth read fails."""

        reads = 0

        def readinto(self, into: Any) -> Any:
            self.reads += 1
            if self.reads == 8:
                raise OSError(number, os.strerror(number))
            return super().readinto(into)

    def open_(self: Path, mode: str = "r", *arguments: Any, **settings: Any) -> Any:
        if self.suffix == ".pt" and mode == "rb":
            return io.BufferedReader(Stumbling(self), buffer_size=64)
        return original(self, mode, *arguments, **settings)

    with monkeypatch.context() as patch, pytest.raises(UserError, match=os.strerror(number)) as caught:
        patch.setattr(Path, "open", open_)
        asked(place, "anew").train(tiny_job(), digits_archive)
    assert "run the same command again" in str(caught.value)
    assert place.states == before
    assert place.train(tiny_job(), digits_archive).resumed_at == 3


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried …"), RuntimeError("CUDA error: unspecified failure")],
)
def test_a_device_that_fails_is_no_damage(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    before = place.states

    def restore(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch, pytest.raises((UserError, RuntimeError)):
        patch.setattr("sphere_repro.training.state.State.restore", restore)
        asked(place, "anew").train(tiny_job(), digits_archive)
    assert place.states == before
    assert place.train(tiny_job(), digits_archive).resumed_at == 3


def test_a_state_that_does_not_fit_into_memory_is_kept(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places("a")
    job = tiny_job()
    interrupted(place, job, digits_archive, monkeypatch, 3)

    def load(*_: Any, **__: Any) -> None:
        torch.empty(2**60)

    with monkeypatch.context() as patch, pytest.raises(UserError, match="ran out of memory"):
        patch.setattr(torch, "load", load)
        place.train(job, digits_archive)
    assert place.train(job, digits_archive).resumed_at == 3


def test_a_save_that_stumbles_is_tried_again(
    places: Make,
    digits_archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, place = places("whole"), places("a")
    whole.train(tiny_job(), digits_archive)
    original = torch.save

    class Stumbling:
        """A file whose third write fails: torch hides that in an error of its own."""

        def __init__(self, file: Any) -> None:
            self.file, self.calls = file, 0

        def write(self, data: bytes) -> int:
            self.calls += 1
            if self.calls == 3:
                raise OSError(errno.ESTALE, "Stale file handle")
            return int(self.file.write(data))

        def flush(self) -> None:
            self.file.flush()

    def save(record: Any, file: Any) -> None:
        original(record, Stumbling(file) if record["step"] in (2, 3) else file)

    monkeypatch.setattr(torch, "save", save)
    place.train(tiny_job(), digits_archive)
    assert place.bytes == whole.bytes
    told = capsys.readouterr().err
    assert told.count("could not be saved") == told.count("\n") == 2 and "step 2" in told


def test_the_state_that_must_be_saved_now_is_not_skipped(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OSError, match="Input/output"):
        places("a").train(tiny_job(), digits_archive)


# -- how often


def test_saving_takes_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    rhythm = Rhythm(seconds=300, share=0.05)
    assert not rhythm.due()
    now[0] += 300
    assert rhythm.due()

    def slow() -> None:
        now[0] += 44  # 22 GB at 500 MB/s

    rhythm.timed(slow)
    for wait, due in ((800, False), (35, False), (2, True)):  # 44 s of 880
        now[0] += wait
        assert rhythm.due() == due
    rhythm.timed(lambda: None)
    now[0] += 299
    assert not rhythm.due()
    now[0] += 1
    assert rhythm.due()


def test_the_last_two_states_are_kept(tmp_path: Path) -> None:
    saved = Saved(tmp_path, "a-1234", "1234")
    other = Saved(tmp_path, "a-12345", "12345")
    other.write({"step": 7})
    for step in (8, 9, 10, 11):
        saved.write({"step": step})
    assert list(saved.steps()) == [11, 10] and list(other.steps()) == [7]
    saved.remove()
    assert not saved.steps() and list(other.steps()) == [7]


# -- other code


def changed(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Today's code or versions are others."""
    if what == "code":
        monkeypatch.setattr(maker, "code_hash", lambda *_: "f" * 64)
    else:
        today = maker.versions()
        monkeypatch.setattr(maker, "versions", lambda: today | {"torch": "9.9"})


@pytest.mark.parametrize(("what", "words"), [("code", "other code"), ("torch", r"torch \S+ \(now 9\.9\)")])
def test_a_state_of_other_code_is_gone_on_with_only_if_that_is_said(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, what: str, words: str
) -> None:
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    before = place.states
    with monkeypatch.context() as patch:
        changed(patch, what)
        with pytest.raises(UserError, match=rf"was made by {words}.*execution\.resume: 'anyway'"):
            place.train(tiny_job(), digits_archive)
        assert place.states == before
        result = asked(place, "anyway").train(tiny_job(), digits_archive)
    assert result.resumed_at == 3
    first, second = result.segments
    assert (first["from_step"], second["from_step"]) == (0, 3)
    assert difference(first, second)


def test_a_state_of_other_code_is_put_aside_where_that_is_said(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    before = place.states
    changed(monkeypatch, "code")
    result = asked(place, "anew").train(tiny_job(), digits_archive)
    assert result.resumed_at == 0 and len(result.segments) == 1
    assert place.states == [f"{name}.broken" for name in before]
    assert "was made by other code" in capsys.readouterr().err


def test_packages_that_train_nothing_may_change(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    today = maker.versions()
    monkeypatch.setattr(maker, "versions", lambda: today | {"scipy": "9.9"})
    assert place.train(tiny_job(), digits_archive).resumed_at == 3


def test_a_state_of_an_earlier_version_is_not_passed_over(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had one file without a step, and no format: to start anew beside it would lose days in silence."""
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    record = torch.load(place.saved, weights_only=True)
    for path in place.kept:
        path.unlink()
    old = {key: record[key] for key in ("identity", "model", "adam", "ema", "step", "seconds")}
    name = place.state / f"tiny-{record['identity'][:16]}.pt"
    torch.save(old | {"rows": []}, name)
    for resume in ("exact", "anyway"):
        with pytest.raises(UserError, match="was made by an earlier version"):
            asked(place, resume).train(tiny_job(), digits_archive)
    assert name.is_file()
    assert asked(place, "anew").train(tiny_job(), digits_archive).resumed_at == 0


def test_the_record_says_who_trained_which_steps(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sphere_repro.commands import train as train_command

    place, job = places("a"), tiny_job()
    interrupted(place, job, digits_archive, monkeypatch, 3)
    train_command.train(job, place.files(digits_archive), "cpu", Execution())
    record = json.loads(place.model.with_suffix(".json").read_text())
    (one,) = record["segments"]
    assert one["from_step"] == 0 and one["processes"] == 1
    assert one["code"]["sha256"] == record["code"]["sha256"] and one["machine"] == record["machine"]


def test_segments_are_listed_once() -> None:
    a, b = {"from_step": 0, "code": 1}, {"from_step": 0, "code": 2}
    assert continued([], a) == [a]
    assert continued([a], a | {"from_step": 5}) == [a]
    assert continued([a], b | {"from_step": 5}) == [a, b | {"from_step": 5}]
    assert continued([a], b) == [b]  # killed before its first save


def test_a_resumed_training_keeps_what_it_has_added_up(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sphere_repro.training.log.LOG_ROWS", 2)  # a row every third step
    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(), digits_archive)
    interrupted(broken, tiny_job(), digits_archive, monkeypatch, 3)
    broken.train(tiny_job(), digits_archive)
    assert broken.bytes == whole.bytes


def test_a_row_is_the_mean_since_the_row_before(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, few = places("each"), places("few")
    each.train(tiny_job(), digits_archive)
    monkeypatch.setattr("sphere_repro.training.log.LOG_ROWS", 2)
    few.train(tiny_job(), digits_archive)
    single, mean = ([line.split(",") for line in place.log.read_text().split()] for place in (each, few))
    assert [row[0] for row in mean] == ["step", "1", "4", "6"]
    for column, name in enumerate(single[0][2:], 2):
        values = [float(row[column]) for row in single[1:]]
        last = name == "learning_rate"
        wanted = (
            [values[0], values[3], values[5]]
            if last
            else [
                values[0],
                sum(values[1:4]) / 3,
                sum(values[4:]) / 2,
            ]
        )
        assert [float(row[column]) for row in mean[1:]] == pytest.approx(wanted, rel=1e-6), name
    assert each.model.read_bytes() == few.model.read_bytes()


# -- one process reads for all


def test_only_the_leader_reads(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = places("a")
    interrupted(place, tiny_job(), digits_archive, monkeypatch, 3)
    record = torch.load(place.saved, weights_only=True)
    saved = Saved(place.state, place.saved.name.rpartition("-step")[0], record["identity"])
    leader = resumed_state(tiny_job(), saved, CPU, World())
    heard: list[torch.Tensor] = []

    class Helper(World):
        """Is told what the leader has."""

        def told(self, value: Any) -> Any:
            return leader._numbers(), sorted(record["adam"]["state"])

        def spread(self, tensors: Any) -> None:
            sent = list(leader._tensors(sorted(record["adam"]["state"])))
            for tensor, own in zip(tensors, sent, strict=True):
                heard.append(tensor.copy_(own))

        def agree(self, value: int) -> bool:
            return value == 3

    monkeypatch.setattr(module, "read_pickle", lambda *_: pytest.fail("a helper read the state"))
    helper = resumed_state(tiny_job(), saved, CPU, Helper(1, 2))
    assert heard and helper.step == 3
    assert (helper.log, helper.seconds) == (leader.log, leader.seconds)
    moved = sorted(record["adam"]["state"])
    pairs = list(zip(helper._tensors(moved), leader._tensors(moved), strict=True))
    assert len(pairs) > 100 and all(torch.equal(mine, theirs) for mine, theirs in pairs)
    fresh = initial_state(tiny_job(), CPU)
    assert not torch.equal(fresh.ema[0], helper.ema[0])


def test_executions_say_how_often_and_what_in_doubt() -> None:
    assert Execution().checkpoint_share == 0.05 and Execution().resume == "exact"

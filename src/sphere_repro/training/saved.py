"""Half-trained models on disk: the last one and the one before it, when they are written and taken up."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import World
from sphere_repro.machine.files import PASSING, atomic_output, writing
from sphere_repro.machine.notes import notice
from sphere_repro.models.checkpoint import DamagedFileError, read_pickle
from sphere_repro.provenance.maker import difference
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution
from sphere_repro.study.replicates import run_of
from sphere_repro.training.init_from import begun_state
from sphere_repro.training.segments import Segment, continued, segment
from sphere_repro.training.state import FORMAT, State

if TYPE_CHECKING:
    from sphere_repro.training.finished import Finished

KEPT = 2
ANYWAY = "'anyway' goes on with today's and records which steps are whose, "


@dataclass(frozen=True)
class Saved:
    """The states of one training: `NAME-stepN.pt` in a folder, the last two of them.

    Attributes:
        folder: of all states.
        name: of this training: the run, and how its identity begins.
        identity: hash of what fixes the trained weights.
        about: what each state says besides of its training (`finished.about`).
    """

    folder: Path
    name: str
    identity: str
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def lock(self) -> Path:
        """What the one process that trains holds."""
        return self.folder / f"{self.name}.lock"

    def steps(self) -> dict[int, Path]:
        """The states by step, the last one first; those of earlier versions, without a step, as 0."""
        if not self.folder.is_dir():
            return {}
        name = re.compile(rf"{re.escape(self.name)}(?:-step(\d+))?\.pt")
        found = {
            int(match[1] or 0): path for path in self.folder.iterdir() if (match := name.fullmatch(path.name))
        }
        return dict(sorted(found.items(), reverse=True))

    def write(self, record: dict[str, Any]) -> None:
        """Write a state's record, whole or not at all; then remove all but it and the one before."""
        path = self.folder / f"{self.name}-step{record['step']}.pt"
        # an open file: torch would hide a full disk in an error that does not say so
        with atomic_output(path) as temporary, temporary.open("wb") as file:
            torch.save({**record, **self.about}, file)
        for old in list(self.steps().values())[KEPT:]:
            old.unlink(missing_ok=True)

    def put_aside(self, path: Path) -> Path:
        """Move a state out of the way, to `NAME.broken`."""
        aside = path.with_name(f"{path.name}.broken")
        with writing(aside):
            path.replace(aside)
        return aside

    def remove(self) -> None:
        """The training is done."""
        for path in self.steps().values():
            path.unlink(missing_ok=True)


class Rhythm:
    """When to save: not within `seconds` of the last time, nor so often that it takes more than `share`."""

    def __init__(self, seconds: float, share: float) -> None:
        self.seconds, self.share = seconds, share
        self.cost = 0.0
        self.last = time.monotonic()

    def due(self) -> bool:
        """Whether enough time has passed since the last save has ended."""
        bound = self.cost * (1 - self.share) / self.share
        return time.monotonic() - self.last >= max(self.seconds, bound)

    def timed(self, save: Callable[[], None]) -> None:
        """Save, and remember what it took."""
        began = time.monotonic()
        save()
        self.last = time.monotonic()
        self.cost = self.last - began


class Autosave:
    """Saves the state now and then, at the end, and before an interrupt is obeyed."""

    def __init__(self, saved: Saved, stopped: Callable[[], bool], execution: Execution, world: World) -> None:
        self.saved, self.stopped, self.world = saved, stopped, world
        self.rhythm = Rhythm(execution.checkpoint_seconds, execution.checkpoint_share)

    def after_step(self, state: State, *, last: bool) -> None:
        """Save if it is time to; an interrupt of one process stops all of them after the same step.

        A file system that stumbles stops nothing, unless the state must be saved now.

        Raises:
            KeyboardInterrupt: one was waiting; the state is saved.
        """
        stop = self.world.any(self.stopped())
        if self.world.leads and (last or stop or self.rhythm.due()):
            with self.world.undisturbed():
                self._save(state, needed=last or stop)
        if stop and not last:
            raise KeyboardInterrupt

    def _save(self, state: State, *, needed: bool) -> None:
        try:
            self.rhythm.timed(lambda: self.saved.write(state.record(self.saved.identity)))
        except OSError as error:
            if needed or error.errno not in PASSING:
                raise
            self.rhythm.last = time.monotonic()
            notice(
                f"step {state.step} could not be saved in {self.saved.folder} ({error.strerror}); "
                "the training goes on and tries again."
            )


def resumed_state(
    job: TrainJob,
    saved: Saved,
    device: torch.device,
    world: World,
    resume: str = "exact",
    *,
    compiled: bool = False,
    finished: Finished | None = None,
) -> State:
    """The last state in `saved` that can be gone on with, the same in every process, or a new one.

    Where there is none yet, that of a `finished` training may be.

    Args:
        job: what is trained.
        saved: its states.
        device: of this process.
        world: only its leader reads.
        resume: as `Execution.resume`.
        compiled: whether the networks are from here on, for the record.
        finished: what was kept of a training that has ended.

    Raises:
        UserError: no state can be read, or the last one is another job's or by other code, and `resume` does
            not say what to do; or the processes do not see the same files.
    """
    state, found = begun_state(job, device), saved.steps()
    if not world.agree(next(iter(found), 0)):
        raise UserError(
            f"The processes that train {job.run} see different states in {saved.folder}. Give --state a "
            "folder that all nodes share."
        )
    now = segment(0, world.size, compiled=compiled)
    if world.leads and found:
        _resume(job, saved, state, now, resume)
    elif world.leads and finished is not None:
        now = finished.take_up(state, now, resume)
    state.follow_leader(world)
    state.segments = continued(state.segments, now | {"from_step": state.step})
    return state


def _resume(job: TrainJob, saved: Saved, state: State, now: Segment, resume: str) -> None:
    """Restore the last state that is whole; files are put aside only where it is certain how to go on."""
    paths, damaged = list(saved.steps().values()), []
    for path in paths:
        try:
            record = _read(path, saved.identity, state)
        except DamagedFileError:
            damaged.append(path)
            continue
        maker = other_maker(record, now)
        if maker and resume == "anew":
            return _start_anew(job, saved, paths, f"was made by {maker}")
        if maker and (resume == "exact" or record.get("format") != FORMAT):
            raise UserError(_refusal(job, path, maker))
        for broken in damaged:
            aside = saved.put_aside(broken)
            notice(
                f"the training state {broken} is damaged; it was moved to {aside}, and {job.run} goes on "
                f"from the one before, step {record['step']}."
            )
        return state.restore(record)
    if resume == "anew":
        return _start_anew(job, saved, paths, "is damaged")
    raise UserError(
        f"No training state of {job.run} can be read: {' and '.join(map(str, damaged))} "
        f"{'are' if len(damaged) > 1 else 'is'} damaged. Restore one from a backup, or set "
        f"runs.{run_of(job.run)}.execution.resume to anew, and it starts from step 0."
    )


def _read(path: Path, identity: str, state: State) -> dict[str, Any]:
    """A state's record, checked.

    Raises:
        DamagedFileError: it is broken, or no state of this model.
        UserError: it cannot be read at the moment, or is another job's.
    """
    try:
        record = read_pickle(path, "training state")
    except DamagedFileError:
        raise
    except UserError as error:
        raise UserError(
            f"{error} It is kept: run the same command again. If that does not help, move it away, and the "
            "one before it serves."
        ) from error
    if record.get("identity", identity) != identity:
        raise UserError(f"The training state {path} belongs to another job. Delete it and train again.")
    if record.get("format") == FORMAT or not {"model", "adam", "ema"} <= record.keys():
        state.check(record)
    return record  # or of an earlier version of this package


def other_maker(record: dict[str, Any], now: Segment) -> str:
    """Whose state it is, in words, if it is not this code's under these versions."""
    if record.get("format") != FORMAT:
        return "an earlier version of this package"
    return difference(record["segments"][-1], now)


def _refusal(job: TrainJob, path: Path, maker: str) -> str:
    return (
        f"The training state {path} was made by {maker}. Go back to what made it, or set "
        f"runs.{run_of(job.run)}.execution.resume: {ANYWAY}'anew' starts from step 0."
    )


def _start_anew(job: TrainJob, saved: Saved, paths: list[Path], why: str) -> None:
    for path in paths:
        saved.put_aside(path)
    notice(
        f"the training state {paths[0]} {why}; it was moved to {paths[0].name}.broken, with all others of "
        f"{job.run}, which starts anew."
    )

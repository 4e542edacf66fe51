"""The half-trained model: everything that evolves in training, saved and taken up again as one record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sphere_repro import seeds
from sphere_repro.errors import UserError
from sphere_repro.machine.devices import out_of_memory
from sphere_repro.machine.distributed import World
from sphere_repro.machine.files import atomic_output, writing
from sphere_repro.machine.notes import notice
from sphere_repro.models.autoencoder import Autoencoder, build
from sphere_repro.models.checkpoint import DamagedFileError, read_pickle
from sphere_repro.study.jobs import TrainJob
from sphere_repro.training import optim

Row = dict[str, float | int]


@dataclass
class State:
    """Everything that evolves in training; saved and restored as one record.

    Random draws and the order of the data are pure functions of (seed, step), so that the step number is
    the whole of the generators' and the loader's state. Every process of a training has the whole state.
    """

    model: Autoencoder
    adam: torch.optim.AdamW
    ema: list[Tensor]
    step: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)

    def record(self, identity: str) -> dict[str, Any]:
        return {
            "identity": identity,
            "model": self.model.state_dict(),
            "adam": self.adam.state_dict(),
            "ema": self.ema,
            "step": self.step,
            "seconds": self.seconds,
            "rows": self.rows,
        }

    def restore(self, record: dict[str, Any]) -> None:
        self.model.load_state_dict(record["model"], strict=True)
        self.adam.load_state_dict(record["adam"])
        with torch.no_grad():
            for mine, saved in zip(self.ema, record["ema"], strict=True):
                mine.copy_(saved)
        self.step, self.seconds, self.rows = record["step"], record["seconds"], list(record["rows"])

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


class Autosave:
    """Saves the state at intervals, at the end, and before an interrupt is obeyed."""

    def __init__(
        self, path: Path, identity: str, stopped: Callable[[], bool], seconds: float, world: World
    ) -> None:
        self.path, self.identity, self.stopped, self.world = path, identity, stopped, world
        self.timer = Timer(seconds)

    def after_step(self, state: State, *, last: bool) -> None:
        """Save if it is time to; an interrupt of one process stops all of them after the same step.

        Raises:
            KeyboardInterrupt: one was waiting; the state is saved.
        """
        stop = self.world.any(self.stopped())
        if self.world.leads and (last or stop or self.timer.due()):
            save_state(self.path, state.record(self.identity))
        if stop and not last:
            raise KeyboardInterrupt


class Timer:
    """Says when at least `seconds` have passed since it last said so."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < self.seconds:
            return False
        self.last = time.monotonic()
        return True


def initial_state(job: TrainJob, device: torch.device) -> State:
    """Weights drawn from the job's seed, and an optimizer that has not stepped."""
    generator = seeds.generator(job.seed, job.run, "weights")
    model = build(job.architecture, generator=generator).to(device).train()
    adam = optim.optimizer(model.encoder, model.decoder)
    return State(model, adam, [parameter.detach().clone() for parameter in model.parameters()])


def resumed_state(job: TrainJob, saved: Path, identity: str, device: torch.device, world: World) -> State:
    """The half-trained state in `saved`, the same in every process, or a new one.

    Raises:
        UserError: the state is another job's, or the processes do not see the same file.
    """
    with world.leader_first():  # it puts a damaged file aside
        state = _resumed(job, saved, identity, device)
    if not world.agree(state.step):
        raise UserError(
            f"The processes that train {job.run} see different states in {saved.parent}. Give --state a "
            "folder that all nodes share."
        )
    return state


def _resumed(job: TrainJob, saved: Path, identity: str, device: torch.device) -> State:
    """As `resumed_state`, in one process; a damaged file is put aside, and that is said."""
    state = initial_state(job, device)
    if not saved.is_file():
        return state
    try:
        record = read_pickle(saved, "training state")
        if record.get("identity", identity) != identity:
            raise UserError(f"The training state {saved} belongs to another job. Delete it and train again.")
        state.restore(record)
    except (DamagedFileError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        aside = saved.with_name(f"{saved.name}.broken")
        with writing(aside):
            saved.replace(aside)
        notice(f"the training state {saved} is damaged; it was moved to {aside}, and {job.run} starts anew.")
        return initial_state(job, device)  # the first one may be half restored
    return state


def save_state(path: Path, record: dict[str, Any]) -> None:
    """Write a state's record, whole or not at all."""
    # an open file: torch would hide a full disk in an error that does not say so
    with atomic_output(path) as temporary, temporary.open("wb") as file:
        torch.save(record, file)

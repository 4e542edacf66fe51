"""The half-trained model: everything that evolves in training, as one record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sphere_repro import seeds
from sphere_repro.machine.distributed import World
from sphere_repro.models.autoencoder import Autoencoder, build
from sphere_repro.models.checkpoint import DamagedFileError
from sphere_repro.study.jobs import TrainJob
from sphere_repro.training import optim
from sphere_repro.training.adamw import AdamW, unmoved
from sphere_repro.training.log import Log
from sphere_repro.training.segments import Segment

FORMAT = "sphere-repro training state 2"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of AdamW, for each parameter that had a gradient
COUNTER = (torch.float32, ())  # type and shape of the first


@dataclass
class State:
    """Everything that evolves in training; saved and restored as one record.

    Random draws and the order of the data are pure functions of (seed, step), so that the step number is
    the whole of the generators' and the loader's state. Every process of a training has the whole state.
    """

    model: Autoencoder
    adam: AdamW
    ema: list[Tensor]
    step: int = 0
    seconds: float = 0.0
    log: Log = field(default_factory=Log)
    segments: list[Segment] = field(default_factory=list)

    def record(self, identity: str) -> dict[str, Any]:
        """All of it; the tensors are the training's own."""
        return {
            "format": FORMAT,
            "identity": identity,
            "model": self.model.state_dict(),
            "adam": self.adam.state_dict(),
            "ema": self.ema,
            **self._numbers(),
        }

    def _numbers(self) -> dict[str, Any]:
        log = self.log.record()
        return {"step": self.step, "seconds": self.seconds, "log": log, "segments": self.segments}

    def check(self, record: Mapping[str, Any]) -> None:
        """Hold a record against this state, which stays as it is: no device has a part in it.

        Raises:
            DamagedFileError: something is missing, or has another shape or type.
        """
        mine = self.record("")
        plain = [name for name in mine if name not in ("model", "adam", "ema")]
        try:
            moments, groups = record["adam"]["state"], record["adam"]["param_groups"]
            parameters = [_outline(parameter.detach()) for parameter in self.adam.parameters]
            wanted = {
                i: dict(zip(MOMENTS, (COUNTER, parameters[i], parameters[i]), strict=True)) for i in moments
            }
            fits = _outline(moments) == wanted
            fits &= [group["params"] for group in groups] == [
                group["params"] for group in mine["adam"]["param_groups"]
            ]
            fits &= all(_outline(record[name]) == _outline(mine[name]) for name in ("model", "ema"))
            fits &= all(isinstance(record[name], type(mine[name])) for name in plain)
            fits &= bool(record["segments"])
            Log(**record["log"])
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise DamagedFileError(f"it is no training state ({error!r})") from error
        if not fits:
            raise DamagedFileError("its tensors do not fit the model")

    def restore(self, record: Mapping[str, Any]) -> None:
        """Take over a record that was checked."""
        self.model.load_state_dict(record["model"], strict=True)
        self.adam.load_state_dict(record["adam"])
        with torch.no_grad():
            for mine, saved in zip(self.ema, record["ema"], strict=True):
                mine.copy_(saved)
        self._take_numbers(record)

    def _take_numbers(self, record: Mapping[str, Any]) -> None:
        self.step, self.seconds, self.log = record["step"], record["seconds"], Log(**record["log"])
        self.segments = list(record["segments"])

    def follow_leader(self, world: World) -> None:
        """Make every process's state the leader's, who alone reads it: once, not once for each process."""
        if world.size == 1:
            return
        parameters = self.adam.parameters
        moved = [i for i, parameter in enumerate(parameters) if parameter in self.adam.state]
        numbers, moved = world.told((self._numbers(), moved))
        self._take_numbers(numbers)
        if not self.step:
            return  # all have drawn the same weights
        for i in moved:
            if parameters[i] not in self.adam.state:
                self.adam.state[parameters[i]] = unmoved(parameters[i])
        world.spread(self._tensors(moved))

    def _tensors(self, moved: list[int]) -> Iterator[Tensor]:
        yield from self.model.state_dict().values()
        yield from self.ema
        parameters = self.adam.parameters
        for i in moved:
            yield from (self.adam.state[parameters[i]][name] for name in MOMENTS)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


def initial_state(job: TrainJob, device: torch.device, weights: Mapping[str, Tensor] | None = None) -> State:
    """Weights drawn from the job's seed, unless they are given, and an optimizer that has not stepped."""
    model = build(job.architecture, generator=seeds.generator(*job.seed, "weights"))
    if weights is not None:
        model.load_state_dict(weights, strict=True)
    model = model.to(device).train()
    adam = optim.optimizer(model.encoder, model.decoder)
    return State(model, adam, [parameter.detach().clone() for parameter in model.parameters()])


def _outline(value: Any) -> Any:
    """Names, shapes and types of a nest of tensors, without their numbers."""
    if isinstance(value, Mapping):
        return {name: _outline(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_outline(item) for item in value]
    return (value.dtype, tuple(value.shape)) if isinstance(value, Tensor) else type(value)

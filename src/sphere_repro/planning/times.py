"""Time limits of long jobs, for a cluster, which wants them before a job begins.

The estimate is the planner's; it is multiplied by a factor and held between a least and a most. A job that
needs more than the most takes several turns: each goes on where the one before has stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import yaml
from pydantic import Field, model_validator

from sphere_repro.data.dataset import held_count
from sphere_repro.errors import UserError, nearest
from sphere_repro.machine.devices import DEVICES, Device
from sphere_repro.planning.counts import image_count
from sphere_repro.planning.work import Work, run_of, set_bytes, work_of
from sphere_repro.strict import Positive, Strict, UniqueKeys, parse
from sphere_repro.study.config import Study
from sphere_repro.study.files import Step
from sphere_repro.study.jobs import SampleJob

UTILISATION = 0.35  # of the peak; what well-written training reaches lies around it
START = 600.0  # seconds until a job computes: Python, torch, hashes of what it reads
MEGA = 10**6


class Computed(Protocol):
    """FLOPs by the numbers in which they are computed; `flops` is all of them."""

    @property
    def flops(self) -> int: ...
    @property
    def half(self) -> int: ...
    @property
    def tf32(self) -> int: ...


class Limits(Strict):
    """How an estimate becomes a time limit (profiles/slurm/limits.yaml)."""

    device: str = Field(description="the cluster's GPUs, as `sphere-repro plan --device` knows them")
    factor: Positive = Field(description="the limit over the estimate")
    least_hours: Positive
    most_hours: Positive

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.device not in DEVICES:
            raise ValueError(f"device: no '{self.device}' is known{nearest(self.device, DEVICES)}")
        if self.least_hours > self.most_hours:
            raise ValueError(f"least_hours {self.least_hours:g} is more than most_hours {self.most_hours:g}")
        return self

    def minutes(self, *works: Work) -> int:
        """The time limit, whole minutes, of a job that does `works` one after another."""
        needed = self.factor * (sum(seconds(work, DEVICES[self.device]) for work in works) + START) / 60
        return math.ceil(min(max(needed, 60 * self.least_hours), 60 * self.most_hours))


def read_limits(path: Path) -> Limits:
    """The limits that a file states.

    Raises:
        UserError: it is missing, no YAML, or says something else.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not readable YAML: {' '.join(str(error).split())}.") from error
    return parse(Limits, data, str(path))


def seconds_on(device: Device, work: Computed) -> float:
    """Seconds of one such device at its peak; where it has no such units, at its float32 rate."""
    half, tf32 = device.bfloat16 or device.float32, device.tf32 or device.float32
    plain = work.flops - work.half - work.tf32
    return plain / device.float32 + work.half / half + work.tf32 / tf32


def seconds(work: Work, device: Device) -> float:
    """The estimated time of a job that computes and handles images by turns."""
    computing = seconds_on(device, work) / (UTILISATION * work.devices)
    return computing + work.handled / work.processors


@dataclass(frozen=True)
class Asked:
    """What the workflow asks a cluster for, by job.

    Attributes:
        study: whose jobs.
        limits: how an estimate becomes a limit.
        folder: where `data/` lies.
    """

    study: Study
    limits: Limits
    folder: Path = Path()
    _counts: dict[str, int | None] = field(default_factory=dict)

    def minutes(self, *steps: Step, processors: int = 1) -> int:
        """The time limit, whole minutes, of one job that carries out `steps`.

        The most where nobody knows how much one of them does.
        """
        works = []
        for step in steps:
            images = self._images(step)
            if images is None or self._of_unknown_shapes(step):
                return math.ceil(60 * self.limits.most_hours)
            works.append(work_of(step, self.study, images, processors))
        return self.limits.minutes(*works)

    def disk_mb(self, *steps: Step) -> int | None:
        """Megabytes of disk that drawing so many sets in one job takes at most; None where nobody knows."""
        needed = 0
        for step in steps:
            images = self._images(step)
            if images is None:
                return None
            assert isinstance(step.job, SampleJob)
            needed += set_bytes(step.job, images)
        return math.ceil(needed / MEGA)

    def _of_unknown_shapes(self, step: Step) -> bool:
        """Whether a pretrained autoencoder works, whose FLOPs nobody knows before its files are there."""
        return step.rule in ("sample", "encode", "images") and (
            run_of(step, self.study).model.kind == "pretrained-vae"
        )

    def _images(self, step: Step) -> int | None:
        run = run_of(step, self.study)
        if run.dataset.archive not in self._counts:
            try:
                self._counts[run.dataset.archive] = image_count(run, self.folder)
            except UserError:  # known once they are prepared
                self._counts[run.dataset.archive] = None
        images = self._counts[run.dataset.archive]
        if images is None or step.rule == "prepare":
            return images
        return images - held_count(images, run.dataset.held_out)

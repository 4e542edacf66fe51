"""How fast a training goes: images per second, share of the device's peak, time to go."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from sphere_repro.machine import devices
from sphere_repro.machine.progress import duration
from sphere_repro.study.jobs import TrainJob

WORTH_MEASURING = 30.0  # seconds of training before the device's peak, which takes a second, is measured


@dataclass(frozen=True)
class Speed:
    """Of the steps since this process's first, which pays for compiling and warming up.

    Attributes:
        images_per_second: of the global batch, all processes together.
        utilisation: FLOPs of the model's forward and backward passes over what the devices can do in
            matrix products of the same precision, measured on this device, 0…1; None until it is measured.
        seconds_to_go: at this speed.
    """

    images_per_second: float
    utilisation: float | None
    seconds_to_go: float

    def __str__(self) -> str:
        share = "" if self.utilisation is None else f", {100 * self.utilisation:.0f} % of the device's peak"
        return f"{self.images_per_second:.4g} images/s{share}, {duration(self.seconds_to_go)} to go"


class Meter:
    """Counts the steps of one process, and the seconds of the whole training."""

    def __init__(
        self,
        job: TrainJob,
        device: torch.device,
        processes: int,
        seconds_before: float,
        flops_per_image: Callable[[], int] | None = None,
    ) -> None:
        self.job, self.device, self.processes = job, device, processes
        self.flops_per_image = flops_per_image
        self.before = seconds_before
        self.began = time.monotonic()
        self.first_end: float | None = None
        self.steps = 0

    @property
    def seconds(self) -> float:
        """Of the whole training, interruptions left out."""
        return self.before + time.monotonic() - self.began

    def count_step(self) -> None:
        """A step has ended."""
        if self.first_end is None:
            self.first_end = time.monotonic()
        else:
            self.steps += 1

    def speed(self, steps_left: int) -> Speed | None:
        """The speed so far; None before the second step."""
        if self.first_end is None or not self.steps:
            return None
        seconds = time.monotonic() - self.first_end
        rate = self.steps * self.job.training.batch_size / seconds
        share = None
        if seconds >= WORTH_MEASURING and self.flops_per_image:
            share = rate * self.flops_per_image() / (self._peak * self.processes)
        return Speed(rate, share, steps_left * seconds / self.steps)

    @functools.cached_property
    def _peak(self) -> float:
        """FLOP/s of one device in the precision of the training."""
        found = devices.measure(str(self.device))
        half = self.job.training.precision == "bfloat16"
        return found.bfloat16 if half and found.bfloat16 else found.float32

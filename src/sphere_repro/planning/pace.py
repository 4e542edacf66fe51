"""How fast a training really goes here: a few steps of it on noise, before there are any images."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from sphere_repro.data.loading import ImagesInMemory
from sphere_repro.machine.devices import Device
from sphere_repro.machine.distributed import World
from sphere_repro.planning.training_cost import flops_per_image
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution
from sphere_repro.training.state import initial_state
from sphere_repro.training.stepper import Stepper

BUSY = """
import time, torch
torch.set_num_threads(1)
a, end = torch.rand(256, 256), time.monotonic() + 60
print(flush=True)
while time.monotonic() < end:
    a @ a
"""
SECONDS = 3.0  # of steps that are timed, after the first
MOST_IMAGES = 16  # per step that is timed, on a CPU: its speed does not depend on the batch


def utilisation(job: TrainJob, peak: Device, device: torch.device, lanes: int = 1) -> float:
    """Share of the device's measured peak that training steps of `job` reach, above 0.

    Other processes keep the other lanes busy, since cores that share caches or a pipeline are slower
    together.
    The perceptual network is left out: its weights may not be here yet.
    """
    job = _without_perceptual(job, on_cpu=device.type == "cpu")
    batch, shape = job.training.batch_size, job.architecture
    pixels = torch.randint(0, 256, (batch, 3, shape.image_size, shape.image_size), dtype=torch.uint8)
    labels = torch.arange(batch) % shape.classes if shape.classes else None
    stepper = Stepper(
        job, ImagesInMemory(pixels, labels), initial_state(job, device), None, Execution(), World()
    )
    with _neighbours(lanes - 1), contextlib.closing(stepper):
        stepper(0)
        steps, start = 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - start < SECONDS:
            stepper(steps + 1)
            steps += 1
        seconds = time.perf_counter() - start
    half = job.training.precision == "bfloat16" and peak.bfloat16
    return steps * batch * flops_per_image(job) / seconds / (half or peak.float32)


@contextlib.contextmanager
def _neighbours(count: int) -> Iterator[None]:
    """So many processes that multiply matrices with one thread each; they end with the block."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()  # it is busy from here on
        yield
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _without_perceptual(job: TrainJob, *, on_cpu: bool) -> TrainJob:
    loss = job.loss.model_dump() | {"pix_recon_perceptual": 0, "perceptual": {"network": "none"}}
    loss |= {"pix_con_perceptual": 0} if job.model.kind == "sphere" else {}
    training = job.training.model_dump()
    if on_cpu:
        training["batch_size"] = min(MOST_IMAGES, job.training.batch_size)
    changed = job.model_dump() | {"loss": loss, "training": training}
    return TrainJob.model_validate(changed)

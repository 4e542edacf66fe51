"""What to set where training runs out of memory."""

from __future__ import annotations

import math
from collections.abc import Callable

from sphere_repro.planning.memory import training_bytes
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution
from sphere_repro.study.replicates import run_of

USABLE = 0.9  # of a device's memory; the rest is the allocator's waste, torch itself and its kernels
GIGA = 1e9


def memory_advice(job: TrainJob, execution: Execution, device_bytes: int) -> str:
    """One sentence that names settings with which a training that ran out of memory would fit.

    The largest `micro_batch_size` without and with `activation_checkpointing`, smaller than the one that was
    too large, with the planner's estimate of the bytes; or how large a device one image takes.

    Args:
        job: what is trained.
        execution: the settings that were too large.
        device_bytes: memory of each device.
    """
    share = math.ceil(job.training.batch_size / execution.world_size)
    tried = min(execution.micro_batch_size or share, share)
    room = int(USABLE * device_bytes)
    found = []
    for checkpointing in (False, True):
        same = checkpointing == execution.activation_checkpointing
        needed = _estimate(job, execution, checkpointing=checkpointing)
        largest = largest_batch(needed, room, tried - 1 if same else share)
        if largest:
            words = f"micro_batch_size to {largest}"
            words += f" with activation_checkpointing {str(checkpointing).lower()}"
            found.append(f"{words} (about {needed(largest) / GIGA:.3g} GB)")
    there = f"{device_bytes / GIGA:.3g} GB are there, of which a tenth is left free"
    if found:
        return f"Set runs.{run_of(job.run)}.execution.{', or '.join(found)}: {there}."
    least = _estimate(job, execution, checkpointing=True)(1) / USABLE
    return (
        f"Not even one image fits, with activation_checkpointing: runs.{run_of(job.run)} takes a device of "
        f"about {least / GIGA:.3g} GB, or smaller models; {there}."
    )


def largest_batch(needed: Callable[[int], int], room: int, most: int) -> int:
    """The largest batch from 1 to `most` that needs at most `room` bytes; 0: not even one image fits.

    `needed` grows with the batch.
    """
    fits, too_large = 0, most + 1
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if needed(middle) <= room:
            fits = middle
        else:
            too_large = middle
    return fits


def _estimate(job: TrainJob, execution: Execution, *, checkpointing: bool) -> Callable[[int], int]:
    def needed(batch: int) -> int:
        return training_bytes(
            job.architecture,
            job.loss,
            batch,
            half=job.training.precision == "bfloat16",
            checkpointing=checkpointing,
            processes=execution.world_size,
        )

    return needed

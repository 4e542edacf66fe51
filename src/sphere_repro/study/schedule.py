"""The learning rate by step (section 3), and from which step on two trainings have different ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sphere_repro.study.recipe import Training


@dataclass(frozen=True)
class Schedule:
    """Learning rate of the decoder by step: linear warm-up, half a cosine, then the minimum.

    Attributes:
        maximum: rate at the end of the warm-up.
        minimum: rate at the end.
        warmup_steps: of the warm-up.
        total_steps: of the schedule; a training may be longer, at the minimum, or end before.
    """

    maximum: float
    minimum: float
    warmup_steps: float
    total_steps: int

    def __call__(self, step: int) -> float:
        """Rate at `step`, counted from 0; the minimum is reached at total - warm-up and kept."""
        if step < self.warmup_steps:
            return self.maximum * (step + 1) / (self.warmup_steps + 1)
        span = self.total_steps - 2 * self.warmup_steps
        progress = min(1.0, (step - self.warmup_steps) / span) if span > 0 else 1.0
        return self.minimum + (self.maximum - self.minimum) * (1 + math.cos(math.pi * progress)) / 2


def schedule(training: Training, steps_per_epoch: int) -> Schedule:
    """The schedule of a run; rates scale linearly with the global batch over 256."""
    total = training.steps_in(training.schedule_length, steps_per_epoch)
    return Schedule(
        maximum=training.learning_rate * training.scale,
        minimum=training.minimum_learning_rate * training.scale,
        warmup_steps=total * training.warmup_epochs / training.schedule_length,
        total_steps=total,
    )


def first_difference(one: Schedule, other: Schedule, steps: int) -> int | None:
    """The first of so many steps at which the rates differ, by a bit even; None where all are the same."""
    if one == other:
        return None
    return next((step for step in range(steps) if one(step) != other(step)), None)


def parting(before: Training, now: Training, steps_per_epoch: int) -> str:
    """Why a training cannot go on from a finished one that differs from it in its length alone.

    Returns:
        In words that begin a clause, with what would go on; empty where it can, or has nothing left to do.
    """
    taken, total = before.total_steps(steps_per_epoch), now.total_steps(steps_per_epoch)
    if taken > total:
        return f"what is finished has {taken} steps, more than {total}"
    rates = schedule(before, steps_per_epoch), schedule(now, steps_per_epoch)
    step = first_difference(*rates, taken)
    if step is None:
        return ""
    finished = f"the finished training (epochs: {before.epochs:g})"
    told = f"from step {step} on its learning rate is not that of {finished}"
    if taken == total:
        return told
    length = before.schedule_length
    return (
        f"{told}; training.schedule_epochs: {length:g} goes on from what is there, with a rate that stays at "
        f"its minimum after {length:g} epochs"
    )

"""What a training costs for each image of its batch, and what a process holds in the host's memory."""

from __future__ import annotations

from dataclasses import dataclass

from sphere_repro.data.loading import IN_MEMORY
from sphere_repro.planning import perceptual_cost
from sphere_repro.study import flops
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.config import Run
from sphere_repro.study.jobs import TrainJob

FLOAT = 4  # bytes
READ_AHEAD = 2  # batches in memory of a dataset that is read while it is trained on
INDEXED = 800  # bytes of memory for each image of such a dataset's archive


@dataclass(frozen=True)
class StepFlops:
    """FLOPs of a training step for one image: all, in bfloat16, in TF32, of blocks computed again."""

    all: int
    half: int
    tf32: int
    recomputed: int


def step_flops(run: Run, perceptual: int) -> StepFlops:
    """`perceptual`: FLOPs of all perceptual terms of one image."""
    shape, loss = run.architecture, run.loss
    again = flops.recomputed_flops(shape, loss) if run.execution.activation_checkpointing else 0
    networks = flops.training_flops(shape, loss) + again
    half = networks if run.recipe.precision == "bfloat16" else 0
    if loss.perceptual.in_half(run.recipe.precision):
        half += perceptual
    tf32 = perceptual if loss.perceptual.precision == "tf32" else 0
    return StepFlops(networks + perceptual, half, tf32, again)


def flops_per_image(job: TrainJob) -> int:
    """FLOPs of all passes for one image of a training step, perceptual networks included."""
    shape, loss = job.architecture, job.loss
    terms = flops.perceptual_terms(shape, loss)
    distance = perceptual_cost.perceptual_flops(loss.perceptual, shape.image_size, terms) if terms else 0
    return flops.training_flops(shape, loss) + (distance or 0)


def images_bytes(images: int, share: int, shape: Architecture) -> int:
    """Images of one training process: all of them as uint8, or, of a large dataset, those of two batches."""
    one = 3 * shape.image_size**2
    pixels = images * one
    held = pixels if pixels <= IN_MEMORY else READ_AHEAD * share * one + images * INDEXED
    return held + FLOAT * share * one  # and the batch in float32

"""What the image sets of a run need: FLOPs, memory, disk."""

from __future__ import annotations

from pathlib import Path

from sphere_repro.data.listing import listing
from sphere_repro.planning import memory
from sphere_repro.planning.need import FLOAT, Need
from sphere_repro.study import flops
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.flops import Calls
from sphere_repro.study.generation import Generation
from sphere_repro.study.image_job import ImagesJob
from sphere_repro.study.image_sets import Crossover, Edit, ImageSet, Inputs, Interpolation

NOISES = 3  # latents of an image at a time: its point, the noise, and the point that is turned


def of_images(job: ImagesJob, shape: Architecture, record: str, disk: int, done: bool) -> Need:
    """The need of the job; `disk`: bytes of one image at most."""
    counted = [(each, begins_with(each)) for each in job.sets]
    unknown = [each.inputs for each, count in counted if count is None and isinstance(each, Inputs)]
    images = sum(images_of(each, count or 0, shape.classes) for each, count in counted)
    stored = FLOAT * memory.parameters(shape)
    batch = min(job.batch_size, max(images, 1))
    latents = NOISES * FLOAT * batch * shape.latent_dimension
    notes = [f"{place} is not there, and its images are not counted" for place in dict.fromkeys(unknown)]
    return Need(
        run=job.run,
        job="images",
        subject=f"{len(job.sets)} image set{'s' if len(job.sets) > 1 else ''}",
        record=record,
        parameters=memory.parameters(shape),
        images=images,
        flops=sum(_flops(each, count or 0, shape) for each, count in counted),
        device=stored + latents + memory.inference_bytes(shape, batch),
        host=2 * stored + latents + 3 * images * shape.image_size**2,
        disk=images * disk,
        done=done,
        notes=tuple(notes),
    )


def begins_with(settings: ImageSet) -> int | None:
    """How many images a set begins with, negatives counted; 0 for interpolations, None where nobody knows."""
    if not isinstance(settings, Inputs):
        return 0
    count = len(settings.indices)
    if settings.inputs is not None:
        place = Path(settings.inputs).expanduser()
        if not place.exists():
            return None
        count = 1 if place.is_file() else len(listing(place).images)
    return count * (2 if getattr(settings, "negatives", False) else 1)


def images_of(settings: ImageSet, count: int, classes: int) -> int:
    """How many images a set has that begins with `count` images, for a model of so many classes."""
    if isinstance(settings, Interpolation):
        return settings.paths * settings.images_per_path * len(settings.generations)
    if isinstance(settings, Edit):
        return len(settings.schemes) * _targets(settings, classes) * count * (settings.steps + 1)
    if isinstance(settings, Crossover):
        return (2 + len(settings.cuts)) * (count // 2) * (settings.passes + 1)
    return count * (settings.passes + 1)


def _flops(settings: ImageSet, count: int, shape: Architecture) -> int:
    images = images_of(settings, count, shape.classes)
    if isinstance(settings, Interpolation):
        each = settings.paths * settings.images_per_path
        drawn = sum(flops.forward_flops(shape, flops.generation_calls(g)) for g in settings.generations)
        measured = len(settings.generations) if settings.form == "line" else 0  # encoded for their speed
        return each * (drawn + measured * flops.encoder_call(shape).forward)
    if isinstance(settings, Edit):
        # one more step of a generation is one refinement
        longer, shorter = (
            flops.generation_calls(Generation(steps=steps, guidance=settings.guidance)) for steps in (2, 1)
        )
        refinement = Calls(longer.encoder - shorter.encoder, longer.decoder - shorter.decoder)
        return images * settings.steps // (settings.steps + 1) * flops.forward_flops(shape, refinement)
    return images * settings.passes // (settings.passes + 1) * flops.forward_flops(shape, Calls(1, 1))


def _targets(settings: Edit, classes: int) -> int:
    return len(settings.classes) or classes or 1

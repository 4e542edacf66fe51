"""Sample sets of a trained run, written as image archives."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sphere_repro.data import frequencies
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive, write_encoded
from sphere_repro.data.choice import choose, training_part
from sphere_repro.data.class_names import class_number
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import encode
from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import World
from sphere_repro.machine.progress import progress
from sphere_repro.models.checkpoint import Checkpoint, load_model
from sphere_repro.provenance.code import SAMPLE
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.kept import Kept, Ranges, kept_parts
from sphere_repro.provenance.maker import NOT_IN_MODELS, maker
from sphere_repro.sampling import estimates, precision, prior_path, refine
from sphere_repro.sampling.known_steps import KnownSteps
from sphere_repro.sampling.opened import open_model
from sphere_repro.sampling.painting import STANDARD, Gaussian, Paint, generations, painter
from sphere_repro.sampling.parts import left_to_make, make_share
from sphere_repro.study.architecture import KIND_NAMES
from sphere_repro.study.generation import Generation
from sphere_repro.study.image_job import ImagesJob
from sphere_repro.study.jobs import EncodeJob, SampleJob

ENCODE_BATCH = 256
GENERATE_BATCH = 64
ESTIMATE_PART = 4096  # images: minutes of encoding
PART = 250  # images: ten minutes of four steps of the largest model
STATE = ".state"


@dataclass(frozen=True)
class Files:
    """What a job reads and writes: the run's model, the dataset's archive, the result, what is half done."""

    model: Path
    archive: Path
    out: Path
    state: Path


@dataclass(frozen=True)
class Drawn:
    """A set that was drawn.

    Attributes:
        count: of its images.
        machine: on which it was finished, with the switches under which it was drawn.
        machines: all on which parts were drawn, with the number of parts each, where there are several.
    """

    count: int
    machine: dict[str, Any]
    machines: list[dict[str, Any]]


def balanced_labels(indices: range, classes: int) -> Tensor | None:
    """Class-balanced labels of samples: index modulo classes; None where there are no classes."""
    return torch.tensor([index % classes for index in indices]) if classes else None


def draw(
    job: SampleJob,
    files: Files,
    device: torch.device,
    world: World | None = None,
    known: KnownSteps | None = None,
) -> Drawn | None:
    """Write one sample set as an image archive.

    `reconstruction` reconstructs images of the dataset (`choose`: the reference's, where they are as many)
    under the null class and without noise;
    `generation-…` samples the sphere; `prior` and `posterior` decode Gaussian draws of a VAE (section 5). A
    plain autoencoder has no prior: its `prior` is the same standard normal, and its `posterior` has the
    mean and deviation of its codes.

    The set is drawn in parts, which are taken up again where this was broken off, and shared by the
    processes of `world`. Batches begin at the same indices however that is, so that the bytes are the same.
    `known`: what other sets of this very model have drawn.

    Returns:
        What was drawn; None in a process that only helped.

    Raises:
        UserError: the model does not fit the dataset or the set, a file cannot be read or written, or the
            parts that lie there are of another job or by other code.
    """
    world = world or World()
    with precision.computing(job.precision, device):
        checkpoint, source = open_both(job, files.model, files.archive, device)
        precision.lower(checkpoint.model, job.precision)
        count = min(job.count, len(source)) if job.set == "reconstruction" else job.count
        labels = _asked_labels(job, source, checkpoint.model.shape.classes, count)
        _painter(job, checkpoint, source, labels, count)  # a set that the model has not is told at once
        ranges = Ranges(count, job.batch_size, PART)
        fixes = fixed_by(job, files, world)
        kept, sums = (_kept(job, files.state, fixes, device, of) for of in ("", "estimate"))
        label = f"sample {job.run}/{job.set}"
        with kept.alone() if world.leads else contextlib.nullcontext():
            left = left_to_make(kept, ranges, world)
            estimate = _estimate(job, checkpoint, source, sums, world) if left else None

            def drawing() -> Callable[[int], None]:
                gaussian = estimate() if estimate else STANDARD
                paint = _painter(job, checkpoint, source, labels, count, gaussian, known)
                return _drawing(paint, ranges, kept)

            make_share(left, drawing, world, label)
            if not world.leads:
                return None
            kept.wait(len(ranges))
            if job.set == "reconstruction":
                labels = None if source.labels is None else source.labels[choose(len(source), count)]
            write_encoded(files.out, _joined(kept, ranges), labels, class_names=source.class_names)
            machines = kept.machines(len(ranges))
            for parts in (kept, sums):
                parts.remove()
        return Drawn(count, kept.maker["machine"], machines if len(machines) > 1 else [])


def _painter(
    job: SampleJob,
    checkpoint: Checkpoint,
    source: ImageArchive,
    labels: np.ndarray | None,
    count: int,
    gaussian: Gaussian = STANDARD,
    known: KnownSteps | None = None,
) -> Paint:
    if job.prior_path is not None:
        return prior_path.prior_paths(checkpoint, source, job.seed, job.prior_path, job.random)
    return painter(job, checkpoint, source, labels, count, gaussian, known)


def _estimate(
    job: SampleJob, checkpoint: Checkpoint, source: ImageArchive, sums: Kept, world: World
) -> Callable[[], Gaussian] | None:
    """Help to sum up the training latents, where the set needs them; what then tells the estimate."""
    if job.set != "posterior":
        return None
    ranges = Ranges(len(source), ENCODE_BATCH, ESTIMATE_PART)
    left = left_to_make(sums, ranges, world)
    summing = functools.partial(estimates.summing, checkpoint, source, job.seed, ranges, sums, job.random)
    make_share(left, summing, world, f"estimate {job.run}")
    return functools.partial(estimates.estimate, checkpoint, ranges, sums)


def fixed_by(job: SampleJob | EncodeJob, files: Files, world: World | None = None) -> dict[str, Any]:
    """What a result follows from: its job, the model's content and the archive's; the leader reads them."""
    world = world or World()
    read = {"model": files.model, "data": files.archive}
    hashes = {name: file_hash(path) for name, path in read.items()} if world.leads else {}
    return {"job": job.model_dump(mode="json"), **world.told(hashes)}


def _kept(job: SampleJob, state: Path, fixes: dict[str, Any], device: torch.device, of: str) -> Kept:
    """The set's parts, or those `of` something that it needs first."""
    return kept_parts(
        state,
        ("sample", job.run, job.set, *([of] if of else [])),
        fixes,
        made_by(device),
        what=f"{job.run}/{job.set}",
    )


def made_by(device: torch.device) -> dict[str, Any]:
    """Who draws now; the device counts as the machine's."""
    found = maker(SAMPLE, without=NOT_IN_MODELS)
    found["machine"]["device"] = device.type
    return found


def _drawing(paint: Paint, ranges: Ranges, kept: Kept) -> Callable[[int], None]:
    """What draws a part: its images as PNG files, named by their indices."""

    def make(number: int) -> None:
        images = (
            (indices.start + place, image)
            for indices in ranges.batches(number)
            for place, image in enumerate(refine.to_bytes(paint(indices)).numpy())
        )
        kept.write(number, ((f"{index}.png", encode(image)) for index, image in images))

    return make


def _joined(kept: Kept, ranges: Ranges) -> Iterator[bytes]:
    """Every image of every part, in order."""
    for number in range(len(ranges)):
        yield from kept.read(number)


def _asked_labels(job: SampleJob, source: ImageArchive, classes: int, count: int) -> np.ndarray | None:
    """Labels int64 (count,) of the images that are drawn; None without classes."""
    if not classes:
        return None
    if job.prior_path is not None:
        return prior_path.labels(source, job.prior_path)
    indices = np.arange(count)
    if job.labels == "balanced":
        return frequencies.balanced(indices, classes)
    if source.labels is None:
        raise UserError(
            f"{source.path} has no labels, so nobody knows how often its classes occur (sampling.labels: "
            "dataset). Use the archive of the run's dataset."
        )
    return frequencies.as_in(source.labels, indices, classes)


def draw_generation(
    model: Path,
    out: Path,
    settings: Generation,
    *,
    count: int,
    seed: int,
    weights: str,
    device: torch.device,
    classes: Sequence[str] = (),
) -> None:
    """Write `count` samples of any Sphere Encoder's model file as an image archive.

    Args:
        model: the file.
        out: the zip to write.
        settings: how they are drawn.
        count: of images.
        seed: of image i, with i.
        weights: `raw` or `ema`.
        device: to compute on.
        classes: names or numbers of the classes to draw, in turn; default: all of them.

    Raises:
        UserError: the file is no model of a Sphere Encoder, or an unconditional one of which guidance or a
            class is asked.
    """
    checkpoint = open_model(model, "ema" if weights == "ema" else "raw", device).checkpoint
    shape = checkpoint.model.shape
    if shape.kind != "sphere":
        raise UserError(f"{model} is {KIND_NAMES[shape.kind]}. generate needs the model of a Sphere Encoder.")
    if settings.guidance.scale > 1 and not shape.classes:
        raise UserError(f"{model} is unconditional: guidance has no meaning for it. Leave --guidance at 1.")
    batches = [range(start, min(start + GENERATE_BATCH, count)) for start in range(0, count, GENERATE_BATCH)]
    names = checkpoint.class_names
    wanted = [class_number(name, shape.classes, names) for name in classes] or list(range(shape.classes))
    labels = np.array(wanted)[np.arange(count) % len(wanted)] if wanted else None
    paint = generations(checkpoint, (seed, "generate"), settings, labels)
    bar = progress(batches, label="generate", total=len(batches), unit="batch")
    images = (image for indices in bar for image in refine.to_bytes(paint(indices)).numpy())
    with precision.computing("float32", device):
        write_archive(out, images, labels, names)


def open_both(
    job: SampleJob | EncodeJob, model: Path, archive: Path, device: torch.device
) -> tuple[Checkpoint, ImageArchive]:
    """The model and the dataset's archive of a job, held against each other and against the job.

    Images that are held out are not in the archive: reconstructions, latents and the estimate of a posterior
    are of images that the model was trained on.
    """
    checkpoint = checked_model(job, model, device)
    source = open_archive(archive, job.dataset, checkpoint.model.shape.classes)
    return checkpoint, training_part(source, job.dataset.held_out)


def checked_model(job: SampleJob | EncodeJob | ImagesJob, model: Path, device: torch.device) -> Checkpoint:
    """The model of a job, held against it.

    Raises:
        UserError: it is missing or broken, or of another kind, size or number of classes than the job's.
    """
    checkpoint = load_model(model, "ema" if job.weights == "ema" else "raw", device)
    shape, dataset = checkpoint.model.shape, job.dataset
    if shape.kind != job.kind:
        raise UserError(
            f"Checkpoint {model} is {KIND_NAMES[shape.kind]}, but run '{job.run}' is {KIND_NAMES[job.kind]}. "
            f"Use the model of run '{job.run}'."
        )
    if shape.image_size != dataset.pixels:
        raise UserError(
            f"Checkpoint {model} makes {shape.image_size}-pixel images, but dataset {dataset.archive} has "
            f"{dataset.pixels} pixels. Use the model of run '{job.run}'."
        )
    if shape.classes not in (0, dataset.source.classes):
        raise UserError(
            f"Checkpoint {model} knows {shape.classes} classes, but dataset {dataset.name} has "
            f"{dataset.source.classes}. Use the model of run '{job.run}'."
        )
    return checkpoint


def open_archive(path: Path, dataset: Dataset, classes: int = 0) -> ImageArchive:
    """The archive of a dataset or of samples like it, of the dataset's resolution.

    Raises:
        UserError: the archive is missing, damaged, of another resolution, or its labels leave `classes` > 0.
    """
    archive = ImageArchive(path, classes)
    if archive.resolution != dataset.pixels:
        raise UserError(
            f"{path} holds {archive.resolution}-pixel images, but dataset {dataset.archive} has "
            f"{dataset.pixels} pixels. Make it again."
        )
    return archive

"""Sample sets and latents of a trained run, written as files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro.data import frequencies
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.data.class_names import class_number
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.loading import to_unit
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output
from sphere_repro.machine.progress import progress
from sphere_repro.models.autoencoder import SphereAutoencoder, VariationalAutoencoder
from sphere_repro.models.checkpoint import Checkpoint, load_model
from sphere_repro.sampling import refine
from sphere_repro.sampling.opened import open_model
from sphere_repro.sphere import spherify
from sphere_repro.study.generation import Generation
from sphere_repro.study.image_job import ImagesJob
from sphere_repro.study.jobs import EncodeJob, SampleJob

ENCODE_BATCH = 256
GENERATE_BATCH = 64
KINDS = {"sphere": "a Sphere Encoder", "vae": "a VAE"}
Seed = tuple[str | int, ...]


def balanced_labels(indices: range, classes: int) -> Tensor | None:
    """Class-balanced labels of samples: index modulo classes; None where there are no classes."""
    return torch.tensor([index % classes for index in indices]) if classes else None


def draw_set(job: SampleJob, model: Path, archive: Path, out: Path, device: torch.device) -> int:
    """Write one sample set as an image archive; return the number of images.

    `reconstruction` reconstructs images of the dataset (`choose`: the reference's, where they are as many)
    under the null class and without noise;
    `generation-…` samples the sphere; `prior` and `posterior` decode Gaussian draws of a VAE (section 5).

    Raises:
        UserError: the model does not fit the dataset or the set, or a file cannot be read or written.
    """
    checkpoint, source = _open(job, model, archive, device)
    count = min(job.count, len(source)) if job.set == "reconstruction" else job.count
    labels = _asked_labels(job, source, checkpoint.model.shape.classes, count)
    drawn = _draw(job, checkpoint, source, labels, count, device)
    bar = progress(
        drawn, label=f"sample {job.run}/{job.set}", total=-(-count // job.batch_size), unit="batch"
    )
    if job.set == "reconstruction":
        labels = None if source.labels is None else source.labels[choose(len(source), count)]
    images = (image for batch in bar for image in refine.to_bytes(batch).numpy())
    write_archive(out, images, labels, source.class_names)
    return count


def _asked_labels(job: SampleJob, source: ImageArchive, classes: int, count: int) -> np.ndarray | None:
    """Labels int64 (count,) of the images that are drawn; None without classes."""
    if not classes:
        return None
    indices = np.arange(count)
    if job.labels == "balanced":
        return frequencies.balanced(indices, classes)
    if source.labels is None:
        raise UserError(
            f"{source.path} has no labels, so nobody knows how often its classes occur (sampling.labels: "
            "dataset). Use the archive of the run's dataset."
        )
    return frequencies.as_in(source.labels, indices, classes)


def encode_set(job: EncodeJob, model: Path, archive: Path, out: Path, device: torch.device) -> int:
    """Write latents of training images for the uniformity statistics; return their number.

    The file holds `latents` float32 (n, L): points of the sphere, or draws from the VAE's posterior;
    `labels` int64 (n,), zeros without classes; `pixels` float32 (n, 3·H²) in [-1, 1] of the same images;
    `class_names`, where the classes have names. The n images are those of `spread`.
    """
    checkpoint, source = _open(job, model, archive, device)
    indices = spread(len(source), source.labels, job.count, job.per_class)
    count = len(indices)
    images = torch.from_numpy(np.stack([source.read(int(index)) for index in indices])).permute(0, 3, 1, 2)
    labels = np.zeros(count, dtype=np.int64) if source.labels is None else source.labels[indices]
    latents = []
    for start in progress(range(0, count, ENCODE_BATCH), label=f"encode {job.run}", unit="batch"):
        part = slice(start, start + ENCODE_BATCH)
        asked = torch.from_numpy(labels[part]).to(device) if checkpoint.model.shape.classes else None
        x = to_unit(images[part]).to(device)
        latents.append(
            _latents(checkpoint, x, asked, (job.seed, job.run), range(start, start + len(x))).cpu()
        )
    arrays = {
        "latents": torch.cat(latents).flatten(1).numpy(),
        "labels": labels.astype(np.int64),
        "pixels": to_unit(images).flatten(1).numpy(),
    }
    if source.class_names:
        arrays["class_names"] = np.array(source.class_names)
    with atomic_output(out) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
    return count


def spread(total: int, labels: NDArray[np.int64] | None, count: int, per_class: int) -> NDArray[np.int64]:
    """Indices of `count` of `total` images, evenly spread, and more of classes with fewer than `per_class`.

    Ascending; a class that has fewer images gives them all.
    """
    found = np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)
    if labels is None:
        return found
    added = [found]
    taken = np.bincount(labels[found], minlength=int(labels.max()) + 1)
    for label in np.unique(labels):
        left = np.setdiff1d(np.flatnonzero(labels == label), found)
        lacking = min(len(left), per_class - int(taken[label]))
        if lacking > 0:
            added.append(left[np.linspace(0, len(left) - 1, lacking).round().astype(np.int64)])
    return np.sort(np.concatenate(added))


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
        raise UserError(f"{model} is a VAE. generate needs the model of a Sphere Encoder.")
    if settings.guidance.scale > 1 and not shape.classes:
        raise UserError(f"{model} is unconditional: guidance has no meaning for it. Leave --guidance at 1.")
    batches = [range(start, min(start + GENERATE_BATCH, count)) for start in range(0, count, GENERATE_BATCH)]
    names = checkpoint.class_names
    wanted = [class_number(name, shape.classes, names) for name in classes] or list(range(shape.classes))
    labels = np.array(wanted)[np.arange(count) % len(wanted)] if wanted else None
    drawn = _generations(checkpoint, (seed, "generate"), settings, batches, device, labels)
    bar = progress(drawn, label="generate", total=len(batches), unit="batch")
    images = (image for batch in bar for image in refine.to_bytes(batch).numpy())
    write_archive(out, images, labels, names)


@torch.no_grad()
def _latents(checkpoint: Checkpoint, x: Tensor, labels: Tensor | None, seed: Seed, indices: range) -> Tensor:
    """Points of the sphere, or posterior draws of a VAE: (B, N, d)."""
    model = checkpoint.model
    if isinstance(model, SphereAutoencoder):
        return spherify(model.encode(x, labels))
    mean, log_variance = model.posterior(x, labels)
    noise = refine.sample_noise((*seed, "encode"), indices, (mean.shape[1], mean.shape[2]), 1)[0].to(x.device)
    return mean + (0.5 * log_variance).exp() * noise


def _draw(
    job: SampleJob,
    checkpoint: Checkpoint,
    source: ImageArchive,
    labels: np.ndarray | None,
    count: int,
    device: torch.device,
) -> Iterator[Tensor]:
    """Batches of images (B, 3, H, H) in [-1, 1]."""
    batches = [range(start, min(start + job.batch_size, count)) for start in range(0, count, job.batch_size)]
    if job.set == "reconstruction":
        return _reconstructions(checkpoint, source, job.batch_size, count, device)
    if isinstance(checkpoint.model, VariationalAutoencoder):
        if job.set not in ("prior", "posterior"):
            raise UserError(f"'{job.set}' is not a sample set of a VAE. Use the model of run '{job.run}'.")
        return _gaussian(job, checkpoint.model, source, batches, labels, device)
    if job.generation is None:
        raise UserError(
            f"'{job.set}' is not a sample set of a Sphere Encoder. Use the model of run '{job.run}'."
        )
    return _generations(checkpoint, (job.seed, job.run), job.generation, batches, device, labels)


def _at(labels: np.ndarray | None, indices: range, device: torch.device) -> Tensor | None:
    return None if labels is None else torch.from_numpy(labels[indices.start : indices.stop]).to(device)


def _reconstructions(
    checkpoint: Checkpoint, source: ImageArchive, size: int, count: int, device: torch.device
) -> Iterator[Tensor]:
    model = checkpoint.model
    for images in source.batches_of(choose(len(source), count), size):
        x = to_unit(torch.from_numpy(images).permute(0, 3, 1, 2)).to(device)
        null = torch.full((len(x),), model.null_class, device=device) if model.shape.classes else None
        with torch.no_grad():
            if isinstance(model, SphereAutoencoder):
                yield refine.reconstruct(model, x, null)
            else:
                mean, _ = model.posterior(x, null)
                yield model.decode(mean, null)


def _generations(
    checkpoint: Checkpoint,
    seed: Seed,
    generation: Generation,
    batches: list[range],
    device: torch.device,
    labels: np.ndarray | None,
) -> Iterator[Tensor]:
    model = checkpoint.model
    if not isinstance(model, SphereAutoencoder):
        raise UserError("Generations need a Sphere Encoder.")
    shape = (model.shape.tokens, model.shape.token_channels)
    for indices in batches:
        asked = refine.condition(model, _at(labels, indices, device), generation.guidance)
        noise = refine.sample_noise(seed, indices, shape, refine.draws(generation)).to(device)
        yield refine.generate(model, noise[0], noise[1:], asked, checkpoint.alpha_max, generation)


def _gaussian(
    job: SampleJob,
    model: VariationalAutoencoder,
    source: ImageArchive,
    batches: list[range],
    labels: np.ndarray | None,
    device: torch.device,
) -> Iterator[Tensor]:
    """Decodes of N(0, I), or of N(μ, diag s²) with the training latents' elementwise mean and deviation."""
    shape = (model.shape.tokens, model.shape.token_channels)
    mean, deviation = _estimate(job, model, source, device) if job.set == "posterior" else (0.0, 1.0)
    for indices in batches:
        noise = refine.sample_noise((job.seed, job.run), indices, shape, 1)[0].to(device)
        with torch.no_grad():
            yield model.decode(mean + deviation * noise, _at(labels, indices, device))


def _estimate(
    job: SampleJob, model: VariationalAutoencoder, source: ImageArchive, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Elementwise mean and deviation (N, d) of posterior draws over the training images, in float64."""
    checkpoint = Checkpoint(model, 0.0)
    total = squares = torch.zeros(model.shape.tokens, model.shape.token_channels, dtype=torch.float64)
    start = 0
    for images in source.batches(ENCODE_BATCH):
        x = to_unit(torch.from_numpy(images).permute(0, 3, 1, 2)).to(device)
        indices = range(start, start + len(x))
        labels = None
        if source.labels is not None and model.shape.classes:
            labels = torch.from_numpy(source.labels[start : start + len(x)]).to(device)
        z = _latents(checkpoint, x, labels, (job.seed, job.run), indices).cpu().double()
        total, squares = total + z.sum(0), squares + z.pow(2).sum(0)
        start += len(x)
    mean = total / start
    variance = (squares / start - mean.pow(2)).clamp_min(0)
    return mean.float().to(device), variance.sqrt().float().to(device)


def _open(
    job: SampleJob | EncodeJob, model: Path, archive: Path, device: torch.device
) -> tuple[Checkpoint, ImageArchive]:
    """The model and the dataset's archive of a job, held against each other and against the job."""
    checkpoint = checked_model(job, model, device)
    return checkpoint, open_archive(archive, job.dataset, checkpoint.model.shape.classes)


def checked_model(job: SampleJob | EncodeJob | ImagesJob, model: Path, device: torch.device) -> Checkpoint:
    """The model of a job, held against it.

    Raises:
        UserError: it is missing or broken, or of another kind, size or number of classes than the job's.
    """
    checkpoint = load_model(model, "ema" if job.weights == "ema" else "raw", device)
    shape, dataset = checkpoint.model.shape, job.dataset
    if shape.kind != job.kind:
        raise UserError(
            f"Checkpoint {model} is {KINDS[shape.kind]}, but run '{job.run}' is {KINDS[job.kind]}. "
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

"""Latents of training images, written as a file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.loading import to_unit
from sphere_repro.machine.distributed import World
from sphere_repro.machine.files import atomic_output
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.provenance.kept import Kept, Ranges, kept_parts
from sphere_repro.sampling import precision, sets
from sphere_repro.sampling.noising import noised
from sphere_repro.sampling.painting import device_of, latents
from sphere_repro.sampling.parts import left_to_make, make_share
from sphere_repro.sampling.sets import Files, fixed_by, made_by
from sphere_repro.study.jobs import EncodeJob

PART = 1024  # images


def encode_set(
    job: EncodeJob, model: Path, archive: Path, out: Path, device: torch.device, state: Path | None = None
) -> int:
    """Write latents of training images for the uniformity statistics; return their number.

    The file holds `latents` float32 (n, L): points of the sphere, draws from a VAE's posterior, or codes of a
    plain autoencoder;
    `labels` int64 (n,), zeros without classes; `pixels` float32 (n, 3·H²) in [-1, 1] of the same images;
    `class_names`, where the classes have names. The n images are those of `spread`. Where the job names a
    noise angle, the arrays of `noising.noised` stand beside them.

    What is encoded is kept in parts in `state` (by default a folder beside `out`) until the file is whole.
    The networks compute in float32, whatever the run's samples are drawn in.
    """
    files = Files(model, archive, out, state or out.parent / sets.STATE)
    with precision.computing("float32", device):
        checkpoint, source = sets.open_both(job, model, archive, device)
        indices = spread(len(source), source.labels, job.count, job.per_class)
        labels = np.zeros(len(indices), np.int64) if source.labels is None else source.labels[indices]
        ranges = Ranges(len(indices), sets.ENCODE_BATCH, PART)
        kept = kept_parts(
            files.state,
            ("encode", job.run),
            fixed_by(job, files),
            made_by(device),
            what=f"latents of {job.run}",
        )
        with kept.alone():
            encode = functools.partial(_encoding, job, checkpoint, source, (indices, labels), ranges, kept)
            make_share(left_to_make(kept, ranges, World()), encode, World(), f"encode {job.run}")
            arrays = {
                "latents": np.concatenate([kept.read_arrays(number)[0] for number in range(len(ranges))]),
                "labels": labels.astype(np.int64),
                "pixels": to_unit(_images(source, indices)).flatten(1).numpy(),
            }
            if job.alpha_max is not None:
                arrays |= noised(arrays["latents"], job.alpha_max, job.seed)
            if source.class_names:
                arrays["class_names"] = np.array(source.class_names)
            with atomic_output(out) as temporary:
                np.savez(temporary, **arrays)  # type: ignore[arg-type]
            kept.remove()
    return len(indices)


def _encoding(
    job: EncodeJob,
    checkpoint: Checkpoint,
    source: ImageArchive,
    chosen: tuple[NDArray[np.int64], NDArray[np.int64]],
    ranges: Ranges,
    kept: Kept,
) -> Callable[[int], None]:
    """What encodes a part of the chosen images, given by their indices in the archive and their labels."""
    device, (indices, labels) = device_of(checkpoint), chosen

    def make(number: int) -> None:
        found = []
        for batch in ranges.batches(number):
            of = slice(batch.start, batch.stop)
            asked = torch.from_numpy(labels[of]).to(device) if checkpoint.model.shape.classes else None
            x = to_unit(_images(source, indices[of])).to(device)
            found.append(latents(checkpoint, x, asked, job.seed, batch, job.random).cpu())
        kept.write_arrays(number, {"latents": torch.cat(found).flatten(1).numpy()})

    return make


def _images(source: ImageArchive, indices: NDArray[np.int64]) -> Tensor:
    """Images uint8 (B, 3, H, H) of an archive."""
    return torch.from_numpy(np.stack([source.read(int(index)) for index in indices])).permute(0, 3, 1, 2)


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

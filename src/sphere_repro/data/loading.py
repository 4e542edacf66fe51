"""Training images in memory, and which of them each step sees: pure functions of seed and step.

Nothing here keeps a position or a generator's state, so a resumed training sees the same batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from sphere_repro import seeds
from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError


@dataclass(frozen=True)
class TrainingImages:
    """All images of a dataset.

    Attributes:
        images: uint8 (N, 3, H, H) on the CPU, 0…255.
        labels: int64 (N,), 0…classes-1, or None for an unconditional model.
    """

    images: torch.Tensor
    labels: torch.Tensor | None

    def __len__(self) -> int:
        """N."""
        return len(self.images)


def load_training_images(path: str | Path, classes: int | None) -> TrainingImages:
    """Read a whole archive for a model of `classes` classes; with 0 or None, its labels are left out.

    Raises:
        UserError: the archive is missing or damaged, or its labels do not fit `classes`.
    """
    archive = ImageArchive(path, classes)
    images = torch.from_numpy(archive.load()).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, H)
    labels = torch.from_numpy(archive.labels) if classes and archive.labels is not None else None
    return TrainingImages(images, labels)


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """uint8 0…255 → float32 in [-1, 1], that is mean and standard deviation 0.5 (section 3, "Data")."""
    return images.to(torch.float32) / 127.5 - 1


def flip(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mirror left and right where `mask` is true; `images` itself is left alone.

    Args:
        images: (B, 3, H, W).
        mask: bool (B,).
    """
    return torch.where(mask[:, None, None, None], images.flip(-1), images)


def epoch_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order in which `epoch` (from 0) visits `count` images: int64 (count,), a permutation."""
    return torch.randperm(count, generator=seeds.generator("epoch-order", seed, epoch))


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Whole batches in `count` images; the rest of an epoch's order is dropped.

    Raises:
        UserError: not even one batch fits.
    """
    if batch_size > count:
        raise UserError(
            f"training.batch_size is {batch_size}, but the dataset has only {count} images. "
            f"Set it to at most {count}."
        )
    return count // batch_size


def batch_indices(count: int, batch_size: int, seed: int, step: int) -> tuple[torch.Tensor, int]:
    """Which images step `step` (from 0) trains on.

    Returns:
        Indices int64 (batch_size,), and the epoch (from 0) that the step belongs to.

    Raises:
        UserError: the batch is larger than the dataset.
    """
    epoch, position = divmod(step, steps_per_epoch(count, batch_size))
    start = position * batch_size
    return epoch_order(count, seed, epoch)[start : start + batch_size], epoch

"""Training images, and which of them each step sees: pure functions of seed and step.

Nothing here keeps a position or a generator's state, so a resumed training sees the same batches; and a batch
is the same whether the images lie in memory or are read from the archive when they are wanted.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch

from sphere_repro import seeds
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import training_part
from sphere_repro.errors import UserError

IN_MEMORY = 8 << 30  # bytes of pixels up to which a dataset is read at once (ImageNet at 256 pixels: 250 GB)
READERS = 16  # threads at most that read a larger one
T = TypeVar("T")


@dataclass(frozen=True)
class ImagesInMemory:
    """All images of a dataset, in memory.

    Attributes:
        images: uint8 (N, 3, H, H) on the CPU, 0…255.
        labels: int64 (N,), 0…classes-1, or None for an unconditional model.
        class_names: of the classes in their order, where they have names.
    """

    images: torch.Tensor
    labels: torch.Tensor | None
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """N."""
        return len(self.images)

    @property
    def resolution(self) -> int:
        """H, pixels."""
        return int(self.images.shape[-1])

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        """Images uint8 (B, 3, H, H) at `indices` (B,)."""
        return self.images[indices]


class ArchivedImages:
    """All images of a dataset too large for memory, read from its archive by threads.

    Pillow decodes outside Python's lock, so threads are enough; and they share one index of the archive,
    which takes about a gigabyte for ImageNet.
    """

    def __init__(self, archive: ImageArchive, labels: torch.Tensor | None) -> None:
        self.archive, self.labels, self.class_names = archive, labels, archive.class_names
        self.threads = ThreadPoolExecutor(min(READERS, os.cpu_count() or 1), "images")

    def __len__(self) -> int:
        """N."""
        return len(self.archive)

    @property
    def resolution(self) -> int:
        """H, pixels."""
        return self.archive.resolution

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        """Images uint8 (B, 3, H, H) at `indices` (B,).

        Raises:
            UserError: one of them is broken.
        """
        images = np.stack(list(self.threads.map(self.archive.read, indices.tolist())))  # (B, H, H, 3)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


TrainingImages = ImagesInMemory | ArchivedImages


class Ahead(Generic[T]):
    """Makes what the next step needs, in a thread, while the caller computes.

    `make` must be a pure function of the step: then nothing depends on what was made ahead.
    """

    def __init__(self, make: Callable[[int], T]) -> None:
        self.make = make
        self.thread = ThreadPoolExecutor(1, "ahead")
        self.upcoming: tuple[int, Future[T]] | None = None

    def __call__(self, step: int) -> T:
        """What step `step` needs; an error in making it is raised here."""
        step_ahead, future = self.upcoming or (-1, None)
        made = future.result() if future is not None and step_ahead == step else self.make(step)
        self.upcoming = (step + 1, self.thread.submit(self.make, step + 1))
        return made

    def close(self) -> None:
        """Let the thread end."""
        self.thread.shutdown(wait=True, cancel_futures=True)


def load_training_images(
    path: str | Path, classes: int | None, in_memory: int | None = None, held_out: float = 0.0
) -> TrainingImages:
    """The images of an archive for a model of `classes` classes; with 0 or None, its labels are left out.

    Args:
        path: the archive.
        classes: of the model.
        in_memory: bytes of pixels up to which they are held in memory; default: `IN_MEMORY`, and no more
            than half of what the machine has. The batches are the same either way.
        held_out: share of the images that is left out (`choice.held_out`).

    Raises:
        UserError: the archive is missing or damaged, or its labels do not fit `classes`.
    """
    archive = training_part(ImageArchive(path, classes), held_out)
    labels = torch.from_numpy(archive.labels) if classes and archive.labels is not None else None
    shape = (len(archive), 3, archive.resolution, archive.resolution)
    if in_memory is None:
        in_memory = min(IN_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    if int(np.prod(shape)) > in_memory:
        return ArchivedImages(archive, labels)
    images = torch.empty(shape, dtype=torch.uint8)
    for index in range(len(archive)):
        images[index] = torch.tensor(archive.read(index)).permute(2, 0, 1)
    return ImagesInMemory(images, labels, archive.class_names)


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
    return _kept_order(count, seed, epoch)[start : start + batch_size].clone(), epoch


@functools.lru_cache(maxsize=2)
def _kept_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """`epoch_order`, made once an epoch: for a million images it takes longer than to read a batch."""
    return epoch_order(count, seed, epoch)

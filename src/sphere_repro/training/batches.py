"""What a process sees of one training step: read and drawn ahead on the CPU, made whole on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sphere_repro import philox, seeds
from sphere_repro.data.loading import TrainingImages, batch_indices, flip, to_unit
from sphere_repro.machine.distributed import even_share
from sphere_repro.study.jobs import TrainJob
from sphere_repro.training import losses
from sphere_repro.training.numbers import numbers_of


@dataclass(frozen=True)
class Batch:
    """What a process sees of one step: images (b, 3, H, H) in [-1, 1], labels (b,) or None, and draws."""

    images: Tensor
    labels: Tensor | None
    draws: losses.Draws

    def micro(self, size: int) -> Iterator[Batch]:
        """Its images in order, at most `size` at a time, in parts as even as possible.

        Even parts need the least memory, and torch.compile meets two sizes at most.
        """
        parts = -(-len(self.images) // size)
        for part in (even_share(len(self.images), parts, i) for i in range(parts)):
            rows = slice(part.start, part.stop)
            labels = None if self.labels is None else self.labels[rows]
            yield Batch(self.images[rows], labels, self.draws.part(rows))


@dataclass(frozen=True)
class ReadBatch:
    """The same before the step, on the CPU and as small as it can be: bytes, and seeds where they suffice."""

    pixels: Tensor
    """uint8 (b, 3, H, H)."""
    mirrored: Tensor | None
    """bool (b,): which are mirrored; None: none."""
    labels: Tensor | None
    """int64 (b,)."""
    strengths: losses.Strengths
    noise: Tensor | None
    """e, (b, N, d), by torch's generators; None where the device draws it."""
    noise_seeds: Tensor
    """int64 (b,)."""
    latent: tuple[int, int]
    """(N, d)."""

    def on(self, device: torch.device) -> Batch:
        """The batch on a device, which copies from pinned memory while this process goes on."""

        def there(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        images = to_unit(there(self.pixels))
        if self.mirrored is not None:
            images = flip(images, there(self.mirrored))
        labels = None if self.labels is None else there(self.labels)
        noise = self.noise
        noise = philox.normal(there(self.noise_seeds), self.latent) if noise is None else there(noise)
        strengths = {name: there(value) for name, value in vars(self.strengths).items()}
        return Batch(images, labels, losses.Draws(**strengths, noise=noise))


def read_batch(
    job: TrainJob, images: TrainingImages, step: int, share: range, *, pinned: bool = False
) -> ReadBatch:
    """What one step takes of the global batch's images `share`: a pure function of its arguments.

    `pinned`: what is large lies in memory from which a GPU copies by itself.
    """
    shape, training = job.architecture, job.training
    latent = (shape.tokens, shape.token_channels)
    seed = seeds.derive(*job.seed, "data")
    indices = batch_indices(len(images), training.batch_size, seed, step)[0][share.start : share.stop]
    pixels, noise = images.take(indices), None
    own = losses.noise_seeds(job.seed, step, share)
    if job.random == "torch":
        generators = (torch.Generator().manual_seed(each) for each in own)
        noise = torch.stack([torch.randn(latent, generator=generator) for generator in generators])
    if pinned:
        pixels, noise = pixels.pin_memory(), None if noise is None else noise.pin_memory()
    return ReadBatch(
        pixels=pixels,
        mirrored=_mirrored(job, step, share),
        labels=images.labels[indices] if images.labels is not None and shape.classes else None,
        strengths=losses.strengths(job.seed, step, training.batch_size, job.loss, share, job.random),
        noise=noise,
        noise_seeds=torch.tensor(own),
        latent=latent,
    )


def _mirrored(job: TrainJob, step: int, share: range) -> Tensor | None:
    """Which images of `share` are mirrored, bool (b,): a half of them by chance; None where none may be."""
    asked, batch = job.training.horizontal_flip, job.training.batch_size
    if not (job.dataset.source.horizontal_flip if asked is None else asked):
        return None
    numbers = numbers_of(job.random, seeds.derive(*job.seed, "flip", step), batch)
    return (numbers.uniform(batch) < 0.5)[share.start : share.stop]

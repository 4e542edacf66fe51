"""The estimated posterior of a VAE or a plain autoencoder: mean and deviation of its training latents,
summed up in parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.loading import to_unit
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.provenance.kept import Kept, Ranges
from sphere_repro.sampling.painting import Gaussian, device_of, latents
from sphere_repro.seeds import Random
from sphere_repro.study.replicates import Seed


def summing(
    checkpoint: Checkpoint,
    source: ImageArchive,
    seed: Seed,
    ranges: Ranges,
    kept: Kept,
    random: Random = "torch",
) -> Callable[[int], None]:
    """What sums up posterior draws of the training images of one part, and their squares, in float64.

    Args:
        checkpoint: no Sphere Encoder, on the device that computes.
        source: the training images, with labels where the model knows classes.
        seed: of the draws.
        ranges: of the training images.
        kept: where the sums go.
        random: what makes the draws.
    """
    model, device = checkpoint.model, device_of(checkpoint)
    shape = (model.shape.tokens, model.shape.token_channels)

    def make(number: int) -> None:
        total = squares = torch.zeros(shape, dtype=torch.float64)
        for indices in ranges.batches(number):
            images = np.stack([source.read(index) for index in indices])
            x = to_unit(torch.from_numpy(images).permute(0, 3, 1, 2)).to(device)
            labels = None
            if source.labels is not None and model.shape.classes:
                labels = torch.from_numpy(source.labels[indices.start : indices.stop]).to(device)
            z = latents(checkpoint, x, labels, seed, indices, random).cpu().double()
            total, squares = total + z.sum(0), squares + z.pow(2).sum(0)
        kept.write_arrays(number, {"total": total.numpy(), "squares": squares.numpy()})

    return make


def estimate(checkpoint: Checkpoint, ranges: Ranges, kept: Kept) -> Gaussian:
    """Elementwise mean and deviation (N, d) of those draws (section 5), when all sums are there.

    They are added up in the order of the parts: whoever made them, the estimate has the same bits.
    """
    kept.wait(len(ranges))
    shape = (checkpoint.model.shape.tokens, checkpoint.model.shape.token_channels)
    total, squares = np.zeros(shape), np.zeros(shape)
    for number in range(len(ranges)):
        part_total, part_squares = kept.read_arrays(number)
        total, squares = total + part_total, squares + part_squares
    mean = total / ranges.count
    deviation = np.sqrt(np.maximum(squares / ranges.count - mean**2, 0))
    device = device_of(checkpoint)
    return torch.from_numpy(mean).float().to(device), torch.from_numpy(deviation).float().to(device)

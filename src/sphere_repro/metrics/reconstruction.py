"""How close reconstructions come to their images, pixel by pixel."""

from __future__ import annotations

import numpy as np

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import reconstructed
from sphere_repro.errors import UserError


def psnr(
    real: ImageArchive, copies: ImageArchive, *, batch_size: int = 256, held_out: float | None = None
) -> float:
    """Peak signal-to-noise ratio in dB: the mean over images of 10·log₁₀(255² / mean squared error).

    Each of `copies` is held against the image that it is of (`choice.reconstructed`). An image without any
    error counts as one with a single number off by one grey level, the smallest error there is, so that the
    mean stays finite. `held_out`: as `choice.reconstructed` has it.

    Raises:
        UserError: sizes differ, there are more reconstructions than images, or they are of other images.
    """
    if real.resolution != copies.resolution:
        raise UserError(
            f"{copies.path} has images of {copies.resolution} pixels, {real.path} of "
            f"{real.resolution}: they are not of one run. Draw the reconstructions again."
        )
    indices = reconstructed(real, copies, held_out)
    smallest = 1 / (3 * real.resolution**2)
    total = 0.0
    for images, rebuilt in zip(real.batches_of(indices, batch_size), copies.batches(batch_size), strict=True):
        error = ((images.astype(np.float64) - rebuilt) ** 2).mean(axis=(1, 2, 3))  # (B,)
        total += float(np.log10(255**2 / np.maximum(error, smallest)).sum())
    return 10 * total / len(indices)

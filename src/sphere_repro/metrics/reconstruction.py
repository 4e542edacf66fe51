"""How close reconstructions come to their images, pixel by pixel."""

from __future__ import annotations

import numpy as np

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError


def psnr(real: ImageArchive, reconstructed: ImageArchive, *, batch_size: int = 256) -> float:
    """Peak signal-to-noise ratio in dB: the mean over images of 10·log₁₀(255² / mean squared error).

    Image i of `reconstructed` is held against image i of `real`. An image without any error counts as one
    with a single number off by one grey level, the smallest error there is, so that the mean stays finite.

    Raises:
        UserError: sizes differ, or there are more reconstructions than images.
    """
    if real.resolution != reconstructed.resolution:
        raise UserError(
            f"{reconstructed.path} has images of {reconstructed.resolution} pixels, {real.path} of "
            f"{real.resolution}: they are not of one run. Draw the reconstructions again."
        )
    count = len(reconstructed)
    if count > len(real):
        raise UserError(
            f"{reconstructed.path} holds {count} reconstructions of {len(real)} images in {real.path}. "
            "Draw the reconstructions again."
        )
    smallest = 1 / (3 * real.resolution**2)
    total = 0.0
    for images, copies in zip(
        real.batches(batch_size, count), reconstructed.batches(batch_size, count), strict=True
    ):
        error = ((images.astype(np.float64) - copies) ** 2).mean(axis=(1, 2, 3))  # (B,)
        total += float(np.log10(255**2 / np.maximum(error, smallest)).sum())
    return 10 * total / count

"""How different the images of an archive are from one another.

A model that learned nothing draws one image over and over; a distance to the real images does not say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sphere_repro.data.archive import ImageArchive

MOST_IMAGES = 500  # looked at, evenly spread: whether images are alike takes no more to tell
SIDE = 32  # pixels to which larger images are averaged: noise on one picture makes no other picture


@dataclass(frozen=True)
class Variety:
    """Standard deviations over images, in grey levels (0…127.5), as roots of the mean variance of a pixel.

    Attributes:
        overall: of all images from their mean image.
        within: of each class's images from their class's mean image; None where there are no classes, or no
            class with two images.
    """

    overall: float
    within: float | None


def variety(archive: ImageArchive, of: NDArray[np.int64] | None = None) -> Variety:
    """The variety of an archive's images, of those numbered `of` where that is given.

    Raises:
        UserError: an image is broken.
    """
    among = np.arange(len(archive)) if of is None else of
    count = len(among)
    chosen = among[np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).round().astype(int))]
    images = np.stack([_small(archive.read(int(index))) for index in chosen])  # (n, h, h, 3)
    labels = None if archive.labels is None else archive.labels[chosen]
    return Variety(_deviation([images]), _within(images, labels))


def _within(images: NDArray[np.float64], labels: NDArray[np.int64] | None) -> float | None:
    if labels is None:
        return None
    groups = [images[labels == label] for label in np.unique(labels)]
    groups = [group for group in groups if len(group) > 1]
    return _deviation(groups) if groups else None


def _deviation(groups: list[NDArray[np.float64]]) -> float:
    """Root of the mean square of what is left of images when their group's mean image is taken off."""
    total = sum(float(((group - group.mean(axis=0)) ** 2).mean(axis=(1, 2, 3)).sum()) for group in groups)
    freedom = max(1, sum(len(group) - 1 for group in groups))
    return float(np.sqrt(total / freedom))


def _small(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """An image (H, H, 3) at `SIDE` pixels at most, each the mean of those that it replaces."""
    if image.shape[0] > SIDE:
        image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
    return image.astype(np.float64)

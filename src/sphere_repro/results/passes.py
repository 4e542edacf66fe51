"""What every pass through a model changes, image by image, by the bytes of an archive.

Differences are root mean squares of pixels in [0, 1]. The smallest there is, one number off by one grey
level, stands for none, so that logarithms stay finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphere_repro.results.degenerate import ALIKE


@dataclass(frozen=True)
class Passes:
    """Of n images after T passes, arrays (…, n, T).

    Attributes:
        change: of each pass, the difference from the image before it.
        distance: after each pass, the difference from the input.
    """

    change: NDArray[np.float64]
    distance: NDArray[np.float64]

    @property
    def change_left(self) -> NDArray[np.float64]:
        """(…, n) logarithm of the last pass's change over the first's."""
        return np.asarray(np.log(self.change[..., -1] / self.change[..., 0]))

    @property
    def growth(self) -> NDArray[np.float64]:
        """(…, n) logarithm of the distance after the last pass over that after the first."""
        return np.asarray(np.log(self.distance[..., -1] / self.distance[..., 0]))


def passes(images: NDArray[np.uint8]) -> Passes:
    """Of images uint8 (…, n, T+1, H, H, 3) after 0 … T passes, T at least 1."""
    return Passes(
        change=_differences(images[..., 1:, :, :, :], images[..., :-1, :, :, :]),
        distance=_differences(images[..., 1:, :, :, :], images[..., :1, :, :, :]),
    )


def all_alike(images: NDArray[np.uint8], inputs: NDArray[np.uint8]) -> bool:
    """Whether images (n, H, H, 3) hardly differ from each other where their inputs do: a model that learned
    nothing draws one image over and over, which does not change either."""
    return _deviation(images) < ALIKE * _deviation(inputs)


def _differences(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    mean = (((images.astype(np.float64) - others) / 255) ** 2).mean(axis=(-3, -2, -1))
    smallest = 1 / (255**2 * np.prod(images.shape[-3:]))
    return np.asarray(np.sqrt(np.maximum(mean, smallest)))


def _deviation(images: NDArray[np.uint8]) -> float:
    return float(images.astype(np.float64).std(axis=0).mean())

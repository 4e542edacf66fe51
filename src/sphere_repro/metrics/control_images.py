"""Images that samples are held against beside real ones: planted copies and noise; and their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose
from sphere_repro.seeds import derive

SIDE = 32  # pixels to which larger images are averaged before they are compared
PLANTED, DEVIATION = 200, 4.0  # copies of training images, and the deviation of their noise in grey levels
NOISE_IMAGES = 100

Array = NDArray[Any]


@dataclass(frozen=True)
class PlantedCopies:
    """Training images with Gaussian noise, read as an archive's are; the i-th by its place alone."""

    archive: ImageArchive
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.indices)

    def read(self, index: int) -> Array:
        """Copy `index` as uint8 (H, H, 3)."""
        image = self.archive.read(int(self.indices[index])).astype(np.float64)
        noise = np.random.default_rng(derive("planted copies", index)).normal(0, DEVIATION, image.shape)
        return (image + noise).round().clip(0, 255).astype(np.uint8)


def planted_copies(archive: ImageArchive, indices: NDArray[np.int64]) -> tuple[PlantedCopies, Array]:
    """Copies of some of the archive's images at `indices`, and their places among those."""
    places = choose(len(indices), PLANTED)
    return PlantedCopies(archive, indices[places]), places


@dataclass(frozen=True)
class NoiseImages:
    """Images of independent uniform pixels, of a side in pixels; the i-th by its place alone."""

    side: int

    def __len__(self) -> int:
        """How many there are."""
        return NOISE_IMAGES

    def read(self, index: int) -> Array:
        """Image `index` as uint8 (H, H, 3)."""
        generator = np.random.default_rng(derive("images of noise", index))
        return generator.integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)


def pixels(
    images: ImageArchive | PlantedCopies | NoiseImages, indices: NDArray[np.int64] | None = None
) -> NDArray[np.uint8]:
    """Images as uint8 (n, 3·S²), averaged to S = `SIDE` pixels where they are larger."""
    chosen = np.arange(len(images)) if indices is None else indices
    return np.stack([_small(images.read(int(index))).ravel() for index in chosen])


def _small(image: Array) -> Array:
    if len(image) <= SIDE:
        return image
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))

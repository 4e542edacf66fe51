"""The two datasets that need no download: they ship inside scikit-learn.

Handwritten digits (8 px, 10 classes) and colour patches of two photographs. Their origins and licences stand
in `data/sources.yaml`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

from sphere_repro.errors import UserError

PHOTOS = ("china.jpg", "flower.jpg")  # 427 × 640 pixels each
PATCHES = 4096
SCALES = (1, 2, 3, 4)  # side of the crop over side of the patch
SEED = 0


class Crop(NamedTuple):
    """A square of one photograph: its upper left corner and its side, pixels."""

    row: int
    column: int
    side: int


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Scikit-learn's handwritten digits.

    Returns:
        Images uint8 (1797, 8, 8, 3), the levels 0…16 spread over 0…255 and repeated for red, green and blue;
        labels int64 (1797,), the digits 0…9.
    """
    bunch = load_digits()
    grey = np.rint(bunch.images / 16 * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1), bunch.target.astype(np.int64)


def photo_patches(resolution: int) -> tuple[np.ndarray, None]:
    """4096 square patches of scikit-learn's two photographs, the same ones for the same `resolution`.

    Half of them come from each photograph, in random order. Crops are 1, 2, 3 or 4 times the resolution a
    side, as many of each as possible, at distinct random places, scaled down by Pillow's box filter (a plain
    mean of whole blocks); a scale too large for the photographs is left out. Nothing is filtered out:
    near-uniform patches (sky, blurred background) keep the share that they have in the photographs. Crops may
    overlap, so patches are not independent of each other, least of all at high resolutions.

    Args:
        resolution: side of a patch, pixels.

    Returns:
        Images uint8 (4096, resolution, resolution, 3), and None: there are no classes.

    Raises:
        UserError: the photographs are too small for so many patches of this resolution.
    """
    cuts: list[tuple[Image.Image, Crop]] = []
    for number, name in enumerate(PHOTOS):
        photo = Image.fromarray(load_sample_image(name))
        random = np.random.default_rng([SEED, resolution, number])
        cuts += [(photo, crop) for crop in _crops(photo.height, photo.width, resolution, random)]
    patches = np.empty((PATCHES, resolution, resolution, 3), np.uint8)
    order = np.random.default_rng([SEED, resolution]).permutation(PATCHES)
    for place, (photo, crop) in zip(order, cuts, strict=True):
        box = (crop.column, crop.row, crop.column + crop.side, crop.row + crop.side)
        patch = photo.resize((resolution, resolution), Image.Resampling.BOX, box=box)
        patches[place] = np.asarray(patch)
    return patches, None


def _crops(height: int, width: int, resolution: int, random: np.random.Generator) -> list[Crop]:
    """One photograph's distinct crops, shared evenly among the scales that offer as many places."""
    count = PATCHES // len(PHOTOS)
    sides = [
        side for side in (scale * resolution for scale in SCALES) if _places(height, width, side) >= count
    ]
    if not sides:
        raise UserError(
            f"photo-patches at {resolution} pixels: photographs of {width}×{height} pixels do not hold "
            f"{count} distinct patches of that size. Set dataset.resolution to at most 400."
        )
    crops: list[Crop] = []
    for index, side in enumerate(sides):
        share = (count - len(crops)) // (len(sides) - index)
        columns = width - side + 1
        places = random.choice(_places(height, width, side), size=share, replace=False)
        crops += [Crop(int(place) // columns, int(place) % columns, side) for place in places]
    return crops


def _places(height: int, width: int, side: int) -> int:
    """In how many places a square of this side fits."""
    return max(0, height - side + 1) * max(0, width - side + 1)

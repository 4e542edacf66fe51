"""From an image of any size to a square of the wanted one (section 3, "Data")."""

from __future__ import annotations

import numpy as np
from PIL import Image

NEAREST_UP_TO = 64  # pixels; larger targets are resized bicubically


def fit(image: np.ndarray, pixels: int, resize: str | None = None) -> np.ndarray:
    """Resize the short side to `pixels` and cut out the centre (section 3, "Data").

    An image that fits already is returned as it is.

    Args:
        image: uint8 (H, W, 3).
        pixels: side of the result.
        resize: one of Pillow's filters; default: as the released code does for the paper's datasets, nearest
            neighbour up to 64 pixels, bicubic with antialiasing above.

    Returns:
        uint8 (pixels, pixels, 3).
    """
    height, width = image.shape[:2]
    short = min(height, width)
    if short != pixels:
        method = Image.Resampling[(resize or default_resize(pixels)).upper()]
        # Whole-number arithmetic: the long side is rounded down, and never below the short one.
        size = (width * pixels // short, height * pixels // short)
        image = np.asarray(Image.fromarray(image).resize(size, method))
        height, width = image.shape[:2]
    top, left = round((height - pixels) / 2), round((width - pixels) / 2)  # half to even, as torchvision
    return image[top : top + pixels, left : left + pixels]


def default_resize(pixels: int) -> str:
    """How the released code resizes to `pixels`."""
    return "nearest" if pixels <= NEAREST_UP_TO else "bicubic"

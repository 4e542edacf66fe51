"""Prepared datasets: every image square, RGB, at the study's resolution, in one archive (section 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sphere_repro.config import Dataset
from sphere_repro.data.archive import write_archive
from sphere_repro.data.embedded import digits, photo_patches
from sphere_repro.errors import UserError
from sphere_repro.provenance import file_hash, record
from sphere_repro.runtime import progress, write_json

NEAREST_UP_TO = 64  # pixels; larger targets are resized bicubically


def prepare(dataset: Dataset, out: Path) -> dict[str, Any]:
    """Write `dataset` as the archive `out`, and its provenance beside it with the suffix `.json`.

    Args:
        dataset: which images, at which resolution.
        out: the archive, `….zip`.

    Returns:
        The provenance: the dataset's row of `data/sources.yaml`, counts, the archive's SHA-256.

    Raises:
        UserError: the resolution is beyond what the source can give, or `out` cannot be written.
    """
    images, labels = _load(dataset)
    resized = (fit(image, dataset.pixels) for image in images)
    write_archive(out, progress(resized, label=dataset.archive, total=len(images), unit="image"), labels)
    counts = None if labels is None else np.bincount(labels, minlength=dataset.source.classes).tolist()
    provenance = record(
        dataset.model_dump(),
        inputs={},
        code=("data",),
        source=dataset.source.model_dump(),
        resolution=dataset.pixels,
        images=len(images),
        class_counts=counts,
        sha256=file_hash(out),
    )
    write_json(out.with_suffix(".json"), provenance)
    return provenance


def fit(image: np.ndarray, pixels: int) -> np.ndarray:
    """Resize the short side to `pixels` and cut out the centre (section 3, "Data").

    Nearest neighbour up to 64 pixels, bicubic with antialiasing above. An image that fits already is returned
    as it is.

    Args:
        image: uint8 (H, W, 3).
        pixels: side of the result.

    Returns:
        uint8 (pixels, pixels, 3).
    """
    height, width = image.shape[:2]
    short = min(height, width)
    if short != pixels:
        method = Image.Resampling.NEAREST if pixels <= NEAREST_UP_TO else Image.Resampling.BICUBIC
        # Whole-number arithmetic: the long side is rounded down, and never below the short one.
        size = (width * pixels // short, height * pixels // short)
        image = np.asarray(Image.fromarray(image).resize(size, method))
        height, width = image.shape[:2]
    top, left = (height - pixels) // 2, (width - pixels) // 2
    return image[top : top + pixels, left : left + pixels]


def _load(dataset: Dataset) -> tuple[np.ndarray, np.ndarray | None]:
    """The images, at whatever size their source has, and their labels."""
    match dataset.name:
        case "digits":
            return digits()
        case "photo-patches":
            return photo_patches(dataset.pixels)  # cut at the wanted size: real detail instead of enlargement
        case name:
            raise UserError(f"Dataset '{name}' has no loader. Choose digits or photo-patches.")

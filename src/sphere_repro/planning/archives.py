"""Bytes of image archives, before they are made."""

from __future__ import annotations

import math

from sphere_repro.data.sources import Format

DEFLATE_BLOCK, PNG_CHUNK = 16_383, 65_536
# Of the photograph with more detail: python benchmarks/image_formats.py 40 (image_formats.json).
BYTES_PER_PIXEL: dict[Format, float] = {"png": 1.84, "webp": 1.58, "jpeg": 0.69}
PHOTOGRAPHS_FROM = 128  # pixels: smaller images compress less, down to nothing


def archive_bytes(images: int, pixels: int) -> int:
    """Upper bound of an archive of PNG images: what noise takes, which cannot be compressed."""
    rows = pixels * (3 * pixels + 1)  # one filter byte a row
    png = rows + 5 * math.ceil(rows / DEFLATE_BLOCK) + 12 * math.ceil(rows / PNG_CHUNK) + 63
    return images * (png + _entry()) + 1000


def photographs_bytes(images: int, pixels: int, form: Format, lossless: int = 0) -> int:
    """An archive of photographs, of which `lossless` are no JPEGs; below 128 pixels that of noise."""
    if pixels < PHOTOGRAPHS_FROM:
        return archive_bytes(images, pixels)
    kept = min(lossless, images) if form == "jpeg" else 0
    per_pixel = (images - kept) * BYTES_PER_PIXEL[form] + kept * BYTES_PER_PIXEL["webp"]
    return math.ceil(per_pixel * pixels**2) + images * _entry() + 1000


def _entry() -> int:
    """The zip's headers of an image, each with its name, and its label."""
    return 30 + 46 + 2 * 24 + 40

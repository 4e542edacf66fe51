"""Source images one at a time, whatever they lie in: memory, files, pieces of a larger file.

Only names, places and labels are held, so that memory hardly grows with a dataset; and a sequence of images
can be sent to other processes.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from sphere_repro.data.colours import over_white
from sphere_repro.data.sources import Format

JPEG_QUALITY = 95  # with full colour resolution
_SAVED: dict[Format, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 6},
    # method 0: a fifth of the other methods' time, and 4 to 15 % more bytes (benchmarks/image_formats.json)
    "webp": {"format": "WEBP", "lossless": True, "exact": True, "quality": 75, "method": 0},
    "jpeg": {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": 0},
}
_HEADS = {b"\x89PNG": ".png", b"RIFF": ".webp", b"\xff\xd8": ".jpg"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
# What Pillow raises on damaged bytes.
DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, LookupError, TypeError, OverflowError),
    *(struct.error, zlib.error, RuntimeError, Image.DecompressionBombError),
)


class Images(Protocol):
    """N images of any size, and their labels."""

    @property
    def labels(self) -> np.ndarray | None:
        """int64 (N,), 0…classes-1, or None."""

    def __len__(self) -> int:
        """N."""

    def name(self, index: int) -> str:
        """Where image `index` comes from, for messages."""

    def read(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (H, W, 3). Raises one of `DAMAGE` where it is broken."""


@dataclass(frozen=True)
class Arrays:
    """Images in memory: `pixels` uint8 (N, H, W, 3)."""

    pixels: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.pixels)

    def name(self, index: int) -> str:
        return f"image {index}"

    def read(self, index: int) -> np.ndarray:
        return np.asarray(self.pixels[index])


@dataclass(frozen=True)
class Files:
    """A publisher's image files below `root`, by their paths from there."""

    root: Path
    names: list[str]
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return str(self.root / self.names[index])

    def read(self, index: int) -> np.ndarray:
        with (self.root / self.names[index]).open("rb") as file:
            return decode(file)


@dataclass(frozen=True)
class Pieces:
    """Images that lie whole inside one large file: image i from byte `starts[i]`, `sizes[i]` bytes long."""

    container: Path
    names: list[str]
    starts: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return f"{self.names[index]} in {self.container}"

    def read(self, index: int) -> np.ndarray:
        with self.container.open("rb") as file:
            file.seek(int(self.starts[index]))
            return decode(io.BytesIO(file.read(int(self.sizes[index]))))


def decode(file: IO[bytes]) -> np.ndarray:
    """One image as uint8 (H, W, 3) RGB: grey repeated, CMYK and palettes converted, alpha laid over white.

    Raises:
        One of `DAMAGE`: no image, a broken one, or one of a kind that has no 8-bit colours.
    """
    with Image.open(file, formats=FORMATS) as image:
        return np.array(over_white(image))


def encode(image: np.ndarray, form: Format = "png") -> bytes:
    """`image`, uint8 (H, W, 3), as a file of this format; all but JPEG keep every bit of it."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **_SAVED[form])
    return buffer.getvalue()


def suffix_of(content: bytes) -> str:
    """The suffix, with its dot, of a file that `encode` made."""
    return next(suffix for head, suffix in _HEADS.items() if content.startswith(head))

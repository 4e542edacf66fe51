"""Pictures of one's own, read as every viewer shows them: any format, upright, in sRGB, however large.

Pillow's default limits are for files of strangers; here memory is the limit. What stops no viewer (rubbish in
EXIF, a long text beside the picture) stops nothing here.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from sphere_repro.data.colours import in_srgb
from sphere_repro.data.images import DAMAGE
from sphere_repro.data.listing import SUFFIXES, shown
from sphere_repro.data.no_image import HEAD, told, what_it_is
from sphere_repro.machine.devices import free_memory

# What is told of a picture in the archive's record.
CONVERTED, FIRST = "converted_to_srgb", "first_of_several"
LARGE = 50_000_000  # pixels from which memory is looked at first
PIXEL_BYTES = 20  # while one is decoded, turned and converted (measured: 16); twice that with transparency
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(ValueError):
    """A picture cannot be read; the message says what it is instead, or what is wrong with it."""


@dataclass(frozen=True)
class Picture:
    """One picture: `pixels` uint8 (H, W, 3) in sRGB, and what had to be done to it (`CONVERTED`, `FIRST`)."""

    pixels: np.ndarray
    done: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Image files of one's own below `root`, by their paths from there; labels int64 (N,) or None."""

    root: Path
    names: list[str]
    labels: np.ndarray | None
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return shown(str(self.root / self.names[index]))

    def picture(self, index: int) -> Picture:
        """Raises `PictureError`, or the OSError (with its number) of a file that cannot be read at all."""
        with (self.root / self.names[index]).open("rb") as file:
            return read_picture(file)

    def read(self, index: int) -> np.ndarray:
        return self.picture(index).pixels


@dataclass(frozen=True)
class Limits:
    """Of a stranger's file: the formats that are decoded, by Pillow's names, and the most pixels."""

    formats: tuple[str, ...]
    pixels: int


def read_picture(file: IO[bytes], limits: Limits | None = None) -> Picture:
    """The picture in `file`; the first one where it holds several (an animation, pages).

    Args:
        file: open for reading.
        limits: of a stranger's file, for which Pillow's own limits hold as well; None: memory is the limit.

    Raises:
        PictureError: it holds none, a broken one, one that memory or `limits` cannot hold, or one without
            8-bit colours.
        OSError: with a number: the system could not read the file.
    """
    kind = ""
    with _limited_by_memory() if limits is None else contextlib.nullcontext(), _silent():
        try:
            with Image.open(file, formats=_formats() if limits is None else limits.formats) as image:
                kind = image.format or ""
                _check_size(image, limits)
                _check_memory(image)
                several = bool(getattr(image, "is_animated", False))
                image.load()
                pixels, converted = in_srgb(_upright(image), image.info.get("icc_profile"))
        except PictureError:
            raise
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise PictureError(_instead(file, kind, error, limits)) from error
    done = ((CONVERTED,) if converted else ()) + ((FIRST,) if several else ())
    return Picture(np.array(pixels), done)


def _instead(file: IO[bytes], kind: str, error: Exception, limits: Limits | None) -> str:
    """What the file is instead of a whole picture; `kind` is its format, where it has one."""
    if isinstance(error, Image.DecompressionBombError):
        return "it says that it has far more pixels than are taken"
    file.seek(0)
    what = f"a damaged {kind}" if kind else what_it_is(file.read(HEAD))
    if limits is not None and not any(each in what.upper() for each in limits.formats):
        what = what.replace("a damaged ", "a ")  # it was not looked at
    return what if isinstance(error, UnidentifiedImageError) else told(error, what)


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; where that is rubbish, as it is."""
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DAMAGE:
        return image
    return image if turn is None else image.transpose(turn)


def _silent() -> contextlib.AbstractContextManager[object]:
    return warnings.catch_warnings(action="ignore")


def _check_size(image: Image.Image, limits: Limits | None) -> None:
    """Before a pixel is decoded: a small file may say that it has billions."""
    if limits is not None and image.width * image.height > limits.pixels:
        most = f"{limits.pixels / 1e6:g} million"
        raise PictureError(f"it has {image.width}×{image.height} pixels; {most} are taken at most")


def _check_memory(image: Image.Image) -> None:
    pixels = image.width * image.height
    needed = pixels * PIXEL_BYTES * (2 if image.has_transparency_data else 1)
    free = free_memory() if pixels > LARGE else None
    if free is not None and needed > free:
        raise PictureError(
            f"it has {image.width}×{image.height} pixels, which takes {needed / 2**30:.1f} GiB of memory to "
            f"decode; {free / 2**30:.1f} GiB are free"
        )


@functools.cache
def _formats() -> tuple[str, ...]:
    """The formats behind `SUFFIXES`, in Pillow's order; a file may have another's suffix."""
    Image.init()
    known = {kind for suffix, kind in Image.registered_extensions().items() if suffix in SUFFIXES}
    return tuple(kind for kind in Image.ID if kind in known)


@functools.cache
def _text_bytes() -> int:
    """How long a text beside a picture may be: a quarter of the memory that is free."""
    return (free_memory() or 1 << 30) // 4


@contextlib.contextmanager
def _limited_by_memory() -> Iterator[None]:
    """Without Pillow's limits on pixels and texts while this lasts."""
    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = _text_bytes()
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = before

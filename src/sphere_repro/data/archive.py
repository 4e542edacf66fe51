"""Archives as `archive_writing` makes them, read strictly: equally large square RGB images, and labels."""

from __future__ import annotations

import copy
import io
import itertools
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, UnidentifiedImageError

from sphere_repro.data.archive_labels import DAMAGE, REMEDY, Classes, check_classes, read_classes, why
from sphere_repro.errors import UserError

REMEMBERED = 2**26  # bytes of decoded images of an archive that stay in memory
_FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}


class ImageArchive:
    """A readable archive of N square RGB images of one size (H = `resolution`).

    Structural faults are found at opening, a bad image when it is read (the first one at opening, because its
    size is the archive's).

    Attributes:
        path: the zip.
        resolution: H = W, pixels.
        labels: int64 (N,), or None where the archive has none.
        class_names: of the classes in their order, or None where they have none.

    Raises:
        UserError: the file is missing, is no zip or is cut off, its `dataset.json` is missing or malformed,
            an image lacks a label, a label lacks its image, a label lies outside 0…classes-1.
    """

    def __init__(self, path: str | Path, classes: int | None = None) -> None:
        """Open `path`; `classes` > 0 demands labels in 0…classes-1, 0 or None demands nothing."""
        self.path = Path(path)
        self._zip = open_zip(self.path)
        self._decoded: dict[str, np.ndarray] = {}  # shared with parts
        self._names, found = self._look_inside(classes)
        self.labels, self.class_names = found.labels, found.names
        if classes:
            check_classes(self.path, self._names, self.labels, classes)
        self.resolution = _square_side(self.path, self._names[0], self._decode(0))

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._names)

    def name(self, index: int) -> str:
        """Where image `index` lies, for messages."""
        return f"{self._names[index]} in {self.path}"

    def part(self, indices: np.ndarray) -> Self:
        """The archive as if it held only the images of `indices` (in 0…N-1), in their order."""
        found = copy.copy(self)
        found._names = [self._names[int(index)] for index in indices]
        found.labels = None if self.labels is None else self.labels[indices]
        return found

    def read(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (H, H, 3), not to be written to.

        The first `REMEMBERED` bytes of images are decoded once: scoring looks at each of them many times.

        Raises:
            UserError: the image is broken, is not RGB, or is of another size than the first.
            IndexError: `index` is not in 0…N-1.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)} in {self.path}")
        name = self._names[index]
        if (known := self._decoded.get(name)) is not None:
            return known
        image = self._checked(index, self._decode(index))
        image.flags.writeable = False
        if (len(self._decoded) + 1) * image.nbytes <= REMEMBERED:
            self._decoded[name] = image
        return image

    def _checked(self, index: int, image: np.ndarray) -> np.ndarray:
        """`image`, if it has the archive's size."""
        side = _square_side(self.path, self._names[index], image)
        if side != self.resolution:
            raise UserError(
                f"Image {self._names[index]} in {self.path} has {side} pixels a side, the first image "
                f"{self.resolution}. Make the archive again with images of one size."
            )
        return image

    def batches(self, size: int, count: int | None = None) -> Iterator[np.ndarray]:
        """The first `count` images (default: all) in order, as uint8 (B, H, H, 3); the last B may be less.

        Raises:
            UserError: the archive holds fewer than `count` images, or one of them is bad.
        """
        if size < 1:
            raise ValueError(f"a batch of {size} images")
        total = self._checked_count(count)
        return (
            np.stack([self.read(index) for index in range(start, min(start + size, total))])
            for start in range(0, total, size)
        )

    def batches_of(self, indices: Sequence[int] | np.ndarray, size: int) -> Iterator[np.ndarray]:
        """The images of `indices` in their order, as uint8 (B, H, H, 3); the last B may be less.

        Raises:
            UserError: one of them is bad.
            IndexError: an index is not in 0…N-1.
        """
        if size < 1:
            raise ValueError(f"a batch of {size} images")
        return (
            np.stack([self.read(int(index)) for index in indices[start : start + size]])
            for start in range(0, len(indices), size)
        )

    def load(self, count: int | None = None) -> np.ndarray:
        """The first `count` images (default: all) at once, as uint8 (count, H, H, 3).

        Raises:
            UserError: the archive holds fewer than `count` images, or one of them is bad.
        """
        total = self._checked_count(count)
        images = np.empty((total, self.resolution, self.resolution, 3), np.uint8)
        for index in range(total):
            images[index] = self.read(index)
        return images

    def _look_inside(self, _classes: int | None) -> tuple[list[str], Classes]:
        """Names of the images, in order, and their classes."""
        names = _image_names(self.path, self._zip.namelist())
        return names, read_classes(self.path, self._zip, names)

    def _checked_count(self, count: int | None) -> int:
        if count is None:
            return len(self)
        if count < 0:
            raise ValueError(f"{count} images")
        if count > len(self):
            raise UserError(
                f"{self.path} holds {len(self)} images, not the {count} asked for. Ask for fewer."
            )
        return count

    def _decode(self, index: int) -> np.ndarray:
        """Whatever RGB image lies under `index`, of any size."""
        name = self._names[index]
        content = io.BytesIO(self._bytes(name))
        try:
            with Image.open(content, formats=[_format(name)]) as image:
                mode = image.mode
                pixels = np.array(image)
        except DAMAGE as error:
            words = "its bytes are no PNG" if isinstance(error, UnidentifiedImageError) else why(error)
            raise UserError(f"Image {name} in {self.path} is broken ({words}). {REMEDY}") from error
        if mode != "RGB":
            raise UserError(
                f"Image {name} in {self.path} has mode {mode}, not RGB. Convert the images and make it again."
            )
        return pixels

    def _bytes(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except DAMAGE as error:
            raise UserError(f"Image {name} in {self.path} is broken ({why(error)}). {REMEDY}") from error


def open_zip(path: Path) -> zipfile.ZipFile:
    """The zip `path`.

    Raises:
        UserError: it is missing, no file, or no zip.
    """
    if not path.exists():
        raise UserError(f"Archive {path} does not exist. Make it first, or check the path.")
    if not path.is_file():  # reading a named pipe would wait for ever
        raise UserError(f"{path} is not a readable zip archive (it is no ordinary file). Check the path.")
    try:
        return zipfile.ZipFile(path)
    except DAMAGE as error:
        raise UserError(f"{path} is not a readable zip archive ({why(error)}). {REMEDY}") from error


def _image_names(path: Path, entries: list[str]) -> list[str]:
    names = sorted(name for name in entries if name.lower().endswith(tuple(_FORMATS)))
    if not names:
        raise UserError(f"{path} holds no PNG, WebP or JPEG images. {REMEDY}")
    for name, following in itertools.pairwise(names):
        if name == following:
            raise UserError(f"{path} holds image {name} twice. {REMEDY}")
    return names


def _format(name: str) -> str:
    return next(form for suffix, form in _FORMATS.items() if name.lower().endswith(suffix))


def _square_side(path: Path, name: str, image: np.ndarray) -> int:
    height, width = image.shape[:2]
    if height != width:
        raise UserError(f"Image {name} in {path} is {width}×{height} pixels, not square. Crop it first.")
    return int(height)

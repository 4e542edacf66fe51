"""One zip of equally large square RGB images and their labels: the form of every dataset and sample set.

PNGs (ImageNet: JPEGs) named `00000/img00000000.png` (folder = index // 1000) and `dataset.json` with
`{"labels": [["00000/img00000000.png", 3], …]}`, or `{"labels": null}` where there are no classes: the layout
of StyleGAN and EDM, so that their tools read these archives too.
"""

from __future__ import annotations

import io
import itertools
import json
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from sphere_repro.data.images import encode
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output

LABELS_NAME = "dataset.json"
Labels = Sequence[int] | np.ndarray
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: the same images, the same bytes

# What zipfile and Pillow raise on damaged bytes, by experiment (tests/data/test_archive.py flips them).
_DAMAGE = (
    *(OSError, EOFError, SyntaxError, ValueError, LookupError, TypeError, OverflowError),
    RuntimeError,  # "encrypted"; an unknown compression; JSON nested too deep
    *(struct.error, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)


def image_name(index: int, suffix: str = ".png") -> str:
    """Name of image `index` inside an archive."""
    return f"{index // 1000:05d}/img{index:08d}{suffix}"


def write_archive(path: Path, images: Iterable[np.ndarray], labels: Labels | None) -> None:
    """Write `images` in order as an archive of PNGs, atomically; the same images give the same bytes.

    Images are written as they come, so memory does not grow with their number.

    Args:
        path: the zip to write.
        images: uint8 (H, H, 3) each, all of one size.
        labels: one class per image, or None where there are none.

    Raises:
        UserError: the disk is full or the folder cannot be written.
        ValueError: no image, an image of another shape or type, more or fewer labels than images.
    """
    write_encoded(path, _encoded(images), labels)


def write_encoded(path: Path, images: Iterable[bytes], labels: Labels | None, suffix: str = ".png") -> None:
    """The same for images that are PNG files already, or JPEG files (suffix `.jpg`)."""
    with (
        atomic_output(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        count = 0
        for count, image in enumerate(images, start=1):
            archive.writestr(_entry(image_name(count - 1, suffix)), image)
        if count == 0:
            raise ValueError(f"there are no images to write to {path}")
        if labels is not None and len(labels) != count:
            raise ValueError(f"{count} images but {len(labels)} labels for {path}")
        with archive.open(_entry(LABELS_NAME), "w") as file:
            _write_labels(file, labels, suffix)


class ImageArchive:
    """A readable archive of N square RGB images of one size (H = `resolution`).

    Structural faults are found at opening, a bad image when it is read (the first one at opening, because its
    size is the archive's).

    Attributes:
        path: the zip.
        resolution: H = W, pixels.
        labels: int64 (N,), or None where the archive has none.

    Raises:
        UserError: the file is missing, is no zip or is cut off, its `dataset.json` is missing or malformed,
            an image lacks a label, a label lacks its image, a label lies outside 0…classes-1.
    """

    def __init__(self, path: str | Path, classes: int | None = None) -> None:
        """Open `path`; `classes` > 0 demands labels in 0…classes-1, 0 or None demands nothing."""
        self.path = Path(path)
        self._zip = _open_zip(self.path)
        self._names = _image_names(self.path, self._zip.namelist())
        self.labels = _read_labels(self.path, self._zip, self._names)
        if classes:
            _check_classes(self.path, self._names, self.labels, classes)
        self.resolution = _square_side(self.path, self._names[0], self._decode(0))

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._names)

    def name(self, index: int) -> str:
        """Where image `index` lies, for messages."""
        return f"{self._names[index]} in {self.path}"

    def read(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (H, H, 3).

        Raises:
            UserError: the image is broken, is not RGB, or is of another size than the first.
            IndexError: `index` is not in 0…N-1.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)} in {self.path}")
        image = self._decode(index)
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
        try:
            with Image.open(io.BytesIO(self._zip.read(name)), formats=[_format(name)]) as image:
                mode = image.mode
                pixels = np.array(image)
        except _DAMAGE as error:
            raise UserError(f"Image {name} in {self.path} is broken ({_why(error)}). {_REMEDY}") from error
        if mode != "RGB":
            raise UserError(
                f"Image {name} in {self.path} has mode {mode}, not RGB. Convert the images and make it again."
            )
        return pixels


_REMEDY = "Delete the archive and make it again, or fetch an intact copy."


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EARLIEST)
    entry.create_system = 3  # otherwise the zip would say on which operating system it was made
    entry.external_attr = 0o644 << 16
    return entry


def _encoded(images: Iterable[np.ndarray]) -> Iterator[bytes]:
    shape: tuple[int, ...] | None = None
    for index, image in enumerate(images):
        shape = _checked_shape(image, index, shape)
        yield encode(image)


def _checked_shape(image: np.ndarray, index: int, first: tuple[int, ...] | None) -> tuple[int, ...]:
    shape = image.shape
    if image.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3 or shape[0] == 0:
        raise ValueError(f"image {index} is {image.dtype} {shape}, not uint8 (H, H, 3)")
    if first is not None and shape != first:
        raise ValueError(f"image {index} is {shape}, the first one {first}")
    return shape


def _write_labels(file: IO[bytes], labels: Labels | None, suffix: str) -> None:
    if labels is None:
        file.write(b'{"labels": null}\n')
        return
    file.write(b'{"labels": [')
    for index, label in enumerate(labels):
        file.write(f"{',' if index else ''}\n{json.dumps([image_name(index, suffix), int(label)])}".encode())
    file.write(b"\n]}\n")


def _open_zip(path: Path) -> zipfile.ZipFile:
    if not path.exists():
        raise UserError(f"Archive {path} does not exist. Make it first, or check the path.")
    try:
        return zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise UserError(f"{path} is not a readable zip archive ({_why(error)}). {_REMEDY}") from error


def _image_names(path: Path, entries: list[str]) -> list[str]:
    names = sorted(name for name in entries if name.lower().endswith((".png", ".jpg", ".jpeg")))
    if not names:
        raise UserError(f"{path} holds no PNG or JPEG images. {_REMEDY}")
    for name, following in itertools.pairwise(names):
        if name == following:
            raise UserError(f"{path} holds image {name} twice. {_REMEDY}")
    return names


def _format(name: str) -> str:
    return "PNG" if name.lower().endswith(".png") else "JPEG"


def _read_labels(path: Path, archive: zipfile.ZipFile, names: list[str]) -> np.ndarray | None:
    if LABELS_NAME not in archive.NameToInfo:
        raise UserError(f'{path} has no {LABELS_NAME}. Add it: {{"labels": null}} without classes.')
    try:
        content = json.loads(archive.read(LABELS_NAME).decode("utf-8"))
    except _DAMAGE as error:
        raise UserError(f"{LABELS_NAME} in {path} is not readable JSON ({_why(error)}). {_REMEDY}") from error
    if not isinstance(content, dict) or "labels" not in content:
        raise UserError(f"{LABELS_NAME} in {path} has no 'labels'. Write null where there are no classes.")
    rows = content["labels"]
    if rows is None:
        return None
    found = _label_table(path, rows)
    for name in names:
        if name not in found:
            raise UserError(f"Image {name} in {path} has no label. Add it to {LABELS_NAME}.")
    if len(found) > len(names):
        stray = min(found.keys() - set(names))
        raise UserError(f"{LABELS_NAME} in {path} labels {stray}, which the archive does not hold. {_REMEDY}")
    return np.array([found[name] for name in names], np.int64)


def _label_table(path: Path, rows: Any) -> dict[str, int]:
    """Image name → label, from the rows of `dataset.json`."""
    where = f"{LABELS_NAME} in {path}"
    if not isinstance(rows, list):
        raise UserError(f"'labels' of {where} is neither null nor a list of [name, class] pairs. Correct it.")
    found: dict[str, int] = {}
    for row in rows:
        match row:
            case [str(name), int(label)] if not isinstance(label, bool) and 0 <= label < 2**63:
                if name in found:
                    raise UserError(f"{where} labels {name} twice. Remove one.")
                found[name] = label
            case _:
                raise UserError(f"{where} has the row {row!r:.80}, not [name, class from 0 on]. Correct it.")
    return found


def _check_classes(path: Path, names: list[str], labels: np.ndarray | None, classes: int) -> None:
    if labels is None:
        raise UserError(f"{path} has no labels, but {classes} classes are expected. Use a labelled archive.")
    if int(labels.max()) >= classes:
        index = int(labels.argmax())
        raise UserError(
            f"Image {names[index]} in {path} has label {labels[index]}, but the last class is "
            f"{classes - 1}. Correct the label, or use the archive that belongs to the model."
        )


def _square_side(path: Path, name: str, image: np.ndarray) -> int:
    height, width = image.shape[:2]
    if height != width:
        raise UserError(f"Image {name} in {path} is {width}×{height} pixels, not square. Crop it first.")
    return int(height)


def _why(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):  # its words name an object in memory
        return "its bytes are no PNG"
    return " ".join(str(error).split()) or type(error).__name__

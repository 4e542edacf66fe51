"""Write an archive: the form of every dataset and sample set.

PNGs (ImageNet: lossless WebPs; JPEGs where asked for) named `00000/img00000000.png` (folder = index // 1000)
and `dataset.json` with
`{"labels": [["00000/img00000000.png", 3], …]}`, or `{"labels": null}` where there are no classes: the layout
of StyleGAN and EDM, so that their tools read these archives too. Where the classes have names, it has them
under `class_names`, which those tools pass over.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from sphere_repro.data.archive_labels import LABELS_NAME
from sphere_repro.data.images import encode, suffix_of
from sphere_repro.machine.files import atomic_output

Labels = Sequence[int] | np.ndarray
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: the same images, the same bytes


def image_name(index: int, suffix: str = ".png") -> str:
    """Name of image `index` inside an archive."""
    return f"{index // 1000:05d}/img{index:08d}{suffix}"


def write_archive(
    path: Path,
    images: Iterable[np.ndarray],
    labels: Labels | None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Write `images` in order as an archive of PNGs, atomically; the same images give the same bytes.

    Images are written as they come, so memory does not grow with their number.

    Args:
        path: the zip to write.
        images: uint8 (H, H, 3) each, all of one size.
        labels: one class per image, or None where there are none.
        class_names: of the classes in their order, where they have names; left out without labels.

    Raises:
        UserError: the disk is full or the folder cannot be written.
        ValueError: no image, an image of another shape or type, more or fewer labels than images.
    """
    write_encoded(path, _encoded(images), labels, class_names=class_names)


def write_encoded(
    path: Path,
    images: Iterable[bytes],
    labels: Labels | None,
    class_names: Sequence[str] | None = None,
) -> None:
    """The same for images that are files already, as `images.encode` makes them, of one format or several."""
    suffixes: list[str] = []
    with (
        atomic_output(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for index, image in enumerate(images):
            suffixes.append(suffix_of(image))
            archive.writestr(_entry(image_name(index, suffixes[-1])), image)
        count = len(suffixes)
        if count == 0:
            raise ValueError(f"there are no images to write to {path}")
        if labels is not None and len(labels) != count:
            raise ValueError(f"{count} images but {len(labels)} labels for {path}")
        with archive.open(_entry(LABELS_NAME), "w") as file:
            _write_labels(file, labels, suffixes, class_names)


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


def _write_labels(
    file: IO[bytes], labels: Labels | None, suffixes: Sequence[str], class_names: Sequence[str] | None
) -> None:
    if labels is None:
        file.write(b'{"labels": null}\n')
        return
    file.write(b'{"labels": [')
    for index, label in enumerate(labels):
        row = json.dumps([image_name(index, suffixes[index]), int(label)])
        file.write(f"{',' if index else ''}\n{row}".encode())
    names = f',\n"class_names": {json.dumps(list(class_names))}' if class_names else ""
    file.write(f"\n]{names}}}\n".encode())

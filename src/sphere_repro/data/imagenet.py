"""ImageNet-1k from the user's own copy: a tree of class folders, or ILSVRC2012's tar of a thousand tars.

The tar is read where it lies, without unpacking: its index is the place of every image in it.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import numpy as np

from sphere_repro.data.images import Files, Images, Pieces
from sphere_repro.data.sources import Source
from sphere_repro.errors import UserError
from sphere_repro.machine.progress import progress

TREES = (
    "",
    "train",
    "ILSVRC/Data/CLS-LOC/train",
    "Data/CLS-LOC/train",
)  # where copies keep the class folders
_WNID = re.compile(r"n\d{8}")


def tar_name(source: Source) -> str:
    """Name of the training images' tar."""
    return source.files[0].name


def find(raw: Path, source: Source) -> Path:
    """The training tar in `raw`, or the folder of class folders.

    Raises:
        UserError: neither is there.
    """
    tar = raw / tar_name(source)
    if tar.is_file():
        return tar
    for place in TREES:
        if (raw / place).is_dir() and any(_WNID.fullmatch(path.name) for path in (raw / place).iterdir()):
            return raw / place
    raise UserError(
        f"ImageNet-1k is not downloaded here: its publisher asks everyone to register at {source.by_hand}. "
        f"Put {tar_name(source)}, or the folder with one subfolder per class (n01440764, …), at {raw} (a "
        "link will do: ln -s /path/to/imagenet there), and run the same command again."
    )


def open_images(raw: Path, source: Source) -> Images:
    """The training images, one class after the other in the order of their WordNet numbers.

    Raises:
        UserError: there is no copy in `raw`, it is damaged, or it has another number of classes.
    """
    place = find(raw, source)
    return _tree(place, source) if place.is_dir() else _tar(place, source)


def _tree(place: Path, source: Source) -> Files:
    classes = sorted(path.name for path in place.iterdir() if _WNID.fullmatch(path.name) and path.is_dir())
    _check_classes(place, classes, source)
    names: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(progress(classes, label="list imagenet", unit="class")):
        images = sorted(path.name for path in (place / name).iterdir() if path.suffix.upper() == ".JPEG")
        names += [f"{name}/{image}" for image in images]
        labels += [label] * len(images)
    return Files(place, names, np.array(labels, np.int64))


def _tar(place: Path, source: Source) -> Pieces:
    """Where each image lies: the outer tar's offset of its class's tar, plus its offset in that."""
    try:
        with tarfile.open(place, "r:") as outer:
            members = sorted((member for member in outer if member.isfile()), key=lambda member: member.name)
            classes = [Path(member.name).stem for member in members if member.name.endswith(".tar")]
            _check_classes(place, classes, source)
            names: list[str] = []
            rows: list[tuple[int, int, int]] = []
            inner = zip(classes, members, strict=True)
            for label, (name, member) in enumerate(
                progress(inner, label="list imagenet", total=len(classes), unit="class")
            ):
                found = _images_within(outer, member)
                names += [f"{name}/{image}" for image, _, _ in found]
                rows += [(member.offset_data + start, size, label) for _, start, size in found]
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise UserError(f"{place} is damaged ({error}). Fetch it again from {source.by_hand}.") from error
    starts, sizes, labels = np.array(rows, np.int64).T
    return Pieces(place, names, starts, sizes, labels)


def _images_within(outer: tarfile.TarFile, member: tarfile.TarInfo) -> list[tuple[str, int, int]]:
    """Name, offset and size in bytes of every image of one class's tar, sorted by name."""
    with tarfile.open(fileobj=outer.extractfile(member), mode="r:") as inner:
        return sorted((image.name, image.offset_data, image.size) for image in inner if image.isfile())


def _check_classes(place: Path, classes: list[str], source: Source) -> None:
    if len(classes) != source.classes:
        raise UserError(
            f"{place} has {len(classes)} classes, but ImageNet-1k has {source.classes}. Is the copy complete?"
        )

"""Each publisher's own layout, read where it was downloaded to (`raw`): one function per loader.

CIFAR-10 and Oxford-Flowers-102 are read by torchvision's own classes, which also verify what was unpacked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sphere_repro.data import folder, imagenet, lists
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import Arrays, Files, Images
from sphere_repro.data.listing import shown
from sphere_repro.data.pictures import Pictures
from sphere_repro.data.sources import Source
from sphere_repro.errors import UserError

UNPACKED = "unpacked"  # the folder in `raw` that archives are unpacked to
PUBLISHED = (".jpg", ".jpeg", ".png")  # suffixes of published class folders
FLOWERS = "flowers-102"  # the folder that torchvision's class expects


def images_of(dataset: Dataset, raw: Path) -> Images:
    """All images of a dataset, at whatever size their source has.

    Args:
        dataset: which one.
        raw: the folder of its downloads; unused by what needs none.

    Raises:
        UserError: something is missing, damaged, or not what the table of datasets says.
    """
    source = dataset.source
    match source.loader:
        case "embedded":
            images: Images = _embedded(dataset)
        case "folder":
            images = own_folder(_place(dataset), source.classes)
        case "list":
            images = lists.images_of_list(_place(dataset), dataset.list_root, source.classes)
        case "zip":
            from sphere_repro.data.own_archive import OwnArchive

            images = OwnArchive(_place(dataset), source.classes)
        case _:
            images = open_images(dataset.name, source, raw)
    return images


def open_images(name: str, source: Source, raw: Path) -> Images:
    """The images of the published dataset `name`, whose downloads lie in `raw`.

    Raises:
        UserError: as `images_of`.
    """
    images = _LOADERS[source.loader](raw, source)
    check_counts(name, images, source)
    return images


def check_counts(name: str, images: Images, source: Source) -> None:
    """Hold the number of images, of classes, and of images in each class against the table.

    Raises:
        UserError: one of them differs.
    """
    if source.images is not None and len(images) != source.images:
        raise UserError(
            f"{name} has {len(images)} images here, but {source.images} where it is published. Some are "
            "missing or were added: download it again into an empty folder."
        )
    if images.labels is None:
        return
    counts = np.bincount(images.labels, minlength=source.classes)
    if len(counts) != source.classes or not counts.all():
        raise UserError(
            f"{name} has images of {np.count_nonzero(counts)} classes here instead of {source.classes}."
        )
    wanted = source.class_counts or {}
    for (word, published), found in zip(wanted.items(), counts, strict=False):
        if published != found:
            raise UserError(
                f"{name} has {found} images of '{word}' here, but {published} where it is published."
            )


def own_folder(place: Path, classes: int) -> Pictures:
    """A folder of one's own; the names of its classes are those of the subfolders."""
    names, labels = folder.image_files(place, classes)
    if labels is None:
        return Pictures(place, names, None)
    called = tuple(shown(name) for name in folder.expected_folders(place, classes))
    return Pictures(place, names, np.array(labels, np.int64), called)


def _place(dataset: Dataset) -> Path:
    assert dataset.place is not None  # its loader says that these are images of one's own
    return dataset.place


def _embedded(dataset: Dataset) -> Arrays:
    from sphere_repro.data.embedded import digits, photo_patches

    if dataset.name == "digits":
        return Arrays(*digits())
    return Arrays(*photo_patches(dataset.pixels))  # cut at the wanted size: real detail, not enlargement


def _cifar10(raw: Path, _: Source) -> Arrays:
    """The 50 000 training images, from the five pickled batches."""
    from torchvision.datasets import CIFAR10

    split = _opened(raw, functools.partial(CIFAR10, raw / UNPACKED, train=True))
    return Arrays(split.data, np.array(split.targets, np.int64))


def _flowers102(raw: Path, _: Source) -> Files:
    """All three splits, as the training split has only ten images of a class; in the order of their names."""
    from torchvision.datasets import Flowers102

    found: dict[str, int] = {}
    for name in ("train", "val", "test"):
        split = _opened(raw, functools.partial(Flowers102, raw / UNPACKED, split=name))
        # Private names, but torchvision offers the labels only together with decoded images.
        found |= {path.name: label for path, label in zip(split._image_files, split._labels, strict=True)}
    names = sorted(found)
    labels = np.array([found[name] for name in names], np.int64)
    return Files(raw / UNPACKED / FLOWERS / "jpg", names, labels)


def _class_folders(raw: Path, source: Source) -> Files:
    """`…/<split>/<class>/<image>`, with the classes of the table; splits in sorted order, all of them."""
    unpacked = raw / UNPACKED
    classes = sorted(source.class_counts or ())
    found = class_files(raw, source)
    if not found:
        raise UserError(f"{unpacked} holds no image. {_AGAIN.format(raw=raw)}")
    labels = np.array([classes.index(path.parent.name) for path in found], np.int64)
    return Files(unpacked, [path.relative_to(unpacked).as_posix() for path in found], labels)


def class_files(raw: Path, source: Source) -> list[Path]:
    """Images in folders that are called as the table's classes, ordered by split, class and name.

    The folders above the splits say nothing: archives of the same files differ in them.
    """
    found = [
        path
        for path in (raw / UNPACKED).rglob("*")
        if path.suffix.lower() in PUBLISHED and path.parent.name in (source.class_counts or ())
    ]
    return sorted((path for path in found if not _of_a_mac(path)), key=lambda path: path.parts[-3:])


def _of_a_mac(path: Path) -> bool:
    """Whether a Mac has put the file into an archive beside the one that it speaks of."""
    return path.name.startswith("._") or "__MACOSX" in path.parts


def _opened(raw: Path, split: Callable[[], Any]) -> Any:
    """One of torchvision's datasets, which says with a RuntimeError that it is incomplete or changed."""
    try:
        return split()
    except (RuntimeError, OSError) as error:
        raise UserError(
            f"What was downloaded to {raw} is incomplete or was changed ({' '.join(str(error).split())}). "
            f"{_AGAIN.format(raw=raw)}"
        ) from error


_AGAIN = "Delete {raw}/unpacked and {raw}.json, and run 'sphere-repro download {raw.name}'."
_LOADERS: dict[str, Callable[[Path, Source], Images]] = {
    "cifar10": _cifar10,
    "flowers102": _flowers102,
    "class-folders": _class_folders,
    "imagenet": imagenet.open_images,
}

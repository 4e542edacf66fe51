"""A folder of images of one's own: which files, which classes, and whether anything has changed.

Class subfolders give the labels, in sorted order; a folder that holds the images itself has none. What may
be read in two ways (`train` and `val`, class folders one level further down) is asked for, never guessed.
Nothing here decodes an image, since a study looks at its folders each time it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from sphere_repro.data.listing import (
    Listing,
    counted,
    entries,
    images,
    is_image,
    listing,
    readable,
    shown,
)
from sphere_repro.errors import UserError
from sphere_repro.machine.files import write_json
from sphere_repro.machine.notes import notice
from sphere_repro.machine.progress import progress

_SLOW = 2 << 30  # bytes to hash before one is told why nothing seems to happen
_NAMED = 6  # class folders named in a message
_SPLIT = re.compile(r"(train|training|val|valid|validation|dev|eval|test|testing)([-_]?\d+)?", re.IGNORECASE)
UNUSED = "classes: 0 to use all images below it without classes"


def class_folders(folder: Path) -> list[str]:
    """Names of the class subfolders in sorted order; none where the images lie in `folder` itself.

    Raises:
        UserError: it cannot be read, it holds both images and subfolders of images, or it can be understood
            in more than one way.
    """
    with readable(folder):
        found = entries(folder)
        subfolders = sorted(entry.name for entry in found if entry.is_dir())
        direct = any(is_image(entry) for entry in found)
    if direct:
        _refuse_mixture(folder, subfolders)
        return []
    _refuse_splits(folder, subfolders)
    if len(subfolders) == 1:
        _refuse_a_lone_folder_of_classes(folder, subfolders[0])
    return subfolders if len(subfolders) > 1 else []


def splits_in(names: list[str]) -> list[str]:
    """Those of `names` that datasets customarily give to their parts: `train`, `val2017`, `Test`, …"""
    return [name for name in names if _SPLIT.fullmatch(name)]


def split_folder(folder: Path, split: str | None) -> Path:
    """The folder of a dataset's part; `folder` itself where no part is asked for.

    Raises:
        UserError: there is no such part.
    """
    if split is None:
        return folder
    with readable(folder):
        subfolders = sorted(entry.name for entry in entries(folder) if entry.is_dir())
    if split not in subfolders:
        there = ", ".join(map(shown, subfolders[:_NAMED])) or "none"
        raise UserError(f"{folder} has no subfolder '{split}' (split: {split}). Its subfolders: {there}.")
    return folder / split


def image_files(folder: Path, classes: int) -> tuple[list[str], list[int] | None]:
    """Paths of all images from `folder`, and their labels: one class after the other, each sorted by name.

    With `classes` 0 there are no labels, and every image below `folder` is taken, wherever it lies.

    Raises:
        UserError: there is no image, a class has none, or there is another number of classes.
    """
    if not classes:
        found = listing(folder)
        if not found.images:
            raise UserError(f"{folder} holds no image{_other_files(found)}.")
        return found.images, None
    names, labels = [], []
    for label, name in enumerate(expected_folders(folder, classes)):
        of_class = class_images(folder, name).images
        names += [f"{name}/{path}" for path in of_class]
        labels += [label] * len(of_class)
    return names, labels


def expected_folders(folder: Path, classes: int) -> list[str]:
    """`class_folders`, held against the number of classes.

    Raises:
        UserError: there is another number of them, or as `class_folders`.
    """
    found = class_folders(folder)
    if len(found) != classes:
        raise UserError(
            f"{folder} has {len(found)} class subfolders, but the study says classes: {classes}. "
            "Correct the number, or leave it out."
        )
    return found


def class_images(folder: Path, name: str) -> Listing:
    """What lies in one class subfolder.

    Raises:
        UserError: no image does.
    """
    found = listing(folder / name)
    if not found.images:
        raise UserError(
            f"The class subfolder {shown(str(folder / name))} holds no image{_other_files(found)}. Remove "
            "it, or fill it."
        )
    return found


def _other_files(found: Listing) -> str:
    return f" (other files: {counted(found.left_out)})" if found.left_out else ""


def _refuse_mixture(folder: Path, subfolders: list[str]) -> None:
    holding = next((name for name in subfolders if any(images(folder / name))), None)
    if holding is not None:
        raise UserError(
            f"{folder} holds images itself and in the subfolder '{shown(holding)}'. Give every image a class "
            f"subfolder, or say {UNUSED}."
        )


def _refuse_splits(folder: Path, subfolders: list[str]) -> None:
    """Two or more parts by their names, or one that holds class folders itself, are no classes."""
    splits = [name for name in splits_in(subfolders) if any(images(folder / name))]
    if len(splits) < 2 and not any(_classes_below(folder / name) for name in splits):
        return
    found = ", ".join(_told(folder / name) for name in splits)
    chosen = next((name for name in splits if name.lower().startswith("train")), splits[0])
    raise UserError(
        f"{folder} holds {found}: the parts of a dataset, by their names, and no classes. Say split: "
        f"{chosen} to use that part, or {UNUSED}."
    )


def _refuse_a_lone_folder_of_classes(folder: Path, name: str) -> None:
    below = _holding_images(folder / name)
    if len(below) > 1:
        raise UserError(
            f"{folder} holds one subfolder, '{shown(name)}', and that holds {len(below)} folders of images "
            f"({_some(below)}). Give folder: {shown(str(folder / name))} if these are the classes, or say "
            f"{UNUSED}."
        )


def _classes_below(folder: Path) -> list[str]:
    """Subfolders of `folder` that hold images, where `folder` itself holds none."""
    with readable(folder):
        direct = any(is_image(entry) for entry in entries(folder))
    return [] if direct else _holding_images(folder)


def _holding_images(folder: Path) -> list[str]:
    with readable(folder):
        subfolders = sorted(entry.name for entry in entries(folder) if entry.is_dir())
    return [name for name in subfolders if any(images(folder / name))]


def _told(part: Path) -> str:
    below, count = _classes_below(part), sum(1 for _ in images(part))
    inside = f" in {len(below)} subfolders" if below else ""
    return f"{shown(part.name)} ({count} images{inside})"


def _some(names: list[str]) -> str:
    more = ", …" if len(names) > _NAMED else ""
    return ", ".join(map(shown, names[:_NAMED])) + more


def contents(place: Path, cache: Path | None = None, names: list[str] | None = None) -> str:
    """SHA-256 over the names and contents of the images below the folder `place`, or over the file `place`.

    `names`: take these files, by their paths from `place`, instead of looking for images.

    Names, sizes and times decide whether a file has to be read again: with `cache`, a file where the last
    answer is kept, an unchanged folder costs a listing. Times alone are never believed to be a change, since
    a copied folder has new ones.

    Raises:
        UserError: `place` cannot be read.
    """
    with readable(place):
        if names is None:
            names = [""] if place.is_file() else sorted(images(place))
        stats = [(place / name).stat() for name in names]
        listed = hashlib.sha256()
        for name, stat in zip(names, stats, strict=True):
            listed.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
        key = {"place": shown(str(place)), "listing": listed.hexdigest()}
        known = _cached(cache)
        if all(known.get(name) == value for name, value in key.items()) and "contents" in known:
            return str(known["contents"])
        found = _hash(place, names, sum(stat.st_size for stat in stats))
    if cache is not None:
        write_json(cache, key | {"contents": found})
    return found


def _hash(place: Path, names: list[str], size: int) -> str:
    if size > _SLOW:
        notice(f"reading the {size / 2**30:.0f} GiB of {place} once, to know later whether they changed")
    digest = hashlib.sha256()
    for name in progress(names, label=f"read {place.name}", unit="file"):
        with (place / name).open("rb") as handle:
            one = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{name}\0{one}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _cached(cache: Path | None) -> dict[str, str]:
    try:
        found = json.loads(cache.read_text(encoding="utf-8")) if cache else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

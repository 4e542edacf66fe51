"""A folder of images of one's own: which files, which classes, and whether anything has changed.

Class subfolders give the labels, in sorted order; a folder that holds the images itself has none, and one
subfolder alone is no class. Nothing here decodes an image or imports more than the standard library, since a
study looks at its folders each time it is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import write_json
from sphere_repro.machine.notes import notice
from sphere_repro.machine.progress import progress

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ANY = 1 << 30  # more classes than there are
_SLOW = 2 << 30  # bytes to hash before one is told why nothing seems to happen


def own_name(place: str) -> str:
    """A name for the images at `place`: its last part, and six digits that tell equal last parts apart."""
    path = Path(place)  # as it is written: the same study, the same name on every machine
    words = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "images"
    digest = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()
    return f"{words[:40].strip('-')}-{digest[:6]}"


def class_folders(folder: Path) -> list[str]:
    """Names of the class subfolders in sorted order; none where the images lie in `folder` itself.

    Raises:
        UserError: it is no folder, it is empty, or it holds both images and subfolders of images.
    """
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(
            f"The folder of images {folder} cannot be read ({error.strerror}). Check the path."
        ) from error
    subfolders = sorted(entry.name for entry in entries if entry.is_dir())
    if any(_is_image(entry.name) and entry.is_file() for entry in entries):
        holding = next((name for name in subfolders if any(_walk(folder / name))), None)
        if holding is not None:
            raise UserError(
                f"{folder} holds images itself and in the subfolder '{holding}'. Give every image a class "
                "subfolder, or say classes: 0 to use all of them without classes."
            )
        return []
    return subfolders if len(subfolders) > 1 else []


def image_files(folder: Path, classes: int) -> tuple[list[str], list[int] | None]:
    """Paths of all images from `folder`, and their labels: one class after the other, each sorted by name.

    With `classes` 0 there are no labels, and every image below `folder` is taken, wherever it lies.

    Raises:
        UserError: there is no image, a class has none, or there is another number of classes.
    """
    if not classes:
        names = sorted(_walk(folder))
        if not names:
            raise UserError(f"{folder} holds no image (a file that ends in {', '.join(SUFFIXES)}).")
        return names, None
    found = class_folders(folder)
    if len(found) != classes:
        raise UserError(
            f"{folder} has {len(found)} class subfolders, but the study says classes: {classes}. "
            "Correct the number, or leave it out."
        )
    names, labels = [], []
    for label, name in enumerate(found):
        images = sorted(f"{name}/{path}" for path in _walk(folder / name))
        if not images:
            raise UserError(f"The class subfolder {folder / name} holds no image. Remove it, or fill it.")
        names += images
        labels += [label] * len(images)
    return names, labels


def contents(place: Path, cache: Path | None = None, names: list[str] | None = None) -> str:
    """SHA-256 over the names and contents of the images below the folder `place`, or over the file `place`.

    `names`: take these files, by their paths from `place`, instead of looking for images.

    Names, sizes and times decide whether a file has to be read again: with `cache`, a file where the last
    answer is kept, an unchanged folder costs a listing. Times alone are never believed to be a change, since
    a copied folder has new ones.

    Raises:
        UserError: `place` cannot be read.
    """
    try:
        if names is None:
            names = [""] if place.is_file() else sorted(_walk(place))
        stats = [(place / name).stat() for name in names]
        listing = hashlib.sha256()
        for name, stat in zip(names, stats, strict=True):
            listing.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
        key = {"place": str(place), "listing": listing.hexdigest()}
        known = _cached(cache)
        if all(known.get(name) == value for name, value in key.items()) and "contents" in known:
            return str(known["contents"])
        found = _hash(place, names, sum(stat.st_size for stat in stats))
    except OSError as error:
        raise UserError(f"{place} cannot be read ({error.strerror}: {error.filename}).") from error
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


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _walk(folder: Path) -> Iterator[str]:
    """Every image below `folder`, by its path from there; links to folders are followed, circles are not."""
    seen: set[tuple[int, int]] = set()
    for place, subfolders, files in os.walk(folder, followlinks=True):
        stat = Path(place).stat()
        if (stat.st_dev, stat.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        start = Path(place).relative_to(folder)
        yield from ((start / name).as_posix() for name in files if _is_image(name))

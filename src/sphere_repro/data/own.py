"""What a study leaves unsaid about images of one's own is looked up where they lie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphere_repro.data import folder, lists
from sphere_repro.data.sources import OWN_RESIZE, OWN_RESOLUTION, SOURCES
from sphere_repro.errors import UserError


def completed(data: dict[str, Any], kind: str, place: str) -> dict[str, Any]:
    """`data`, the keys of a dataset, with everything filled in: the same images, the same keys.

    Raises:
        UserError: something has to be looked up, and the images are missing, unreadable, or may be understood
            in more than one way.
    """
    looked_up = {"folder": _of_folder, "zip": _of_zip, "list": _of_list}[kind]
    filled = data | {kind: str(Path(place))}  # /p and /p/ are one place
    filled |= {"name": data.get("name") or own_name(place), "resize": data.get("resize") or OWN_RESIZE}
    return looked_up(filled, Path(place).expanduser())


def own_name(place: str) -> str:
    """A name for the images at `place`, of its last part; the archive's own name tells equal ones apart."""
    words = re.sub(r"[^a-z0-9]+", "-", Path(place).stem.lower()).strip("-") or "images"
    name = words[:40].strip("-")
    return f"own-{name}" if name in SOURCES else name


def _of_folder(data: dict[str, Any], path: Path) -> dict[str, Any]:
    if data.get("resolution") is None:
        data["resolution"] = OWN_RESOLUTION
    if data.get("classes") is None:
        split = data.get("split")
        part = folder.split_folder(path, split if isinstance(split, str) else None)
        found = folder.class_folders(part)
        _refuse_doubtful(part, found)
        data["classes"] = len(found)
    return data


def _refuse_doubtful(path: Path, classes: list[str]) -> None:
    """One subfolder named as datasets name their parts may be a class (cars, planes, trains), or not."""
    for name in folder.splits_in(classes):
        raise UserError(
            f"{path} holds '{name}' among {len(classes)} subfolders. Say classes: {len(classes)} if it is a "
            f"class, split: {name} if it is the part of the dataset to use, or {folder.UNUSED}."
        )


def _of_list(data: dict[str, Any], path: Path) -> dict[str, Any]:
    if data.get("resolution") is None:
        data["resolution"] = OWN_RESOLUTION
    if data.get("classes") is None:
        found = max(lists.read_list(path).labels) + 1
        data["classes"] = found if found > 1 else 0  # one class alone is none, as with folders
    return data


def _of_zip(data: dict[str, Any], path: Path) -> dict[str, Any]:
    classes = data.get("classes")
    if data.get("resolution") is None or classes is None:
        from sphere_repro.data.own_archive import OwnArchive  # heavy, and needed here alone

        archive = OwnArchive(path, classes if isinstance(classes, int) else None)
        labels = archive.labels
        found = {"resolution": archive.resolution, "classes": 0 if labels is None else int(labels.max()) + 1}
        data |= {key: value for key, value in found.items() if data.get(key) is None}
    return data

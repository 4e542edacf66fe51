"""What a study leaves unsaid about images of one's own is looked up where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from sphere_repro.data import folder, lists
from sphere_repro.data.sources import OWN_RESOLUTION


def completed(data: dict[str, Any], kind: Literal["folder", "zip"] | str, place: str) -> dict[str, Any]:
    """`data`, the keys of a dataset, with name, resolution and classes filled in.

    Raises:
        UserError: something has to be looked up, and the images are missing or unreadable.
    """
    filled = data | {"name": data.get("name") or folder.own_name(place)}
    if kind == "list":
        return lists.completed(filled)
    path = Path(place).expanduser()
    if kind == "folder":
        if data.get("resolution") is None:
            filled["resolution"] = OWN_RESOLUTION
        if data.get("classes") is None:
            filled["classes"] = len(folder.class_folders(path))
        return filled
    if data.get("resolution") is None or data.get("classes") is None:
        from sphere_repro.data.archive import ImageArchive  # heavy, and needed here alone

        archive = ImageArchive(path)
        labels = archive.labels
        found = {"resolution": archive.resolution, "classes": 0 if labels is None else int(labels.max()) + 1}
        filled |= {key: value for key, value in found.items() if data.get(key) is None}
    return filled

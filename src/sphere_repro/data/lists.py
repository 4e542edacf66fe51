"""Images of one's own as the released code lists them: JSON, one object for each image.

`class_id` counts from 0, `class_name` is for people, `image_path` starts from the list's own folder (or from
`root`) unless `is_absolute_path` is true.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sphere_repro.data import folder
from sphere_repro.data.pictures import Pictures
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.hashes import value_hash

ANY = 1 << 30  # classes: more than there are
NAMED = 5  # faults that a message lists
SHALLOW = 2  # parts of a path, such as /data, that hold too much to be watched whole


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    class_id: int = Field(ge=0, le=1_000_000)
    class_name: str = ""
    image_path: str = Field(min_length=1)
    is_absolute_path: bool = False


_ROWS = TypeAdapter(list[_Row])


@dataclass(frozen=True)
class ImageList:
    """What a list says.

    Attributes:
        root: the folder that relative paths start from.
        names: path of each image, from `root` or absolute, in the list's order.
        labels: the class of each, 0…classes-1.
        class_names: by class; empty where the list names none.
    """

    root: Path
    names: list[str]
    labels: list[int]
    class_names: tuple[str, ...]

    @property
    def paths(self) -> list[Path]:
        return [self.root / name for name in self.names]


def read_list(place: Path, root: Path | None = None, classes: int | None = None) -> ImageList:
    """The list at `place`; whether its images are there is not looked at.

    Args:
        place: the JSON file.
        root: the folder that relative paths start from; default: that of the list.
        classes: how many classes there are; default: as many as the list has, which may then leave none out.

    Raises:
        UserError: it is missing, no such list, empty, gives a class two names, or leaves a class without
            images that `classes` does not allow for.
    """
    place = place.expanduser()
    rows = _rows(place)
    for row in rows:
        if row.is_absolute_path != Path(row.image_path).is_absolute():
            said = str(row.is_absolute_path).lower()
            raise UserError(f"{place}: '{row.image_path}' has is_absolute_path {said}. Correct the list.")
    labels = [row.class_id for row in rows]
    _check_classes(place, labels, classes)
    names = _class_names(place, rows, max(labels) + 1 if classes is None else classes)
    start = place.parent if root is None else root.expanduser()
    return ImageList(start, [row.image_path for row in rows], labels, names)


def images_of_list(place: Path, root: Path | None, classes: int) -> Pictures:
    """The listed images, and the names of their classes. With `classes` 0 they have no labels.

    Raises:
        UserError: as `read_list`, or some of them are not there.
    """
    found = read_list(place, root, classes or None)
    _refuse_missing(place, found)
    if not classes:
        return Pictures(found.root, found.names, None)
    labels = np.array(found.labels, np.int64)
    return Pictures(found.root, found.names, labels, found.class_names or None)


def contents(place: Path, root: Path | None, cache: Path) -> str:
    """SHA-256 over the list and every listed image; unchanged files are read once (`folder.contents`).

    Raises:
        UserError: one of them is not there or cannot be read.
    """
    found = read_list(place, root, ANY)
    _refuse_missing(place, found)
    return value_hash(
        {
            "list": folder.contents(place.expanduser(), cache.with_suffix(".list.json")),
            "images": folder.contents(found.root, cache, found.names),
        }
    )


def at_hand(place: Path, root: Path | None) -> bool:
    """Whether the list and all its images are there.

    Raises:
        UserError: the list is there and is none.
    """
    return place.expanduser().is_file() and not _missing(read_list(place, root, ANY))


def depends_on(place: Path, root: Path | None) -> list[str]:
    """The list and the folders of its images: what DVC has to watch; the list alone where it is not there."""
    places = [place.expanduser()]
    if places[0].is_file():
        folders = sorted({path.absolute().parent for path in read_list(place, root, ANY).paths})
        common = Path(os.path.commonpath(folders))
        watched = [common] if len(common.parts) > SHALLOW else folders
        here = Path.cwd()
        places += [path.relative_to(here) if path.is_relative_to(here) else path for path in watched]
    return [path.as_posix() for path in places]


def _missing(found: ImageList) -> list[Path]:
    return [path for path in found.paths if not path.is_file()]


def _refuse_missing(place: Path, found: ImageList) -> None:
    if missing := _missing(found):
        raise UserError(
            f"{place} lists {len(found.names)} images, but {len(missing)} of them are not there, the first "
            f"at {missing[0]}. Say root: FOLDER if their paths start elsewhere."
        )


def _rows(place: Path) -> list[_Row]:
    if not place.is_file():
        raise UserError(f"The list of images {place} does not exist. Check the path.")
    try:
        rows = _ROWS.validate_python(read_json(place))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"][0].lower() + first["msg"][1:]
        raise UserError(
            f"{place} is no list of images ({where or 'the file'}: {message}). "
            "It is a JSON list of objects with class_id, class_name, image_path, is_absolute_path."
        ) from error
    if not rows:
        raise UserError(f"{place} lists no image.")
    return rows


def _check_classes(place: Path, labels: list[int], classes: int | None) -> None:
    used, count = set(labels), max(labels) + 1
    if classes is not None and count > classes:
        raise UserError(
            f"{place} lists images of class {count - 1}, but the study says classes: {classes}, which are "
            f"numbered 0 to {classes - 1}. Correct the number, or leave it out."
        )
    if classes is None and len(used) < count:
        gaps = [str(label) for label in range(min(count, 10_000)) if label not in used]
        more = f" and {count - len(used) - NAMED} more" if count - len(used) > NAMED else ""
        raise UserError(
            f"{place} lists no image of class {', '.join(gaps[:NAMED])}{more}, but of class {count - 1}. "
            f"Number the classes without gaps, or say classes: {count} if they are meant to be empty."
        )


def _class_names(place: Path, rows: list[_Row], classes: int) -> tuple[str, ...]:
    names: dict[int, str] = {}
    for row in rows:
        known = names.setdefault(row.class_id, row.class_name)
        if known != row.class_name:
            raise UserError(
                f"{place} calls class {row.class_id} both '{known}' and '{row.class_name}'. Correct the list."
            )
    if not any(names.values()):
        return ()
    return tuple(names.get(label, "") for label in range(classes)) if classes < ANY else ()

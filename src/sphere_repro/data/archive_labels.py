"""The labels of an archive, and the names of its classes: `dataset.json`."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphere_repro.data.images import DAMAGE as IMAGE_DAMAGE
from sphere_repro.errors import UserError

LABELS_NAME = "dataset.json"
REMEDY = "Delete the archive and make it again, or fetch an intact copy."

# What zipfile and Pillow raise on damaged bytes, by experiment (tests/data/test_archive.py flips them).
# RuntimeError: "encrypted"; an unknown compression; JSON nested too deep.
DAMAGE = (*IMAGE_DAMAGE, zipfile.BadZipFile)


@dataclass(frozen=True)
class Classes:
    """What an archive says of its classes.

    Attributes:
        labels: int64 (N,), or None where there are no classes.
        names: of the classes, in their order; None where they have none.
    """

    labels: np.ndarray | None
    names: tuple[str, ...] | None = None


def read_classes(path: Path, archive: zipfile.ZipFile, names: list[str]) -> Classes:
    """The classes of the images `names` in the archive `path`.

    Raises:
        UserError: `dataset.json` is missing or malformed, an image lacks a label, a label lacks its image.
    """
    if LABELS_NAME not in archive.NameToInfo:
        raise UserError(f'{path} has no {LABELS_NAME}. Add it: {{"labels": null}} without classes.')
    content = read_content(path, archive, LABELS_NAME)
    if content["labels"] is None:
        return Classes(None)
    found = label_table(path, content["labels"])
    labels = labels_of(path, names, found)
    if len(found) > len(names):
        stray = min(found.keys() - set(names))
        raise UserError(f"{LABELS_NAME} in {path} labels {stray}, which the archive does not hold. {REMEDY}")
    return Classes(labels, class_names(path, content, labels))


def read_content(path: Path, archive: zipfile.ZipFile, entry: str) -> dict[str, Any]:
    """What `dataset.json`, the entry `entry`, says; it has the key `labels`."""
    try:
        content = json.loads(archive.read(entry).decode("utf-8"))
    except DAMAGE as error:
        raise UserError(f"{LABELS_NAME} in {path} is not readable JSON ({why(error)}). {REMEDY}") from error
    if not isinstance(content, dict) or "labels" not in content:
        raise UserError(f"{LABELS_NAME} in {path} has no 'labels'. Write null where there are no classes.")
    return content


def label_table(path: Path, rows: Any) -> dict[str, int]:
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


def labels_of(path: Path, names: list[str], found: dict[str, int]) -> np.ndarray:
    """Labels int64 (N,) of the images `names`, each of which must have one."""
    for name in names:
        if name not in found:
            raise UserError(f"Image {name} in {path} has no label. Add it to {LABELS_NAME}.")
    return np.array([found[name] for name in names], np.int64)


def class_names(path: Path, content: dict[str, Any], labels: np.ndarray) -> tuple[str, ...] | None:
    """Names of the classes, where `dataset.json` has them."""
    names = content.get("class_names")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"'class_names' of {LABELS_NAME} in {path} is no list of names. Correct it.")
    if int(labels.max()) >= len(names):
        raise UserError(
            f"'class_names' of {LABELS_NAME} in {path} has {len(names)} names, but there is a label "
            f"{labels.max()}. Correct it."
        )
    return tuple(names)


def check_classes(path: Path, names: list[str], labels: np.ndarray | None, classes: int) -> None:
    """Complain where the images `names` are no images of `classes` classes."""
    if labels is None:
        raise UserError(f"{path} has no labels, but {classes} classes are expected. Use a labelled archive.")
    if int(labels.max()) >= classes:
        index = int(labels.argmax())
        raise UserError(
            f"Image {names[index]} in {path} has label {labels[index]}, but the last class is "
            f"{classes - 1}. Correct the label, or use the archive that belongs to the model."
        )


def why(error: BaseException) -> str:
    """The reason in `error`, on one line."""
    return " ".join(str(error).split()) or type(error).__name__

"""Figures as the page shows them: picture, caption, the command that makes it, where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.study.catalogue import KINDS


@dataclass(frozen=True)
class Shown:
    """One figure.

    Attributes:
        files: other forms of it and its numbers, by what they are: path relative to the page.
        command: what makes it anew; empty where its path is none that the workflow knows.
        parameters: as JSON.
        inputs: (path, first digits of the SHA-256) of what it was drawn from.
    """

    name: str
    title: str
    caption: str
    picture: str
    width: int
    height: int
    files: Mapping[str, str]
    command: str
    parameters: str
    inputs: tuple[tuple[str, str], ...]
    made: str


OTHER_FORMS = {"figures/{}.pdf": "PDF", "figures/{}.csv": "numbers (CSV)", "pages/{}.html": "page"}


def read_figures(folder: Path, configfile: str) -> list[Shown]:
    """The figures in `folder`, in the order of the catalogue.

    Args:
        folder: where tables and figures lie.
        configfile: the study's file, for the commands; empty for the default study's.

    Raises:
        UserError: a picture has no record, or is damaged.
    """
    found = [_shown(path, folder, configfile) for path in sorted((folder / "figures").glob("*.png"))]
    order = [*KINDS]
    return sorted(found, key=lambda figure: (order.index(_kind(figure.name)), figure.name))


def _kind(name: str) -> str:
    """The kind of a figure by its file's name, the longest that fits."""
    fitting = [kind for kind in KINDS if name == kind or name.startswith(f"{kind}-")]
    if not fitting:
        raise UserError(f"No figure is called '{name}': remove its files, which an older version left.")
    return max(fitting, key=len)


def _shown(picture: Path, folder: Path, configfile: str) -> Shown:
    name = picture.stem
    kind = _kind(name)
    record = read_json(picture.with_suffix(".json"))
    try:
        with Image.open(picture) as image:
            width, height = image.size
        inputs = tuple((each["path"], each["sha256"][:12]) for each in record["inputs"].values())
        made = f"{record['started']}, code {(record['code'].get('commit') or 'unknown')[:12]}"
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{picture} or its record is damaged ({error}). Make it again.") from error
    forms = {words: pattern.format(name) for pattern, words in OTHER_FORMS.items()}
    files = {words: place for words, place in forms.items() if (folder / place).is_file()}
    subject = name.removeprefix(kind).strip("-")
    title = kind.replace("-", " ").capitalize() + (f": {subject}" if subject else "")
    return Shown(
        name,
        title,
        KINDS[kind].caption,
        f"figures/{picture.name}",
        width,
        height,
        files,
        f"snakemake --cores all {picture.as_posix()}" + (f" --configfile {configfile}" if configfile else ""),
        json.dumps(_parameters(record), indent=2),
        inputs,
        made,
    )


def _parameters(record: Mapping[str, Any]) -> Any:
    return record.get("parameters") or {}

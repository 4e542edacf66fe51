"""Image sets of a run, read from the record of the job that drew them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.strict import parse
from sphere_repro.study.image_job import ImagesJob


@dataclass(frozen=True)
class ImageSet:
    """One set.

    Attributes:
        name: e.g. edit-photos.
        images: uint8 (…, H, W, 3), one leading axis for each of `axes`.
        axes: name → what stands along it, in order.
        settings: what the study said.
        measures: what was measured while it was drawn.
        begins_with: names of the images that it begins with.
    """

    name: str
    images: NDArray[np.uint8]
    axes: dict[str, list[Any]]
    settings: dict[str, Any]
    measures: dict[str, Any]
    begins_with: tuple[str, ...] = ()

    @property
    def negatives(self) -> bool:
        """Whether every second input is the negative of the one before it."""
        return bool(self.settings.get("negatives"))


@dataclass(frozen=True)
class RunSets:
    """The image sets of one run.

    Attributes:
        record: its images.json.
        name: of the run.
        kind: sphere, vae.
        dataset: name of the archive that it was trained on.
        sets: their names, in the order of the study.
    """

    record: Path
    name: str
    kind: str
    dataset: str
    sets: tuple[str, ...]

    def of(self, kind: str) -> list[ImageSet]:
        """Its sets of one kind (edit, crossover, interpolation, reconstruction).

        Raises:
            UserError: one is missing, broken or foreign.
        """
        folder = self.record.with_suffix("")
        return [read_set(folder / f"{name}.zip") for name in self.sets if name.startswith(f"{kind}-")]


def read_run(record: str | Path) -> RunSets:
    """Whose sets lie beside `record`, an images.json.

    Raises:
        UserError: it is missing or is no such record.
    """
    record = Path(record)
    about, names = _about(record)
    try:
        job = parse(ImagesJob, about.get("job"), f"{record}: job")
    except UserError as error:
        raise UserError(f"{error}. Draw the sets of the run again.") from error
    return RunSets(record, job.run, job.kind, job.dataset.archive, tuple(_in_order(about, names)))


@contextlib.contextmanager
def complete(run: RunSets) -> Iterator[None]:
    """Tells of what a set of the run lacks, or has in another form, while its measures are read.

    Raises:
        UserError: something is missing.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"A set beside {run.record} lacks something ({error!r}). Draw the sets of the run again."
        ) from error


def _about(record: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a record says, and its sets."""
    about = read_json(record)
    names = about.get("sets") if isinstance(about, dict) else None
    if not isinstance(names, dict):
        raise UserError(f"{record} is no record of image sets. Give the images.json of a run.")
    return about, names


def read_sets(record: str | Path, kind: str) -> list[ImageSet]:
    """The sets of one kind (edit, crossover, interpolation, reconstruction) beside `record`, an images.json.

    Raises:
        UserError: the record, or a set, is missing, broken or foreign, or there is no set of the kind.
    """
    record = Path(record)
    about, names = _about(record)
    found = [name for name in _in_order(about, names) if name.startswith(f"{kind}-")]
    if not found:
        raise UserError(f"{record} has no image set of the kind '{kind}'; it has {', '.join(names)}.")
    return [read_set(record.with_suffix("") / f"{name}.zip") for name in found]


def read_set(path: Path) -> ImageSet:
    """The set whose archive is `path`, with its record beside it.

    Raises:
        UserError: one of them is missing or broken, or they do not fit each other.
    """
    about = read_json(path.with_suffix(".json"))
    try:
        axes = {str(name): list(along) for name, along in about["axes"]}
        settings = about["parameters"]["settings"]
        measures, given = about["measures"], about.get("begins_with", [])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path.with_suffix('.json')} is no record of an image set. Draw the sets of the run again."
        ) from error
    archive = ImageArchive(path)
    shape = [len(along) for along in axes.values()]
    if math.prod(shape) != len(archive):
        raise UserError(
            f"{path} holds {len(archive)} images, but its record speaks of {math.prod(shape)}. Draw the sets "
            "of the run again."
        )
    images = archive.load().reshape(*shape, archive.resolution, archive.resolution, 3)
    return ImageSet(path.stem, images, axes, settings, measures, tuple(given))


def _in_order(about: dict[str, Any], names: dict[str, Any]) -> list[str]:
    """Names in the order of the study, which the keys of JSON lose."""
    job = about.get("job", {})
    kinds = {"edits": "edit", "crossovers": "crossover", "interpolations": "interpolation"}
    kinds |= {"reconstructions": "reconstruction"}
    said = [f"{word}-{each['name']}" for key, word in kinds.items() for each in job.get(key, [])]
    return [name for name in said if name in names] or sorted(names)

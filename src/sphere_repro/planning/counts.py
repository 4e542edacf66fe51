"""How many images a run has, known before its archive is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphere_repro.data.dataset import held_count
from sphere_repro.data.summary import own_count
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.study.config import Run
from sphere_repro.study.places import archive_file, record_of


def prepared(run: Run) -> str:
    """The record of the run's prepared archive, as seen from the study's folder."""
    return record_of(archive_file(run.dataset.archive))


def image_count(run: Run, folder: Path) -> int:
    """Images of a run: as prepared, else those of the table of datasets, or one's own as they lie.

    Args:
        run: whose dataset.
        folder: where `data/` lies.

    Raises:
        UserError: own images cannot be read, or nobody knows before they are prepared.
    """
    dataset, known = run.dataset, _counted(folder / prepared(run))
    if known is None:
        known = dataset.source.images
    if known is None:
        known = own_count(dataset)
    if known is None:
        raise UserError(
            f"How many images '{dataset.name}' has is known only once it is prepared. Run 'sphere-repro "
            f"prepare' with --out {archive_file(dataset.archive)} first."
        )
    return known


def trained_count(run: Run, folder: Path) -> int:
    """Those of a run's images that it is trained on: without the ones held out.

    Raises:
        UserError: as `image_count`.
    """
    images = image_count(run, folder)
    return images - held_count(images, run.dataset.held_out)


def recorded(record: Path) -> dict[str, Any]:
    """A result's record; empty where there is none or it is broken: the job is to be done."""
    try:
        found = read_json(record)
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}


def _counted(record: Path) -> int | None:
    counted = recorded(record).get("images")
    return counted if isinstance(counted, int) else None

"""How many images a run has, known before its archive is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphere_repro.data import folder as own_folder
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.study.config import Run


def prepared(run: Run) -> str:
    """The record of the run's prepared archive, as seen from the study's folder."""
    return f"data/prepared/{run.dataset.archive}.json"


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
    if known is None and dataset.folder is not None:
        place = Path(dataset.folder).expanduser()
        known = len(own_folder.image_files(place, dataset.classes or 0)[0])
    if known is None and dataset.zip is not None:
        from sphere_repro.data.archive import ImageArchive  # heavy, and needed here alone

        known = len(ImageArchive(Path(dataset.zip).expanduser()))
    if known is None:
        raise UserError(
            f"How many images '{dataset.name}' has is known only once it is prepared. Run 'sphere-repro "
            f"prepare' with --out data/prepared/{dataset.archive}.zip first."
        )
    return known


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

"""What a study takes from outside, own images and released checkpoints: where it lies, and its content."""

from __future__ import annotations

from pathlib import Path

from sphere_repro.data.prepare import planned_content
from sphere_repro.models import released
from sphere_repro.study.config import Study
from sphere_repro.study.files import PREPARED, Outside, Places, record_of


def outside(study: Study, folder: Path = Path()) -> Outside:
    """The contents, looked up where they lie, or else in the records of what was made of them.

    Args:
        study: whose.
        folder: where `data/` and `results/` lie.

    Raises:
        UserError: own images or a checkpoint are broken.
    """
    places = Places(study.study)
    images = {
        run.dataset.archive: planned_content(run.dataset, folder / PREPARED) for run in study.runs.values()
    }
    checkpoints = {
        name: released.planned_content(Path(run.released), folder / record_of(places.model(name)))
        for name, run in study.runs.items()
        if run.released
    }
    return Outside(images, checkpoints)


def outside_paths(study: Study) -> list[str]:
    """Folders and files from outside that the study's jobs depend on, each once."""
    found: list[str] = []
    for run in study.runs.values():
        place = run.dataset.folder or run.dataset.zip
        if place is not None:
            found.append(Path(place).expanduser().as_posix())
        if run.released is not None:
            place = Path(run.released)
            found += [released.weights(place).as_posix(), released.configuration(place).as_posix()]
    return list(dict.fromkeys(found))

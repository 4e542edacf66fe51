"""What a study takes from outside (images, released checkpoints, statistics): where it lies, its content."""

from __future__ import annotations

from pathlib import Path

from sphere_repro.data import hub, lists
from sphere_repro.data.prepare import planned_content
from sphere_repro.errors import UserError
from sphere_repro.metrics import given
from sphere_repro.models import located, released
from sphere_repro.sampling import given_images
from sphere_repro.strict import differences
from sphere_repro.study.config import Run, Study
from sphere_repro.study.files import Outside
from sphere_repro.study.image_sets import Inputs
from sphere_repro.study.init_from import is_place
from sphere_repro.study.places import PREPARED, Places, record_of

NAMED = 4  # missing files that a message lists


def outside(study: Study, folder: Path = Path()) -> Outside:
    """The contents, looked up where they lie, or else in the records of what was made of them.

    Args:
        study: whose.
        folder: where `data/` and `results/` lie.

    Raises:
        UserError: own images, a checkpoint or statistics cannot be read.
    """
    places = Places(study.study)
    images = {
        run.dataset.archive: planned_content(run.dataset, folder / PREPARED) for run in study.runs.values()
    }
    checkpoints = {
        name: released.planned_content(Path(run.released), folder / record_of(places.model(name)))
        for name, run in study.runs.items()
        if run.released
    } | {
        name: hub.planned_content(run.model.pretrained.place, folder / record_of(places.model(name)))
        for name, run in study.runs.items()
        if run.model.kind == "pretrained-vae" and run.model.pretrained.local
    }
    references = {
        run.dataset.archive: given.planned_content(Path(place), folder / _reference_record(study, run))
        for run in study.runs.values()
        if (place := study.score.reference_of(run.dataset.name)) is not None
    }
    inputs = {
        place: given_images.planned_content(Path(place), folder / record_of(places.images(name)))
        for name, run in study.runs.items()
        for place in _own_inputs(run)
    }
    beginnings = {name: beginning(study, name, folder) for name in study.runs}
    return Outside(images, checkpoints, references, inputs, beginnings)


def beginning(study: Study, name: str, folder: Path = Path()) -> str | None:
    """Content of the model from elsewhere that run `name` starts from; None where there is none, or not here.

    Raises:
        UserError: it cannot be read.
    """
    place = study.runs[name].init_from
    if place is None or not is_place(place):
        return None
    return located.planned_content(Path(place), folder / record_of(Places(study.study).model(name)))


def outside_paths(study: Study) -> list[str]:
    """Folders and files from outside that the study's jobs depend on, each once."""
    found: list[str] = []
    for run in study.runs.values():
        dataset = run.dataset
        if dataset.list is not None:
            found += lists.depends_on(Path(dataset.list), dataset.list_root)
        elif (place := dataset.folder or dataset.zip) is not None:
            found.append(Path(place).expanduser().as_posix())
        if run.released is not None:
            checkpoint = Path(run.released)
            files = (released.weights(checkpoint), released.configuration(checkpoint))
            found += [path.as_posix() for path in files]
        if run.init_from is not None and is_place(run.init_from):
            found += [path.as_posix() for path in located.expected_files(Path(run.init_from))]
        if run.model.kind == "pretrained-vae" and run.model.pretrained.local:
            found.append(run.model.pretrained.place.as_posix())
        reference = study.score.reference_of(run.dataset.name)
        if reference is not None:
            found.append(Path(reference).expanduser().as_posix())
        found += [Path(place).expanduser().as_posix() for place in _own_inputs(run)]
    return list(dict.fromkeys(found))


def refuse_missing(study: Study, folder: Path = Path()) -> None:
    """Say which released checkpoints, statistics, models and images to begin with are needed and not there.

    So is a model of another architecture than that of the run which starts from it.

    What was made of them once is enough: a clone without them has nothing to do.

    Raises:
        UserError: one is missing, and so is what is made of it.
    """
    faults: dict[str, None] = {}
    for name, run in study.runs.items():
        made = folder / Places(study.study).model(name)
        is_made = made.exists() or (folder / record_of(str(made))).exists()
        if run.released is not None and not is_made:
            fault = released.missing(Path(run.released))
            faults |= {f"runs.{name}.released: {fault}": None} if fault else {}
        if run.init_from is not None and is_place(run.init_from) and not is_made:
            fault = _unfit(run, Path(run.init_from))
            faults |= {f"runs.{name}.init_from: {fault}": None} if fault else {}
        if run.model.kind == "pretrained-vae" and run.model.pretrained.local and not is_made:
            fault = hub.missing(run.model.pretrained.place)
            faults |= {f"runs.{name}.model.source: {run.model.source}: {fault}": None} if fault else {}
        reference = study.score.reference_of(run.dataset.name)
        if reference is not None and not (folder / _reference_record(study, run)).exists():
            place = Path(reference).expanduser()
            faults |= {} if place.is_file() else {f"score.reference: {place} does not exist": None}
        if not (folder / record_of(Places(study.study).images(name))).exists():
            places = [Path(place).expanduser() for place in _own_inputs(run)]
            lost = [place for place in places if not place.exists()]
            faults |= {f"runs.{name}.sampling: {place} does not exist": None for place in lost}
    if faults:
        told = list(faults)
        more = f"; and {len(told) - NAMED} more" if len(told) > NAMED else ""
        raise UserError(f"{'; '.join(told[:NAMED])}{more}. Put the files there, or correct the study.")


def _unfit(run: Run, place: Path) -> str:
    """Why the run cannot start from the model at `place`, as far as its head tells; empty where it can."""
    if fault := located.missing(place):
        return fault
    theirs = located.architecture(place)
    differ = differences(theirs, run.architecture.model_dump()) if theirs is not None else ""
    return f"{place} is another model: {differ}" if differ else ""


def _own_inputs(run: Run) -> list[str]:
    """Places of one's own images that the run's image sets begin with, each once."""
    sets = run.sampling.image_sets
    return list(dict.fromkeys(each.inputs for each in sets if isinstance(each, Inputs) and each.inputs))


def _reference_record(study: Study, run: Run) -> str:
    return record_of(Places(study.study).reference(run.dataset.archive, study.score.extractor))

"""Runs that are not trained: their model file is made of the authors' checkpoint.

A study names a file (`.pth` or `.safetensors`) with its configuration beside it, or the folder of one
training in the released code's layout: `cfg.json`, and `ckpt/latest.pth`, mostly a link to `ckpt/ep0099.pth`.
"""

from __future__ import annotations

from pathlib import Path

from sphere_repro.data import folder
from sphere_repro.errors import UserError
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.provenance.integrity import recorded_content
from sphere_repro.strict import differences
from sphere_repro.study.jobs import ReleasedJob

CONTENTS = Path(".state/contents")
SUFFIXES = (".pth", ".safetensors")
CONFIG, CHECKPOINTS = "cfg.json", "ckpt"  # names in a folder of the released layout
LATEST = tuple(f"latest{suffix}" for suffix in SUFFIXES)


def weights(place: Path) -> Path:
    """The file of weights at `place`, there or not: itself, or the latest of a folder."""
    place = place.expanduser()
    if not _is_folder(place):
        return place
    found = [place / CHECKPOINTS / name for name in LATEST]
    return next((path for path in found if path.is_file()), found[0])


def configuration(place: Path) -> Path:
    """The configuration of the checkpoint at `place`, there or not.

    That of a folder is its `cfg.json`; that of a file has the file's name and the suffix `.json`, or else is
    the `cfg.json` beside it, or over the folder `ckpt` that the file lies in.
    """
    place = place.expanduser()
    if _is_folder(place):
        return place / CONFIG
    named = place.with_suffix(".json")
    others = [place.with_name(CONFIG)]
    if place.parent.name == CHECKPOINTS:
        others.append(place.parent.parent / CONFIG)
    return next((path for path in (named, *others) if path.is_file()), named)


def missing(place: Path) -> str:
    """What of the checkpoint at `place` is not there, in words; empty where all of it is."""
    if place.expanduser().is_file() and place.suffix not in SUFFIXES:
        return f"{place} is neither a folder nor a file that ends in {' or '.join(SUFFIXES)}"
    for path in (weights(place), configuration(place)):
        if path.is_symlink() and not path.exists():
            return f"{path} is a link to {path.readlink()}, which does not exist"
        if not path.is_file():
            return f"{path} does not exist"
    return ""


def content(place: Path, cache: Path = CONTENTS) -> str:
    """SHA-256 over a checkpoint and its configuration; unchanged files are read once (`folder.contents`).

    Raises:
        UserError: one of them is missing or cannot be read.
    """
    if fault := missing(place):
        raise UserError(
            f"The released checkpoint {place} cannot be scored: {fault}. Put the authors' checkpoint at "
            f"{weights(place)} and its configuration at {configuration(place)}."
        )
    files = (weights(place), configuration(place))
    parts = {
        path.name: folder.contents(path, cache / f"released-{value_hash(str(path))[:16]}.json")
        for path in files
    }
    return value_hash(parts)


def planned_content(place: Path, record: Path) -> str | None:
    """`content` for the workflow; where the checkpoint is not at hand, that of the model made of it.

    Args:
        place: the checkpoint, or its folder.
        record: the model's `model.json`.
    """
    if not missing(place):
        return content(place)
    return recorded_content(record)


def import_run(job: ReleasedJob, out: Path) -> dict[str, Path]:
    """Write the model file of a run that is not trained; return the files that it was made of, by name.

    Raises:
        UserError: the checkpoint or its configuration is missing, broken, has changed since the work was
            planned, or is of another architecture or noise angle than the run.
    """
    from sphere_repro.models.released_config import released_settings
    from sphere_repro.models.released_state import import_released

    place = Path(job.released)
    found = content(place)
    if job.content is not None and found != job.content:
        raise UserError(f"{place} has changed while the workflow ran. Run it again.")
    checkpoint, config = weights(place), configuration(place)
    shape, angle = released_settings(config)
    theirs = {**shape.model_dump(), "alpha_max": angle}
    ours = {**job.architecture.model_dump(), "alpha_max": job.alpha_max}
    if differ := differences(theirs, ours):
        raise UserError(
            f"{config} contradicts run '{job.run}': {differ}. Correct the run in the study, or "
            f"put the checkpoint that belongs to it at {place}."
        )
    import_released(checkpoint, config, out)
    return {"checkpoint": checkpoint, "configuration": config}


def _is_folder(place: Path) -> bool:
    """Whether `place` is a folder, or would be one by its name."""
    return place.is_dir() or (place.suffix not in SUFFIXES and not place.is_file())

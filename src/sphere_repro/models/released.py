"""Runs that are not trained: their model file is made of the authors' checkpoint."""

from __future__ import annotations

from pathlib import Path

from sphere_repro.data import folder
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.study.jobs import ReleasedJob

CONTENTS = Path(".state/contents")


def configuration(checkpoint: Path) -> Path:
    """The configuration of a released checkpoint: the file beside it."""
    return checkpoint.with_suffix(".json")


def content(checkpoint: Path, cache: Path = CONTENTS) -> str:
    """SHA-256 over a checkpoint and its configuration; unchanged files are read once (`folder.contents`).

    Raises:
        UserError: one of them is missing or cannot be read.
    """
    parts = {}
    for path in (checkpoint, configuration(checkpoint)):
        if not path.is_file():
            raise UserError(
                f"The released checkpoint {checkpoint} cannot be scored: {path} does not exist. Put the "
                f"authors' checkpoint at {checkpoint} and its configuration at {configuration(checkpoint)}."
            )
        parts[path.name] = folder.contents(path, cache / f"released-{value_hash(str(path))[:16]}.json")
    return value_hash(parts)


def planned_content(checkpoint: Path, record: Path) -> str | None:
    """`content` for the workflow; where the checkpoint is not at hand, that of the model made of it.

    Args:
        checkpoint: the `.pth`.
        record: the model's `model.json`.
    """
    if checkpoint.is_file() and configuration(checkpoint).is_file():
        return content(checkpoint)
    try:
        found = read_json(record)["job"]["content"]
    except (UserError, KeyError, TypeError):
        return None
    return str(found)


def import_run(job: ReleasedJob, out: Path) -> dict[str, Path]:
    """Write the model file of a run that is not trained; return the files that it was made of, by name.

    Raises:
        UserError: the checkpoint or its configuration is missing, broken, has changed since the work was
            planned, or is of another architecture or noise angle than the run.
    """
    from sphere_repro.models.checkpoint import import_released, released_settings

    checkpoint = Path(job.released)
    config = configuration(checkpoint)
    found = content(checkpoint)
    if job.content is not None and found != job.content:
        raise UserError(f"{checkpoint} has changed while the workflow ran. Run it again.")
    shape, angle = released_settings(config)
    theirs = {**shape.model_dump(), "alpha_max": angle}
    ours = {**job.architecture.model_dump(), "alpha_max": job.alpha_max}
    differ = [
        f"{key} is {theirs[key]} there, but {ours[key]} here" for key in ours if theirs[key] != ours[key]
    ]
    if differ:
        raise UserError(
            f"{config} contradicts run '{job.run}': {'; '.join(differ)}. Correct the run in the study, or "
            f"put the checkpoint that belongs to it at {checkpoint}."
        )
    import_released(checkpoint, config, out)
    return {"checkpoint": checkpoint, "configuration": config}

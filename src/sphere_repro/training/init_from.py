"""A training that starts from another model's weights: of a run, a model file, or a released checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from sphere_repro.errors import UserError
from sphere_repro.models import located
from sphere_repro.models.checkpoint import NoWeightsError
from sphere_repro.sampling.opened import open_model
from sphere_repro.strict import differences
from sphere_repro.study.init_from import InitFrom
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.replicates import run_of
from sphere_repro.training.state import State, initial_state


def begun_from(start: InitFrom | None) -> dict[str, Path]:
    """The files of the model that a training starts from, by the names that records give them.

    Raises:
        UserError: there is none.
    """
    if start is None:
        return {}
    names = {"model": "init", "checkpoint": "init", "configuration": "init_configuration"}
    return {names[name]: path for name, path in located.model_files(Path(start.path)).items()}


def content(start: InitFrom) -> str:
    """Hash of that model, which is part of the training's identity.

    Raises:
        UserError: there is none, or it is not the one that the work was planned with.
    """
    found = located.content(Path(start.path))
    if start.content is not None and found != start.content:
        raise UserError(f"{start.path} has changed while the workflow ran. Run it again.")
    return found


def begun_state(job: TrainJob, device: torch.device) -> State:
    """The state before the first step: with drawn weights, or with those of the model that `job` names.

    Of that model the raw weights are taken. Their average starts from them, and the optimizer and the
    schedule from nothing.

    Raises:
        UserError: there is no such model, it is broken or of another architecture, or has no raw weights.
    """
    start = job.init_from
    if start is None:
        return initial_state(job, device)
    where = f"runs.{run_of(job.run)}.init_from"
    try:
        model = open_model(Path(start.path), "raw", torch.device("cpu")).checkpoint.model
    except NoWeightsError as error:
        raise UserError(
            f"{where}: {start.path} holds averaged weights only. Take a model with raw ones."
        ) from error
    if differ := differences(model.shape.model_dump(), job.architecture.model_dump()):
        raise UserError(
            f"{where}: {start.path} is another model: {differ}. Correct the run, or take another."
        )
    return initial_state(job, device, model.state_dict())


def sentence(start: InitFrom, run: str) -> str:
    """What a training says that does not start from drawn weights."""
    origin = f"run {start.run} ({start.path})" if start.run else start.path
    return f"{run} starts from the raw weights of {origin}; optimizer, average and schedule start anew."

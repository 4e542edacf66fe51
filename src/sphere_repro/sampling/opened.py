"""Any model by the place where it lies: a model file, a finished run's folder, or a released checkpoint."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from sphere_repro.data.dataset import Dataset
from sphere_repro.data.parts import Form
from sphere_repro.data.resizing import default_resize
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.models.checkpoint import Checkpoint, Weights, load_model
from sphere_repro.models.located import IN_RUN, model_files
from sphere_repro.models.released_state import import_released
from sphere_repro.strict import parse


@dataclass(frozen=True)
class Opened:
    """A model, its files by name, and how images are prepared for it.

    `guessed` says in words what about the preparation is not known but assumed; empty where it is known.
    """

    checkpoint: Checkpoint
    files: dict[str, Path]
    form: Form
    guessed: str = ""


def open_model(place: Path, weights: Weights, device: torch.device) -> Opened:
    """Read the model at `place`.

    Raises:
        UserError: there is none, it is broken, or it lacks the asked weights.
    """
    files = model_files(place)
    if "model" not in files:
        return _released(files, weights, device)
    path = files["model"]
    checkpoint = load_model(path, weights, device)
    known = _recorded_form(path, checkpoint.model.shape.image_size)
    return Opened(checkpoint, files, *(known or _assumed(checkpoint)))


def _released(files: dict[str, Path], weights: Weights, device: torch.device) -> Opened:
    """Converted into a temporary model file, so that it is read as strictly as on its import."""
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / IN_RUN
        import_released(files["checkpoint"], files["configuration"], converted)
        checkpoint = load_model(converted, weights, device)
    return Opened(checkpoint, files, *_assumed(checkpoint))


def _recorded_form(model: Path, pixels: int) -> tuple[Form] | None:
    """As the run's dataset was prepared, where the record beside the model says it."""
    try:
        record = read_json(model.with_suffix(".json"))
        dataset = parse(Dataset, record["job"]["dataset"], "the model's record")
    except (UserError, KeyError, TypeError, json.JSONDecodeError):
        return None
    return (Form(pixels, dataset.stored, dataset.resize),)


def _assumed(checkpoint: Checkpoint) -> tuple[Form, str]:
    pixels = checkpoint.model.shape.image_size
    said = f"no record says how its training images were resized: {default_resize(pixels)}, as released"
    return Form(pixels), said

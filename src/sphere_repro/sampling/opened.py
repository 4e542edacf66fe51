"""Any model by the place where it lies: a model file, a finished run's folder, or a released checkpoint."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from sphere_repro.data.dataset import Dataset
from sphere_repro.data.parts import Form
from sphere_repro.data.resizing import default_resize
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.models import released
from sphere_repro.models.checkpoint import Checkpoint, Weights, load_model
from sphere_repro.models.released_config import ReleasedConfig
from sphere_repro.models.released_state import import_released
from sphere_repro.strict import parse

IN_RUN = "model.safetensors"
REQUIRED = {name for name, field in ReleasedConfig.model_fields.items() if field.is_required()}


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
    path = place.expanduser()
    path = path / IN_RUN if (path / IN_RUN).is_file() else path
    if not path.exists():
        raise UserError(
            f"{place} does not exist. Train the run first, or give a model file, a run's folder or released "
            "weights."
        )
    if path.is_dir() or (not _is_ours(path) and _has_released_configuration(path)):
        return _released(path, weights, device)
    checkpoint = load_model(path, weights, device)
    known = _recorded_form(path, checkpoint.model.shape.image_size)
    return Opened(checkpoint, {"model": path}, *(known or _assumed(checkpoint)))


def _released(place: Path, weights: Weights, device: torch.device) -> Opened:
    """Converted into a temporary model file, so that it is read as strictly as on its import."""
    if fault := released.missing(place):
        raise UserError(f"{place} is neither a finished run nor a released checkpoint: {fault}.")
    files = {"checkpoint": released.weights(place), "configuration": released.configuration(place)}
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / IN_RUN
        import_released(files["checkpoint"], files["configuration"], converted)
        checkpoint = load_model(converted, weights, device)
    return Opened(checkpoint, files, *_assumed(checkpoint))


def _is_ours(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return "sphere-repro" in (file.metadata() or {})
    except (SafetensorError, ValueError, OSError):
        return False


def _has_released_configuration(path: Path) -> bool:
    """A damaged file of ours has a JSON beside it as well: its record."""
    try:
        found = read_json(released.configuration(path))
    except UserError:
        return False
    return isinstance(found, dict) and not REQUIRED.isdisjoint(found)


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

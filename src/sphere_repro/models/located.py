"""Where a model lies, and its content: a model file of ours, a run's folder, a released checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.models import released
from sphere_repro.models.released_config import ReleasedConfig, released_settings
from sphere_repro.provenance.stamps import known_hash

IN_RUN = "model.safetensors"
REQUIRED = {name for name, field in ReleasedConfig.model_fields.items() if field.is_required()}


def missing(place: Path) -> str:
    """What of the model at `place` is not there, in words; empty where all of it is."""
    path = _resolved(place)
    if not path.exists():
        return f"{place} does not exist"
    if _is_released(path) and (fault := released.missing(path)):
        return f"{place} is neither a finished run nor a released checkpoint: {fault}"
    return ""


def model_files(place: Path) -> dict[str, Path]:
    """The files of the model at `place` by name.

    Returns:
        `model`, a model file of ours, or `checkpoint` and `configuration`, those of a released one.

    Raises:
        UserError: there is none.
    """
    if fault := missing(place):
        more = "" if "neither" in fault else (
            " Train the run first, or give a model file, a run's folder or released weights."
        )  # fmt: skip
        raise UserError(f"{fault}.{more}")
    path = _resolved(place)
    if _is_released(path):
        return {"checkpoint": released.weights(path), "configuration": released.configuration(path)}
    return {"model": path}


def expected_files(place: Path) -> list[Path]:
    """The same files, there or not."""
    path = _resolved(place)
    if path.exists() and not _is_released(path):
        return [path]
    if not path.exists() and path.suffix == ".safetensors":  # ours, unless a configuration says otherwise
        return [path]
    return [released.weights(path), released.configuration(path)]


def content(place: Path) -> str:
    """SHA-256 of the model at `place`; of a released one, over the checkpoint and its configuration.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    files = model_files(place)
    return known_hash(files["model"]) if "model" in files else released.content(_resolved(place))


def planned_content(place: Path, record: Path) -> str | None:
    """`content` for the workflow; where the model is not at hand, that of the training that started from it.

    Args:
        place: of the model.
        record: of the model that was trained from it.
    """
    if not missing(place):
        return content(place)
    try:
        found = read_json(record)["job"]["init_from"]["content"]
    except (UserError, KeyError, TypeError):
        return None
    return None if found is None else str(found)


def architecture(place: Path) -> dict[str, Any] | None:
    """Fields of the model's `Architecture`, read from its file's head or its configuration alone.

    Returns:
        None where the file does not say, which whoever loads it will complain of.

    Raises:
        UserError: there is no model, or its configuration is of one that cannot be imported.
    """
    files = model_files(place)
    if "model" not in files:
        return released_settings(files["configuration"])[0].model_dump()
    about = _about(files["model"])
    found = about.get("architecture") if isinstance(about, dict) else None
    return found if isinstance(found, dict) else None


def _resolved(place: Path) -> Path:
    path = place.expanduser()
    return path / IN_RUN if (path / IN_RUN).is_file() else path


def _is_released(path: Path) -> bool:
    return path.is_dir() or (_about(path) is None and _has_released_configuration(path))


def _about(path: Path) -> Any:
    """What a model file of ours says of itself; None of another file."""
    try:
        with safe_open(path, framework="np", device="cpu") as file:
            said = (file.metadata() or {}).get("sphere-repro")
        return None if said is None else json.loads(said)
    except (SafetensorError, ValueError, RecursionError, OSError):
        return None


def _has_released_configuration(path: Path) -> bool:
    """A damaged file of ours has a JSON beside it as well: its record."""
    try:
        found = read_json(released.configuration(path))
    except UserError:
        return False
    return isinstance(found, dict) and not REQUIRED.isdisjoint(found)

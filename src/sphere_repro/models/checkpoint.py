"""Model files: a finished model is one safetensors file, a half-trained one a resumable state."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sphere_repro.errors import UserError
from sphere_repro.machine.devices import out_of_memory
from sphere_repro.machine.files import atomic_output
from sphere_repro.models.autoencoder import AnyAutoencoder, build
from sphere_repro.models.pretrained import PretrainedShape, PretrainedVae
from sphere_repro.strict import parse
from sphere_repro.study.architecture import Architecture

FORMAT = "sphere-repro model 1"
NAMED = 4  # faults that a message lists
Weights = Literal["raw", "ema"]


@dataclass(frozen=True)
class Checkpoint:
    """A finished model and what it was trained for."""

    model: AnyAutoencoder
    alpha_max: float
    """Largest noise angle in degrees; 0 for a model without noise."""
    class_names: tuple[str, ...] | None = None
    """Names of the classes in their order, where they have names."""


def save_model(
    path: Path,
    raw: dict[str, Tensor],
    ema: dict[str, Tensor] | None,
    shape: Architecture | PretrainedShape,
    alpha: float,
    class_names: tuple[str, ...] | None = None,
) -> None:
    """Write a model file: `raw.NAME` and, where there is one, `ema.NAME` tensors, and the architecture."""
    # clone: the format refuses tensors that share memory, as the position tables of both kinds do
    tensors = {f"raw.{name}": tensor.clone().contiguous() for name, tensor in raw.items()}
    if ema is not None:
        tensors |= {f"ema.{name}": tensor.clone().contiguous() for name, tensor in ema.items()}
    about = {"format": FORMAT, "architecture": shape.model_dump(), "alpha_max": alpha}
    if class_names and len(class_names) == shape.classes:  # an unconditional model knows no classes
        about["class_names"] = list(class_names)
    with atomic_output(path) as temporary:
        save_file(tensors, temporary, metadata={"sphere-repro": json.dumps(about, sort_keys=True)})


def load_model(path: str | Path, weights: Weights = "raw", device: torch.device | str = "cpu") -> Checkpoint:
    """Read a model file strictly; the model is in evaluation mode.

    Raises:
        UserError: the file is missing, truncated, foreign, or lacks the asked weights or a part of them.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"Checkpoint {path} does not exist. Train the run first, or check the path.")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            about = json.loads((file.metadata() or {}).get("sphere-repro", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(f"{weights}.")}  # noqa: SIM118
    except (SafetensorError, ValueError, RecursionError, OSError) as error:
        raise UserError(
            f"Checkpoint {path} is truncated or not a safetensors file ({error}). Delete it and train again, "
            "or restore it with dvc checkout; a released .pth is converted by 'sphere-repro import-released'."
        ) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UserError(
            f"Checkpoint {path} was not written by sphere-repro. Released ones (.pth) are converted by "
            "'sphere-repro import-released'."
        )
    if not tensors:
        raise NoWeightsError(
            f"Checkpoint {path} holds no {weights} weights. Set sampling.weights or --weights to the other."
        )
    state = {name.removeprefix(f"{weights}."): tensor for name, tensor in tensors.items()}
    model = build_with(state, about.get("architecture"), f"Checkpoint {path}")
    angle = _angle(about.get("alpha_max"), f"Checkpoint {path}")
    names = _names(about.get("class_names"), model.shape.classes, f"Checkpoint {path}")
    return Checkpoint(model.to(device).eval().requires_grad_(False), angle, names)


def read_class_names(path: Path) -> list[str] | None:
    """Names of the classes of a model file of ours, in their order; None where they have none."""
    with safe_open(path, framework="pt", device="cpu") as file:
        about = json.loads((file.metadata() or {}).get("sphere-repro", "{}"))
    names: list[str] | None = about.get("class_names")
    return names


def _names(value: object, classes: int, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    known = isinstance(value, list) and all(isinstance(name, str) for name in value)
    if not isinstance(value, list) or not known or len(value) != classes:
        raise UserError(f"{where} has {classes} classes, but no list of as many names. Make it again.")
    return tuple(value)


def build_with(state: dict[str, Tensor], shape: object, where: str) -> AnyAutoencoder:
    """The model of `shape` (an `Architecture` or fields of a shape) with exactly the weights `state`.

    Raises:
        UserError: the fields are no architecture; a tensor is missing, unexpected, of another shape, of whole
            numbers, or not finite.
    """
    if not isinstance(shape, Architecture | dict):
        raise UserError(f"{where} does not say which architecture it has. Make it again.")
    made = _maker(shape, f"{where}: architecture")
    try:
        with torch.device("meta"):  # allocates nothing: a wrong size costs no memory
            empty = made()
            wanted = empty.state_dict()
    except RuntimeError as error:
        raise UserError(f"{where} has an impossible architecture ({error}). Make it again.") from error
    fault = _misfit(state, wanted)
    if fault:
        raise UserError(
            f"{where} does not fit its configuration: {fault}. Use the file and configuration "
            "that belong together."
        )
    if isinstance(
        empty, PretrainedVae
    ):  # made of nothing, as diffusers draws weights that are not wanted here
        empty.load_state_dict(state, strict=True, assign=True)
        return empty
    model = made()
    model.load_state_dict(state, strict=True)
    return model


def _maker(shape: Architecture | dict[str, Any], where: str) -> Callable[[], AnyAutoencoder]:
    """What makes an empty model of `shape`."""
    if isinstance(shape, dict) and shape.get("kind") == "pretrained-vae":
        return functools.partial(PretrainedVae, parse(PretrainedShape, shape, where))
    return functools.partial(build, parse(Architecture, shape, where))


def _misfit(found: Mapping[str, object], wanted: Mapping[str, Tensor]) -> str:
    """What is wrong with the tensors `found`, in words; nothing where they can stand for `wanted`."""
    faults = [f"it lacks {name}" for name in wanted if name not in found]
    faults += [f"{name} is unknown" for name in found if name not in wanted]
    for name in wanted.keys() & found.keys():
        tensor, shape = found[name], tuple(wanted[name].shape)
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or not tensor.is_floating_point():
            faults.append(f"{name} is not a tensor of real numbers")
        elif tuple(tensor.shape) != shape:
            faults.append(f"{name} has shape {tuple(tensor.shape)} instead of {shape}")
        elif not tensor.isfinite().all():
            faults.append(f"{name} holds numbers that are not finite")
    more = f", and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return ", ".join(sorted(faults)[:NAMED]) + more


def _angle(value: object, where: str) -> float:
    """An angle in [0, 90) degrees."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 90:
        raise UserError(
            f"{where} has the noise angle {value!r:.40}, not a number from 0 to 90 degrees. "
            "Correct it, or make the file again."
        )
    return float(value)


class NoWeightsError(UserError):
    """A model file that has not the kind of weights that was asked for."""


class DamagedFileError(UserError):
    """A file that is there and can be read, but is not what it should be."""


def read_pickle(path: Path, what: str) -> dict[str, Any]:
    """A dictionary saved by torch, read without running pickled code.

    Raises:
        UserError: the file is missing or cannot be read; as `DamagedFileError`, it is broken, holds code, or
            is no dictionary.
    """
    if not path.is_file():
        raise UserError(f"The {what} {path} does not exist. Check the path.")
    try:
        # an open file: torch would read a name that ends in .safetensors in another way
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"The {what} {path} cannot be read ({error.strerror}). Check the path.") from error
    except Exception as error:  # what torch raises on damaged bytes has no common base
        if out_of_memory(error):
            raise
        raise DamagedFileError(
            f"The {what} {path} is truncated, not a torch file, or holds pickled code, which is never run. "
            "Get it again from where it came."
        ) from error
    if not isinstance(loaded, dict):
        raise DamagedFileError(
            f"The {what} {path} holds a {type(loaded).__name__}, not a dictionary. Check the path."
        )
    return loaded

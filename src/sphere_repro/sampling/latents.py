"""The file that `draw.encode_set` writes: latents of training images, with labels and pixels of the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.errors import UserError
from sphere_repro.study.scoring import FEWEST, Uniformity

NOISED = ("alpha_max", "angle_full", "angle_any", "shown_angle", "shown")  # arrays of `noising.noised`
KINDS = {"latents": "f", "labels": "iu", "pixels": "f"}  # NumPy's letters: real numbers, whole numbers


@dataclass(frozen=True)
class Latents:
    """Arrays of n images."""

    path: Path
    latents: NDArray[np.floating[Any]]
    """(n, L) points of the sphere, draws from a VAE's posterior, or codes of a plain autoencoder."""
    labels: NDArray[np.integer[Any]]
    """(n,), 0…classes-1; zeros where there are no classes."""
    pixels: NDArray[np.floating[Any]]
    """(n, 3·H²) in [-1, 1]."""
    class_names: tuple[str, ...] | None = None
    """Of the classes in their order, where they have names."""


def read_latents(path: Path, settings: Uniformity, classes: int) -> Latents:
    """Read a latents file, of at most as many rows as `settings` say and labels below `classes` (0: any).

    Raises:
        UserError: the file is missing, broken or foreign, or was encoded for another study or dataset.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in KINDS}
            names = tuple(map(str, stored["class_names"])) if "class_names" in stored else None
    except FileNotFoundError as error:
        raise UserError(f"Latents {path} do not exist. Encode the training images first.") from error
    except Exception as error:  # a damaged zip raises one of many unrelated errors
        missing = f"'{error.args[0].split()[0]}'" if isinstance(error, KeyError) else "of latents"
        raise UserError(f"{path} holds no readable array {missing}. Delete it and make it again.") from error
    for name, array in arrays.items():
        _check(path, name, array)
    found = Latents(path, **arrays, class_names=names)
    rows = len(found.latents)
    if not rows == len(found.labels) == len(found.pixels):
        raise UserError(
            f"The arrays of {path} have different lengths: {rows} latents, {len(found.labels)} labels, "
            f"{len(found.pixels)} pixels. Delete it and make it again."
        )
    most = settings.count + _added(found.labels, settings.per_class)
    if rows > most:
        raise UserError(
            f"{path} holds {rows} latents, but this job examines {most} (uniformity.count, per_class). "
            "Encode the training images again, as this study says."
        )
    wrong = found.labels[(found.labels < 0) | (found.labels >= (classes or np.inf))]
    if len(wrong):
        raise UserError(
            f"{path} holds label {wrong[0]}, but this job has {classes} classes. Use the latents of its "
            "dataset, or make them again."
        )
    return found


def read_noised(path: Path, alpha_max: float) -> dict[str, NDArray[Any]]:
    """What noise up to the angle `alpha_max` (degrees) does to the latents in a file (`noising.noised`).

    Raises:
        UserError: the file says nothing of it, or was made for another angle.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in NOISED}
    except Exception as error:  # a damaged zip raises one of many unrelated errors
        raise UserError(
            f"{path} does not say which noise angles its latents reach: it was made by an older version, or "
            "of a model without noise. Delete it and encode the run's images again."
        ) from error
    if float(found["alpha_max"]) != alpha_max:
        raise UserError(
            f"{path} was made for noise of {float(found['alpha_max']):g}°, but this job asks for "
            f"{alpha_max:g}°. Encode the training images again, as this study says."
        )
    return found


def _added(labels: NDArray[np.integer[Any]], per_class: int) -> int:
    """How many rows may come on top: those of classes that have no more than is asked of each."""
    _, sizes = np.unique(labels, return_counts=True)
    return int(sizes[sizes <= per_class].sum())


def _check(path: Path, name: str, array: NDArray[Any]) -> None:
    wanted = 1 if name == "labels" else 2
    if array.ndim != wanted or len(array) < FEWEST or (wanted == 2 and array.shape[1] < 2):
        raise UserError(
            f"Array '{name}' of {path} has shape {array.shape}: it should have {FEWEST} rows or more"
            f"{' and 2 columns or more' if wanted == 2 else ', and no columns'}. Make it again."
        )
    if array.dtype.kind not in KINDS[name]:
        numbers = "whole numbers" if name == "labels" else "real numbers"
        raise UserError(
            f"Array '{name}' of {path} holds values of type {array.dtype}, not {numbers}. Make it again."
        )

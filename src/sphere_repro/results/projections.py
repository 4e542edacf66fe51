"""The projected points that a uniformity result keeps beside its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.errors import UserError


def read_projections(path: Path, clouds: Iterable[str]) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Points (views, n, 3) of unit length and labels (n,) of each cloud, by its key.

    Raises:
        UserError: the file is missing or damaged, or was made before several views were kept.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            found = {key: (stored[key], stored[f"{key}_labels"]) for key in clouds}
    except Exception as error:  # a damaged zip raises one of many unrelated errors
        raise UserError(
            f"Projected points {path} are missing or damaged ({error}). Make them again."
        ) from error
    for key, (points, labels) in found.items():
        if points.ndim != 3 or points.shape[1:] != (len(labels), 3):
            raise UserError(
                f"Projected points {path} have the shape {points.shape} for {key}: they were made by an "
                "older version, or edited. Make them again."
            )
    return found

"""Reference statistics that others made: `mu` and `sigma` in an `.npz`, as the field's codes publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sphere_repro.data import folder
from sphere_repro.errors import UserError
from sphere_repro.metrics.statistics import Statistics
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.provenance.integrity import recorded_content

CONTENTS = Path(".state/contents")
SYMMETRY = 1e-5  # of the covariance's largest entry: float32 is enough for it
NEGATIVE = 1e-3  # an eigenvalue below zero by more of the largest is no rounding


def content(place: Path, cache: Path = CONTENTS) -> str:
    """SHA-256 of the file `place`; unchanged, it is read once (`folder.contents`).

    Raises:
        UserError: it is missing or cannot be read.
    """
    place = place.expanduser()
    if not place.is_file():
        raise UserError(f"The reference statistics {place} do not exist. Correct score.reference.")
    return folder.contents(place, cache / f"reference-{value_hash(str(place))[:16]}.json")


def planned_content(place: Path, record: Path) -> str | None:
    """`content` for the workflow; where the file is not at hand, that of the reference made of it.

    Args:
        place: the `.npz`.
        record: the JSON beside the study's own reference.
    """
    if place.expanduser().is_file():
        return content(place)
    return recorded_content(record)


def read_given(place: Path, dimension: int) -> Statistics:
    """Moments that others published; no features are known (N = 0).

    Args:
        place: an `.npz` with `mu` (D,) and `sigma` (D, D); other arrays in it are not read.
        dimension: D of the extractor that images are compared by.

    Raises:
        UserError: the file is missing or broken, lacks one of the two, or they are no mean and covariance of
            such features.
    """
    place = place.expanduser()
    if not place.is_file():
        raise UserError(f"The reference statistics {place} do not exist. Correct score.reference.")
    mean, covariance = _moments(place)
    if mean.shape != (dimension,) or covariance.shape != (dimension, dimension):
        raise _unusable(
            place,
            f"mu has shape {mean.shape} and sigma {covariance.shape}, but the extractor's features have "
            f"{dimension} numbers",
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise _unusable(place, "they hold numbers that are not finite")
    largest = float(np.abs(covariance).max())
    if float(np.abs(covariance - covariance.T).max()) > SYMMETRY * largest:
        raise _unusable(place, "sigma is not symmetric")
    covariance = (covariance + covariance.T) / 2
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[0] < -NEGATIVE * max(eigenvalues[-1], 0.0) or eigenvalues[-1] <= 0:
        raise _unusable(place, "sigma is no covariance: it has negative eigenvalues, or none above zero")
    return Statistics(np.zeros((0, dimension), np.float32), mean, covariance)


def _moments(place: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    try:
        with np.load(place, allow_pickle=False) as archive:
            names = list(archive.files)
            found = [archive[name] for name in ("mu", "sigma") if name in names]
    except Exception as error:  # what NumPy and zipfile raise on damaged bytes has no common base
        raise _unusable(place, "the file is truncated or no .npz of plain arrays") from error
    if len(found) != 2:
        raise _unusable(place, f"they lack mu or sigma (there is {', '.join(names) or 'nothing'})")
    if not all(np.issubdtype(array.dtype, np.floating) for array in found):
        raise _unusable(place, "mu and sigma are not real numbers")
    mean, covariance = (array.astype(np.float64) for array in found)
    return mean, covariance


def _unusable(place: Path, fault: str) -> UserError:
    return UserError(
        f"The reference statistics {place} cannot be used: {fault}. Use those of the study's extractor and "
        "dataset, or leave score.reference out."
    )

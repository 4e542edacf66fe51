"""The nearest training images of samples and of controls, as files hold them (`metrics.memorisation`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json

MEASURES = ("features", "pixels")
HELD_OUT, TRAINING, COPIES, NOISE = "held-out", "training", "planted", "noise"  # groups that are controls
WORDS = {
    HELD_OUT: "images held out",
    TRAINING: "training images, leave-one-out",
    COPIES: "planted copies",
    NOISE: "images of noise",
}
PREFIX = "near."  # of arrays in a file


@dataclass(frozen=True)
class Near:
    """The nearest training image of each of n images.

    Attributes:
        distance: float32 (n,), Euclidean in features; root mean square in grey levels (0…255) in pixels.
        relative: float32 (n,), over the mean distance of the next nearest; 1 where that is 0.
        index: int64 (n,), which training image: its place among the points, or in the archive.
    """

    distance: NDArray[np.float32]
    relative: NDArray[np.float32]
    index: NDArray[np.int64]

    def at(self, indices: NDArray[np.int64]) -> Near:
        """The same with indices in the archive, whose images at `indices` the points are."""
        return Near(self.distance, self.relative, indices[self.index])


def read_near(path: Path) -> dict[str, dict[str, Near]]:
    """The groups that `as_arrays` put into a file; none where there are none.

    Raises:
        UserError: it is missing or damaged.
    """
    groups: dict[str, dict[str, Near]] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                if name.startswith(PREFIX) and name.endswith(".distance"):
                    stem = name.removesuffix(".distance")
                    group, measure = stem.removeprefix(PREFIX).rsplit(".", 1)
                    arrays = (archive[f"{stem}.{key}"] for key in ("distance", "relative", "index"))
                    groups.setdefault(group, {})[measure] = Near(*arrays)
    except Exception as error:  # what NumPy and zipfile raise on damaged bytes has no common base
        raise UserError(f"{path} holds no nearest neighbours. Delete it and make it again.") from error
    return groups


@dataclass(frozen=True)
class Memorisation:
    """What a scores file says of copies.

    Attributes:
        run: whose.
        dataset: its archive.
        metric: of the features.
        about: the measure: controls, thresholds, how many images were searched.
        sets: set → measure → its share of near duplicates with its interval.
    """

    run: str
    dataset: str
    metric: str
    about: dict[str, Any]
    sets: dict[str, dict[str, dict[str, Any]]]

    @property
    def control(self) -> str:
        """What chance is read off, in words."""
        words = WORDS[self.about["control"]]
        return words if self.about["control"] == HELD_OUT else f"{words}: no images were held out"


def read_memorisation(scores: Path) -> Memorisation | None:
    """What a scores file says of copies; None where nothing was looked for (a VAE, statistics by others).

    Raises:
        UserError: the file is missing or is no scores file of today.
    """
    data = read_json(scores)
    try:
        about = data.get("memorisation")
        sets = {
            record["set"]: record["memorisation"] for record in data["records"] if "memorisation" in record
        }
        if about is None or not sets:
            return None
        named = {key: str(data[key]) for key in ("run", "dataset", "metric")}
        assert about["control"] in (HELD_OUT, TRAINING)
        for measures in (about["measures"], *sets.values()):
            assert set(measures) == set(MEASURES)
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(
            f"{scores} says nothing of near duplicates ({error}). Delete it and score the run again."
        ) from error
    return Memorisation(**named, about=about, sets=sets)

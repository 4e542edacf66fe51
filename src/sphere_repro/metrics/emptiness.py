"""Which share of a set's images is nothing: farther from every training image than real images are.

Two measures, both in the extractor's features. `distance` is that to the nearest training image. `local` is
the same over the distance at which that training image has its own fifth nearest other one, so that images
between crowded training images are held to more than those between scattered ones (in the manner of Breunig
et al. 2000, "LOF: identifying density-based local outliers"). An image is empty by a measure where it lies
beyond all but one in twenty real images.

Two controls say what that is worth: real images that did not fix the threshold, whose share is what chance
gives (held out; without any, training images against the others), and images of noise, which must be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sphere_repro.metrics.memorisation import CONFIDENCE, Controls, halves, ranked, share_of
from sphere_repro.results.emptiness import MEASURES
from sphere_repro.results.nearest import HELD_OUT, NOISE, TRAINING, Near

QUANTILE = 0.95  # of real images' distances: what lies beyond is empty
NEIGHBOURHOOD = 5  # the other image that the nearest training image's neighbourhood reaches to
FEWEST = NEIGHBOURHOOD + 2  # training images: one that asks, its nearest, and the neighbourhood of that

Array = NDArray[np.float64]
Distances = Mapping[str, Array]  # by measure, (n,)


@dataclass
class Emptiness:
    """The training images of a reference, and the thresholds that real images fix.

    Attributes:
        training: features float32 (N, D), at least `FEWEST` images.
        beyond: threshold by measure.
        described: of the measures themselves, for the scores file.
    """

    training: NDArray[np.float32]
    device: torch.device | str
    beyond: dict[str, float] = field(init=False)
    described: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """No neighbourhood is known yet."""
        self._reach = np.full((len(self.training), 2), np.nan)

    @classmethod
    def of(
        cls,
        groups: Controls,
        indices: NDArray[np.int64],
        training: NDArray[np.float32],
        device: torch.device | str,
    ) -> Emptiness:
        """With thresholds by the controls of a reference.

        Args:
            groups: controls' nearest training images, as indices in the archive.
            indices: int64 (N,), ascending, those of the training images in the archive.
            training: their features.
            device: that computes.
        """
        found = cls(training, device)
        near = {name: _placed(groups[name]["features"], indices) for name in groups}
        real = found.measure(near[TRAINING], own=True)
        fix, counted = halves(len(near[TRAINING].index))
        if HELD_OUT in groups:
            control, fixing, chance = HELD_OUT, real, found.measure(near[HELD_OUT])
        else:
            control, fixing, chance = TRAINING, _at(real, fix), _at(real, counted)
        found.beyond = {name: float(np.quantile(fixing[name], QUANTILE)) for name in MEASURES}
        noise = found.measure(near[NOISE])
        found.described = {
            "control": control,
            "quantile": QUANTILE,
            "neighbourhood": NEIGHBOURHOOD,
            "confidence": CONFIDENCE,
            "looked_at": len(training),
            "measures": {
                name: {
                    "beyond": found.beyond[name],
                    "control": found.share(name, chance),
                    NOISE: found.share(name, noise),
                }
                for name in MEASURES
            },
        }
        return found

    def look(self, features: NDArray[np.float32]) -> Near:
        """The nearest training image of each of some images (n, D)."""
        distances, indices = ranked(features, self.training, 1, device=self.device)
        return Near(distances[:, 0], np.ones(len(features), np.float32), indices[:, 0])

    def measure(self, near: Near, *, own: bool = False) -> Distances:
        """Both distances of images whose nearest training images are known, by their places.

        Args:
            near: of each image.
            own: whether the images are training images themselves: these do not count as neighbours.
        """
        distance = near.distance.astype(np.float64)
        fifth, sixth = self._neighbourhood(near.index).T
        reach = np.where(distance <= fifth, sixth, fifth) if own else fifth
        far = np.where(distance > 0, np.inf, 1.0)  # copies of one image have no neighbourhood
        local = np.divide(distance, reach, out=far, where=reach > 0)
        return {"distance": distance, "local": local}

    def share(self, measure: str, found: Distances) -> dict[str, float | int]:
        """The share of empty images with its Clopper-Pearson interval."""
        empty = int((found[measure] > self.beyond[measure]).sum())
        return {"empty": empty, **share_of(empty, len(found[measure]))}

    def of_set(self, near: Near) -> dict[str, Any]:
        """What a scores file says of one set, by measure; `median` is that of the set's distances."""
        found = self.measure(near)
        return {
            name: {**self.share(name, found), "median": _quantiles(found[name], 0.5)} for name in MEASURES
        }

    def of_paths(self, near: Near, points: int) -> dict[str, Any]:
        """What a scores file says of paths of so many `points` each, path after path.

        By measure: at each point the share that is empty with its interval (`shares`), quartiles of the
        distances; and how much the share grows from the first point to the last, by the differences within
        paths, with the standard error over paths (at least 1/(n + 2): alike paths do not make it certain).
        """
        found = self.measure(near)
        return {name: self._along(name, found[name].reshape(-1, points)) for name in MEASURES}

    def _along(self, name: str, distances: Array) -> dict[str, Any]:
        empty = distances > self.beyond[name]
        grown = empty[:, -1].astype(float) - empty[:, 0]
        count = len(grown)
        error = float(grown.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
        return {
            "shares": [share_of(int(each.sum()), count) for each in empty.T],
            "quartiles": [[_quantiles(each, share) for share in (0.25, 0.5, 0.75)] for each in distances.T],
            "growth": {"value": float(grown.mean()), "se": max(error, 1 / (count + 2)), "paths": count},
        }

    def _neighbourhood(self, places: NDArray[np.int64]) -> Array:
        """Distances (n, 2) of training images to their fifth and sixth nearest others, each found once."""
        wanted = np.unique(places)
        new = wanted[np.isnan(self._reach[wanted, 0])]
        if len(new):
            most = NEIGHBOURHOOD + 1
            distances, _ = ranked(self.training[new], self.training, most, own=new, device=self.device)
            self._reach[new] = distances[:, -2:]
        return self._reach[places]


def _placed(near: Near, indices: NDArray[np.int64]) -> Near:
    """The same with places among the points, whose indices in the archive are `indices`."""
    return Near(near.distance, near.relative, np.searchsorted(indices, near.index))


def _at(found: Distances, places: NDArray[np.int64]) -> Distances:
    return {name: values[places] for name, values in found.items()}


def _quantiles(values: Array, share: float) -> float | None:
    """A quantile; None where it is infinite, which JSON does not know."""
    found = float(np.quantile(values, share, method="lower"))
    return found if np.isfinite(found) else None

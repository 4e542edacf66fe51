"""Are samples copies of training images? Nearest neighbours in features and in pixels, against controls.

A small distance alone says little: smooth images lie near many others. What stands out is an image that lies
much nearer to one training image than to its next ones, so the measure is the relative distance: that to the
nearest training image, over the mean of those to the 2nd up to the 50th (after Carlini et al. 2023,
"Extracting training data from diffusion models", section 5.1). A near duplicate is an image whose relative
distance is below all but one in a hundred of those that training images have to the other training images.

Two controls say what that is worth: images that the model never saw (held out; without any, training images
against the others), whose share is what chance gives, and training images with slight noise, which must be
found. Images of nothing but noise lie beside them, as the control of `emptiness`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose
from sphere_repro.data.dataset import held_count
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output
from sphere_repro.metrics.control_images import DEVIATION, pixels
from sphere_repro.metrics.statistics import clopper_pearson
from sphere_repro.results.nearest import (
    COPIES,
    HELD_OUT,
    MEASURES,
    NOISE,
    PREFIX,
    TRAINING,
    Near,
    read_near,
)

NEIGHBOURS = 50  # nearest training images that one image is held against
QUANTILE = 0.01  # of training images' relative distances: what lies below is a near duplicate
MOST_CONTROLS = 10_000  # training images that are held against the others
CONFIDENCE = 0.95
QUERIES, POINTS = 256, 8192  # images of a block of distances
TOGETHER = 32  # queries whose candidates are gathered at once: 8 MB of features, which caches hold
IMAGES = "near.images"  # array of a reference: the training images that are searched

Array = NDArray[Any]
Views = Mapping[str, Array]  # of some images, by measure: features (n, D) and pixels (n, P)


Controls = Mapping[str, Mapping[str, Near]]  # group → measure → its images' nearest


def nearest(
    queries: Array,
    points: Array,
    *,
    own: NDArray[np.int64] | None = None,
    scale: float = 1.0,
    device: torch.device | str = "cpu",
) -> Near:
    """The nearest of `points` (N, D) to each of `queries` (n, D), in blocks.

    The nearest are found by products in float32, and their distances computed from differences, which keeps
    those of near duplicates exact.

    Args:
        queries: float32 or uint8.
        points: of the same type; two at least beside a query's own.
        own: int64 (n,), the point that is the query itself and does not count.
        scale: what distances are multiplied with.
        device: that computes.
    """
    if len(points) - (own is not None) < 2:
        raise ValueError(f"{len(points)} images have no two others")
    distances, indices = ranked(queries, points, NEIGHBOURS, own=own, device=device)
    distances = distances * scale
    others = distances[:, 1:].mean(1)
    relative = np.divide(distances[:, 0], others, out=np.ones_like(others), where=others > 0)
    return Near(distances[:, 0].astype(np.float32), relative.astype(np.float32), indices[:, 0])


def ranked(
    queries: Array,
    points: Array,
    most: int,
    *,
    own: NDArray[np.int64] | None = None,
    device: torch.device | str = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distances of each query to its `most` nearest points (all, where there are fewer), and which they are.

    Arguments as of `nearest`; both (n, k), the nearest first.
    """
    centre = points[:: max(1, len(points) // 1000)].astype(np.float32).mean(0)  # products of small numbers
    count = min(most, len(points) - (own is not None))
    found = []
    for start in range(0, len(queries), QUERIES):
        block = _centred(queries[start : start + QUERIES], centre, device)
        mine = None if own is None else own[start : start + QUERIES]
        candidates = _candidates(block, points, centre, count, mine, device)
        exact = _distances(block, points, centre, candidates, device)
        order = np.lexsort((candidates, exact))
        found.append((np.take_along_axis(exact, order, 1), np.take_along_axis(candidates, order, 1)))
    distances, indices = (np.concatenate(each) for each in zip(*found, strict=True))
    return distances, indices


def _candidates(
    block: Tensor,
    points: Array,
    centre: Array,
    count: int,
    own: NDArray[np.int64] | None,
    device: torch.device | str,
) -> NDArray[np.int64]:
    """Indices (B, count) of the points nearest to a block of queries, in any order."""
    best = torch.full((len(block), 0), torch.inf, device=block.device)
    places = torch.zeros((len(block), 0), dtype=torch.int64, device=block.device)
    for start in range(0, len(points), POINTS):
        others = _centred(points[start : start + POINTS], centre, device)
        squares = others.square().sum(1) - 2 * block @ others.T  # that of the query is the same for all
        if own is not None:
            mine = torch.from_numpy(own - start).to(block.device)
            rows = torch.nonzero((mine >= 0) & (mine < len(others))).ravel()
            squares[rows, mine[rows]] = torch.inf
        here = torch.arange(start, start + len(others), device=block.device).expand(len(block), -1)
        best, places = torch.cat([best, squares], 1), torch.cat([places, here], 1)
        best, kept = best.topk(min(count, best.shape[1]), largest=False)
        places = places.gather(1, kept)
    return np.asarray(places.cpu().numpy())


def _distances(
    block: Tensor, points: Array, centre: Array, candidates: NDArray[np.int64], device: torch.device | str
) -> NDArray[np.float32]:
    """Distances (B, count) of a block of queries to their candidates, from differences."""
    found = []
    for start in range(0, len(block), TOGETHER):
        asked, near = block[start : start + TOGETHER], candidates[start : start + TOGETHER]
        close = _centred(points[near.ravel()], centre, device).reshape(*near.shape, -1)
        found.append(torch.linalg.vector_norm(asked[:, None] - close, dim=-1).cpu().numpy())
    return np.concatenate(found)


def _centred(images: Array, centre: Array, device: torch.device | str) -> Tensor:
    return torch.from_numpy(np.subtract(images, centre, dtype=np.float32)).to(device)


def look(
    queries: Views,
    training: Views,
    *,
    own: NDArray[np.int64] | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Near]:
    """The nearest training images by each measure, as places among `training`."""
    return {
        measure: nearest(
            queries[measure],
            training[measure],
            own=own,
            scale=training[measure].shape[1] ** -0.5 if measure == "pixels" else 1.0,
            device=device,
        )
        for measure in MEASURES
    }


def controls(
    training: Views,
    planted: Views,
    noise: Views,
    held_out: Views | None,
    *,
    device: torch.device | str = "cpu",
) -> dict[str, dict[str, Near]]:
    """What the controls' nearest training images are: group → measure; indices are places in `training`."""
    asked = choose(len(training["features"]), MOST_CONTROLS)
    some = {measure: training[measure][asked] for measure in MEASURES}
    found = {
        TRAINING: look(some, training, own=asked, device=device),
        COPIES: look(planted, training, device=device),
        NOISE: look(noise, training, device=device),
    }
    return found | ({HELD_OUT: look(held_out, training, device=device)} if held_out else {})


def as_arrays(groups: Controls, indices: NDArray[np.int64]) -> dict[str, Array]:
    """For an npz: each group's nearest, as indices in the archive; `indices` are those of the points."""
    found: dict[str, Array] = {}
    for group, measures in groups.items():
        for measure, near in measures.items():
            archived = near.at(indices)
            found |= {
                f"{PREFIX}{group}.{measure}.{key}": getattr(archived, key)
                for key in ("distance", "relative", "index")
            }
    return found


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an npz, atomically."""
    with atomic_output(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Thresholds:
    """Below which relative distance an image is a near duplicate, and the images that chance is read off.

    Attributes:
        below: by measure.
        control: `held-out`, or `training` where nothing was held out.
        chance: relative distances of the control, by measure: none of them fixed the threshold.
    """

    below: Mapping[str, float]
    control: str
    chance: Mapping[str, Array]


def thresholds(groups: Controls) -> Thresholds:
    """Of training images against the others; without images held out, one half fixes and the other counts."""
    training = {measure: groups[TRAINING][measure].relative for measure in MEASURES}
    if HELD_OUT in groups:
        chance = {measure: groups[HELD_OUT][measure].relative for measure in MEASURES}
        return Thresholds({m: float(np.quantile(training[m], QUANTILE)) for m in MEASURES}, HELD_OUT, chance)
    first, second = halves(len(training["features"]))
    below = {m: float(np.quantile(training[m][first], QUANTILE)) for m in MEASURES}
    return Thresholds(below, TRAINING, {m: training[m][second] for m in MEASURES})


def halves(total: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of two halves of so many controls: one fixes a threshold, the other is counted by it."""
    first = choose(total, total // 2)
    return first, np.setdiff1d(np.arange(total), first)


def share(relative: Array, below: float) -> dict[str, float | int]:
    """Near duplicates among images, with the share's interval."""
    near, count = int((relative < below).sum()), len(relative)
    return {"near": near, **share_of(near, count)}


def share_of(hits: int, count: int) -> dict[str, float | int]:
    """A share of `count` images with its Clopper-Pearson interval."""
    low, high = clopper_pearson(hits, count, CONFIDENCE)
    return {"count": count, "share": hits / count, "low": low, "high": high}


def described(groups: Controls, limits: Thresholds, *, looked_at: int, trained_on: int) -> dict[str, Any]:
    """What a scores file says of the measure itself.

    Args:
        groups: the controls.
        limits: theirs.
        looked_at: training images that were searched.
        trained_on: training images that there are.
    """
    return {
        "control": limits.control,
        "looked_at": looked_at,
        "trained_on": trained_on,
        "neighbours": NEIGHBOURS,
        "quantile": QUANTILE,
        "confidence": CONFIDENCE,
        "planted_noise": DEVIATION,
        "measures": {
            measure: {
                "below": limits.below[measure],
                "control": share(limits.chance[measure], limits.below[measure]),
                COPIES: share(groups[COPIES][measure].relative, limits.below[measure]),
            }
            for measure in MEASURES
        },
    }


def of_set(near: Mapping[str, Near], limits: Thresholds) -> dict[str, Any]:
    """What a scores file says of one set."""
    return {measure: share(near[measure].relative, limits.below[measure]) for measure in MEASURES}


class Memory:
    """What the sets of one run lie nearest to among the training images of one reference.

    Attributes:
        described: of the measure itself, for the scores file.
        arrays: nearest neighbours of the controls and of every set that was looked at, for the npz beside it.
    """

    def __init__(
        self,
        groups: Controls,
        indices: NDArray[np.int64],
        small: NDArray[np.uint8],
        trained: int,
        device: torch.device | str,
    ) -> None:
        self.groups, self.indices, self.small, self.device = groups, indices, small, device
        self.looked: dict[str, Near] = {}  # at a set's images, in features
        self.limits = thresholds(groups)
        self.described = described(groups, self.limits, looked_at=len(indices), trained_on=trained)
        self.arrays = as_arrays(groups, np.arange(int(indices.max()) + 1))  # they are the archive's already

    @classmethod
    def of(cls, reference: Path, real: ImageArchive, share: float, device: torch.device | str) -> Memory:
        """With the controls that lie in a reference made of the archive `real`.

        Raises:
            UserError: they do not.
        """
        groups = read_near(reference)
        with np.load(reference, allow_pickle=False) as archive:
            indices = archive[IMAGES] if IMAGES in archive.files else np.arange(0)
        if not {TRAINING, COPIES, NOISE} <= groups.keys() or not len(indices):
            raise UserError(
                f"Reference {reference} lacks controls of memorisation or emptiness: it was made by an older "
                "version. Delete it and make it again."
            )
        trained = len(real) - held_count(len(real), share)
        return cls(groups, indices, pixels(real, indices), trained, device)

    def look(
        self, name: str, features: NDArray[np.float32], images: ImageArchive, training: NDArray[np.float32]
    ) -> dict[str, Any]:
        """Look for the neighbours of a set's images; returns the set's share of near duplicates.

        Args:
            name: of the set.
            features: of its images.
            images: themselves.
            training: features of the reference's images.
        """
        queries: Views = {"features": features, "pixels": pixels(images)}
        near = look(queries, {"features": training, "pixels": self.small}, device=self.device)
        self.arrays |= as_arrays({name: near}, self.indices)
        self.looked[name] = near["features"]
        return of_set(near, self.limits)

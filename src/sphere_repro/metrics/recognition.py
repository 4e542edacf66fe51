"""Whether images show the class that they were drawn for: a classifier of the real images judges them.

Two are trained on real images of the training split: a logistic regression on the extractor's features, and a
support vector machine on small pixels, since features of tiny pictures change with their finest detail. The
one that is right more often on images held out of its training is kept (of equals the first).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose
from sphere_repro.errors import UserError
from sphere_repro.metrics.classifier import Classifier, Sight, hold_out, of_features, of_pixels, small_pixels
from sphere_repro.metrics.statistics import clopper_pearson
from sphere_repro.seeds import derive

MOST_IMAGES = 50_000  # real images at most, those held out among them
MOST_OF_PIXELS = 5_000  # that a classifier of pixels is trained on: its kernel is of all pairs
CHOSEN = 8  # images of a class that are kept as those that are surely of it
MOST_CHOSEN = 10  # classes of which they are
PREFIX = "classifier_"  # of its arrays in the file of the reference


class Recognition(BaseModel):
    """What a reference's JSON says of its classifier.

    Attributes:
        sees: what the kept classifier looks at.
        trained_on: images; `classes` of them.
        held_out: images held out; `accuracy` is the share of them that it put into their class.
        chance: share of the commonest class among them: an accuracy that takes no look at the images.
        others: accuracies of all classifiers that were tried.
        near_chance: whether it hardly sees the classes itself (`near_chance`), so that no share would mean
            anything.
    """

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    sees: Sight
    classes: int = Field(ge=2)
    trained_on: int = Field(ge=2)
    held_out: int = Field(ge=1)
    accuracy: float = Field(ge=0, le=1)
    chance: float = Field(ge=0, le=1)
    others: dict[str, float]
    near_chance: bool


@dataclass(frozen=True)
class Judge:
    """A classifier and how good it is."""

    classifier: Classifier
    described: Recognition

    def share(self, features: NDArray[np.float32], archive: ImageArchive) -> float | None:
        """Share of a set's images that are taken for their class, in [0, 1].

        None where the set has no classes, or where the classifier hardly sees them itself.

        Args:
            features: of the set, float32 (N, D), by the extractor that the classifier was trained with.
            archive: the set, N images.
        """
        if archive.labels is None or self.described.near_chance:
            return None
        return self.classifier.accuracy(self._inputs(features, archive), archive.labels)

    def surest(self, features: NDArray[np.float32], archive: ImageArchive) -> list[dict[str, Any]] | None:
        """Of each class, the images that are most probably of it: a curated choice; None where `share` is.

        Of more than `MOST_CHOSEN` classes as many are taken, evenly spread; a class that the classifier does
        not know is left out. Arguments as of `share`.

        Returns:
            For each class its number, how many images of it there are (`of`), the `indices` of the chosen in
            the archive, and their `probability`, falling; of equals the first comes first.
        """
        if archive.labels is None or self.described.near_chance:
            return None
        chances = self.classifier.probability(self._inputs(features, archive), archive.labels)
        classes = np.intersect1d(archive.labels, self.classifier.classes)
        chosen = []
        for label in classes[choose_evenly(len(classes), MOST_CHOSEN)]:
            members = np.flatnonzero(archive.labels == label)
            best = members[np.argsort(-chances[members], kind="stable")[:CHOSEN]]
            found = {
                "indices": best.tolist(),
                "probability": [round(float(each), 6) for each in chances[best]],
            }
            chosen.append({"class": int(label), "of": len(members), **found})
        return chosen

    def _inputs(self, features: NDArray[np.float32], archive: ImageArchive) -> NDArray[np.float32]:
        return features if self.classifier.sees == "features" else small_pixels(archive)


def choose_evenly(count: int, most: int) -> NDArray[np.int64]:
    """`most` of the indices below `count`, evenly spread; all where there are no more."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def train_judge(
    features: NDArray[np.float32], archive: ImageArchive, indices: NDArray[np.int64]
) -> Judge | None:
    """The better of two classifiers of real images; None where they have no classes, or one alone.

    Args:
        features: float32 (N, D).
        archive: the dataset.
        indices: of the images in the archive, int64 (N,), ascending; of more than `MOST_IMAGES` a seeded
            choice is used.

    Raises:
        UserError: an image is broken.
    """
    if archive.labels is None:
        return None
    part = choose(len(indices), MOST_IMAGES)
    features, indices = features[part], indices[part]
    labels = archive.labels[indices]
    train, held = hold_out(labels, np.random.default_rng(derive("classifier")))
    if len(np.unique(labels[train])) < 2 or not len(held):
        return None
    few = train[choose(len(train), MOST_OF_PIXELS)]
    tried = [
        (of_features(features[train], labels[train]), features[held], len(train)),
        (
            of_pixels(small_pixels(archive, indices[few]), labels[few]),
            small_pixels(archive, indices[held]),
            len(few),
        ),
    ]
    accuracies = [classifier.accuracy(inputs, labels[held]) for classifier, inputs, _ in tried]
    best = int(np.argmax(accuracies))
    classifier, _, trained_on = tried[best]
    chance = float(np.bincount(labels[held]).max() / len(held))
    described = Recognition(
        sees=classifier.sees,
        classes=len(classifier.classes),
        trained_on=trained_on,
        held_out=len(held),
        accuracy=accuracies[best],
        chance=chance,
        near_chance=near_chance(round(accuracies[best] * len(held)), len(held), chance),
        others={each.sees: value for (each, _, _), value in zip(tried, accuracies, strict=True)},
    )
    return Judge(classifier, described)


def near_chance(right: int, held_out: int, chance: float) -> bool:
    """Whether an accuracy is not surely (95 %, exact) above twice chance, or half-way from it to 1."""
    low, _ = clopper_pearson(right, held_out, 0.95)
    return bool(low <= min(2 * chance, (1 + chance) / 2))


def arrays_of(judge: Judge | None) -> dict[str, NDArray[Any]]:
    """A judge's arrays as a reference's file keeps them; empty without one."""
    if judge is None:
        return {}
    found = {"classes": judge.classifier.classes, **judge.classifier.arrays}
    return {f"{PREFIX}{name}": array for name, array in found.items()}


def load_judge(path: Path, described: Recognition | None) -> Judge | None:
    """The judge in a reference's file, which its JSON describes; None where it describes none.

    Raises:
        UserError: the file holds no such classifier.
    """
    if described is None:
        return None
    wanted = {"features": ("weights", "bias"), "pixels": ("points", "duals", "mean", "gamma")}[described.sees]
    try:
        with np.load(path, allow_pickle=False) as archive:
            classes = archive[f"{PREFIX}classes"].astype(np.int64, casting="safe")
            arrays = {name: archive[f"{PREFIX}{name}"].astype(np.float64) for name in wanted}
    except Exception as error:  # what NumPy and zipfile raise on damaged bytes has no common base
        raise _unusable(path) from error
    outputs = arrays["bias"].shape if described.sees == "features" else arrays["duals"].shape[1:]
    finite = all(np.isfinite(array).all() for array in arrays.values())
    if classes.shape != (described.classes,) or outputs != classes.shape or not finite:
        raise _unusable(path)
    return Judge(Classifier(described.sees, classes, arrays), described)


def _unusable(path: Path) -> UserError:
    return UserError(
        f"Reference statistics {path} hold no classifier as the JSON beside describes it. Delete both and "
        "make them again."
    )

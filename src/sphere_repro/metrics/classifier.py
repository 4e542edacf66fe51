"""Classifiers of real images by their classes: how each is fitted, and what it says of other images.

A Fréchet distance does not see classes: images of one class under the labels of another are as near. So a
classifier is trained on real images, and asked for the class of each image of a set.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import softmax

from sphere_repro.data.archive import ImageArchive

Sight = Literal["features", "pixels"]
SIDE = 16  # pixels to which larger images are averaged for a classifier of pixels
SHARE_HELD_OUT = 0.2
PENALTY = 0.01  # scikit-learn's C of the logistic regression: its features are many and its images few
RIDGE = 0.1
ITERATIONS = 300
PASS = 2048  # images at once: their kernel with all training images is in memory


@dataclass(frozen=True)
class Classifier:
    """K classes and how an image's scores for them are computed; the largest score is its class.

    Attributes:
        sees: `features` of the extractor, or `pixels` (`small_pixels`).
        classes: int64 (K,), their labels, ascending.
        arrays: of `features`: weights (K, D) and bias (K,); of `pixels`: points (n, P), duals (n, K), mean
            (P,), gamma (); float64.
    """

    sees: Sight
    classes: NDArray[np.int64]
    arrays: Mapping[str, NDArray[np.float64]]

    def predict(self, inputs: NDArray[np.floating]) -> NDArray[np.int64]:
        """The class of each image, int64 (N,), by its features (N, D) or pixels (N, P)."""
        found = [self._scores(inputs[start : start + PASS]) for start in range(0, len(inputs), PASS)]
        best = [scores.argmax(axis=1) for scores in found]
        return self.classes[np.concatenate(best)] if best else np.zeros(0, np.int64)

    def accuracy(self, inputs: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
        """Share of the images whose class is their label, in [0, 1]."""
        return float((self.predict(inputs) == labels).mean())

    def probability(self, inputs: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """How probable it holds each image's label to be, (N,); NaN where it does not know the class.

        Of features: the softmax of the scores. Of pixels: the least-squares estimate (score + 1)/2, since the
        regression's targets are 1 for the class and -1 for the others; it may lie a little outside [0, 1].
        """
        found = [self._scores(inputs[start : start + PASS]) for start in range(0, len(inputs), PASS)]
        scores = np.concatenate(found) if found else np.zeros((0, len(self.classes)))
        shares = softmax(scores, axis=1) if self.sees == "features" else (scores + 1) / 2
        known = np.isin(labels, self.classes)
        places = np.searchsorted(self.classes, np.where(known, labels, self.classes[0]))
        return np.where(known, shares[np.arange(len(shares)), places], np.nan)

    def _scores(self, inputs: NDArray[np.floating]) -> NDArray[np.float64]:
        exact, of = inputs.astype(np.float64), self.arrays
        if self.sees == "features":
            return np.asarray(exact @ of["weights"].T + of["bias"])
        return np.asarray(_near(exact - of["mean"], of["points"], float(of["gamma"])) @ of["duals"])


def _near(images: NDArray[np.float64], points: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """The kernel exp(-γ|x - x'|²) of images (B, P) and points (n, P), as (B, n)."""
    lengths, others = ((each * each).sum(axis=1) for each in (images, points))
    squares = np.maximum(lengths[:, None] + others - 2 * (images @ points.T), 0)
    return np.asarray(np.exp(-gamma * squares))


def hold_out(
    labels: NDArray[np.int64], generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to hold out, ascending: a fifth of each class, at least one image of two.

    A class of one image is trained on.
    """
    held = []
    for label in np.unique(labels):
        found = generator.permutation(np.flatnonzero(labels == label))
        held.append(found[: max(1, round(SHARE_HELD_OUT * len(found)))] if len(found) > 1 else found[:0])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), out), out


def of_features(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Classifier:
    """Multinomial logistic regression on standardised features (N, D); at least two classes."""
    # a scoring job trains none, and starts sooner without them
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    fitted = LogisticRegression(C=PENALTY, max_iter=ITERATIONS)
    with warnings.catch_warnings():  # how good it is, is measured on images that were held out
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(scaler.transform(features), labels)
    weights, bias = fitted.coef_.astype(np.float64), fitted.intercept_.astype(np.float64)
    if len(fitted.classes_) == 2:  # scikit-learn keeps the second class's row alone
        weights, bias = np.vstack([0 * weights, weights]), np.concatenate([0 * bias, bias])
    weights = weights / scaler.scale_
    arrays = {"weights": weights, "bias": bias - weights @ scaler.mean_}
    return Classifier("features", fitted.classes_.astype(np.int64), arrays)


def of_pixels(pixels: NDArray[np.float32], labels: NDArray[np.int64]) -> Classifier:
    """Least-squares support vector machine (kernel ridge regression on the classes) of pixels (N, P).

    Its kernel is exp(-γ|x - x'|²) with γ = 1/(P · variance), scikit-learn's usual choice.
    """
    from sklearn.kernel_ridge import KernelRidge

    exact = pixels.astype(np.float64)
    mean, spread = exact.mean(axis=0), float(exact.var())
    gamma = 1 / (exact.shape[1] * spread) if spread else 1.0
    classes = np.unique(labels)
    wanted = np.where(labels[:, None] == classes, 1.0, -1.0)
    fitted = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=gamma).fit(exact - mean, wanted)
    arrays = {"points": exact - mean, "duals": fitted.dual_coef_, "mean": mean, "gamma": np.array(gamma)}
    return Classifier("pixels", classes.astype(np.int64), arrays)


def small_pixels(archive: ImageArchive, indices: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
    """Images as float32 (N, P) in [0, 1], averaged to `SIDE` pixels where they are larger.

    Raises:
        UserError: an image is broken.
    """
    chosen = range(len(archive)) if indices is None else indices
    return np.stack([_small(archive.read(int(index))) for index in chosen])


def _small(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    if len(image) > SIDE:
        image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BOX))
    return (image.reshape(-1) / 255).astype(np.float32)

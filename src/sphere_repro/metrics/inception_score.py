"""The Inception Score of a set of images, as the published tables have it (section 6).

IS = exp of the mean over images of KL(p(y|x) ‖ p(y)), with p(y|x) the classes that the network sees in
image x and p(y) their mean. The published convention: logits without the bias, and the mean over equal parts
of the shuffled set, each with a p(y) of its own. The value depends on the number of images and of parts; it
says nothing of the real images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr, softmax

from sphere_repro.errors import UserError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class InceptionScore:
    """Mean over the parts, between 1 and the number of classes, and the parts' standard deviation.

    The deviation is that of the parts themselves (over their number, as published), not a standard error.
    """

    value: float
    sd: float


def inception_score(
    features: NDArray[np.float32],
    classifier: NDArray[np.float32],
    *,
    parts: int,
    generator: np.random.Generator,
) -> InceptionScore:
    """Inception Score of N images.

    Args:
        features: float32 (N, D), the inputs of the network's last layer.
        classifier: float32 (K, D), the weights of that layer, one row for each class.
        parts: of equal size, up to one image.
        generator: shuffles the images.

    Raises:
        UserError: fewer images than parts.
    """
    if len(features) < parts:
        raise UserError(
            f"{len(features)} images are too few for an Inception Score of {parts} parts. Draw more images "
            "(sampling.count) or lower score.inception_score_splits."
        )
    order = generator.permutation(len(features))
    # One part at a time: the probabilities of 50 000 images would take 400 MB.
    scores = [
        score_of(class_probabilities(features[part], classifier)) for part in np.array_split(order, parts)
    ]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def class_probabilities(features: NDArray[np.float32], classifier: NDArray[np.float32]) -> Array:
    """p(y|x), float64 (N, K): softmax of the logits without a bias."""
    logits = features.astype(np.float64) @ classifier.astype(np.float64).T
    return np.asarray(softmax(logits, axis=1))


def score_of(probabilities: Array) -> float:
    """exp(mean KL(p(y|x) ‖ p(y))) of probabilities (N, K)."""
    divergences = rel_entr(probabilities, probabilities.mean(axis=0)).sum(axis=1)
    return float(np.exp(divergences.mean()))

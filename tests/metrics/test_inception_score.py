"""The Inception Score against its definition, and what must hold of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphere_repro.errors import UserError
from sphere_repro.metrics.inception_score import (
    InceptionScore,
    class_probabilities,
    inception_score,
    score_of,
)

DIMENSION, CLASSES = 6, 5


def draw(count: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal((count, DIMENSION))).astype(np.float32)


CLASSIFIER = draw(CLASSES, seed=9)


def measure(features: np.ndarray, parts: int, seed: int = 0) -> InceptionScore:
    return inception_score(features, CLASSIFIER, parts=parts, generator=np.random.default_rng(seed))


def by_loops(features: np.ndarray) -> float:
    """exp of the mean divergence, in plain Python."""
    logits = [
        [sum(float(a) * float(b) for a, b in zip(x, w, strict=True)) for w in CLASSIFIER] for x in features
    ]
    seen = []
    for row in logits:
        powers = [math.exp(value) for value in row]
        seen.append([power / sum(powers) for power in powers])
    mean = [sum(column) / len(seen) for column in zip(*seen, strict=True)]
    divergences = [sum(p * math.log(p / q) for p, q in zip(row, mean, strict=True)) for row in seen]
    return math.exp(sum(divergences) / len(divergences))


@pytest.mark.parametrize("parts", [1, 3, 10])
def test_definition_by_loops(parts: int) -> None:
    features = draw(20)
    order = np.random.default_rng(0).permutation(20)
    scores = [by_loops(features[part]) for part in np.array_split(order, parts)]
    found = measure(features, parts)
    assert found.value == pytest.approx(sum(scores) / parts, rel=1e-9)
    mean = sum(scores) / parts
    assert found.sd == pytest.approx(
        math.sqrt(sum((score - mean) ** 2 for score in scores) / parts), abs=1e-9
    )


def test_images_that_are_all_alike_score_one() -> None:
    alike = np.repeat(draw(1), 30, axis=0)
    found = measure(alike, 10)
    assert found.value == pytest.approx(1, abs=1e-12) and found.sd == pytest.approx(0, abs=1e-12)


def test_confident_and_balanced_classes_score_their_number() -> None:
    features = np.tile(np.eye(7, dtype=np.float32), (20, 1))
    classifier = 4000 * np.eye(7, dtype=np.float32)  # other classes' probabilities are 0, not just small
    found = inception_score(features, classifier, parts=1, generator=np.random.default_rng(0))
    assert found.value == pytest.approx(7, rel=1e-12) and found.sd == 0


def test_probabilities_have_no_bias_and_do_not_overflow() -> None:
    found = class_probabilities(draw(4, scale=1e4), CLASSIFIER)
    assert found.dtype == np.float64 and np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_allclose(
        class_probabilities(np.zeros((2, DIMENSION), np.float32), CLASSIFIER), 1 / CLASSES
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 40), scale=st.floats(0.01, 30))
def test_whole_sets_know_no_order_and_stay_in_range(seed: int, count: int, scale: float) -> None:
    features = draw(count, seed, scale)
    found = measure(features, 1).value
    assert 1 - 1e-9 <= found <= min(count, CLASSES) * (1 + 1e-9)
    assert measure(features[::-1], 1, seed=1).value == pytest.approx(found, rel=1e-9)
    assert measure(np.concatenate([features, features]), 1).value == pytest.approx(found, rel=1e-9)
    halves = np.concatenate([class_probabilities(half, CLASSIFIER) for half in np.array_split(features, 2)])
    assert score_of(halves) == pytest.approx(found, rel=1e-9)  # probabilities do not depend on the batch


def test_parts_follow_from_the_seed() -> None:
    features = draw(40)
    assert measure(features, 10, seed=3) == measure(features, 10, seed=3)
    assert measure(features, 10, seed=3) != measure(features, 10, seed=4)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(UserError, match="9 images are too few for an Inception Score of 10 parts"):
        measure(draw(9), 10)

"""Precision, recall, density, coverage: against their definitions written out, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.metrics import neighbours as module
from sphere_repro.metrics.neighbours import K_DENSITY, K_MANIFOLD, Balls, Neighbours


def neighbours(real: np.ndarray, generated: np.ndarray) -> Neighbours:
    return module.neighbours(Balls.of(real), Balls.of(generated))


def by_definition(real: np.ndarray, generated: np.ndarray) -> tuple[float, float, float, float]:
    """The four, one pair of points after another (Kynkäänniemi et al., eq. 1; Naeem et al., eq. 3, 4)."""

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a.astype(float) - b.astype(float)) ** 2).sum()))

    def radius(points: np.ndarray, index: int, k: int) -> float:
        others = [distance(points[index], other) for place, other in enumerate(points) if place != index]
        return sorted(others)[k - 1]

    def inside(point: np.ndarray, points: np.ndarray, k: int) -> list[bool]:
        return [distance(point, center) <= radius(points, index, k) for index, center in enumerate(points)]

    precision = np.mean([any(inside(point, real, K_MANIFOLD)) for point in generated])
    recall = np.mean([any(inside(point, generated, K_MANIFOLD)) for point in real])
    density = np.mean([sum(inside(point, real, K_DENSITY)) / K_DENSITY for point in generated])
    coverage = np.mean(
        [
            min(distance(center, point) for point in generated) <= radius(real, index, K_DENSITY)
            for index, center in enumerate(real)
        ]
    )
    return float(precision), float(recall), float(density), float(coverage)


@given(st.integers(0, 2**32 - 1), st.integers(6, 14), st.integers(6, 14), st.floats(0, 3))
def test_they_are_what_their_definitions_say(seed: int, n: int, m: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    real = random.standard_normal((n, 3)).astype(np.float32)
    generated = (random.standard_normal((m, 3)) + shift).astype(np.float32)
    found = neighbours(real, generated)
    expected = by_definition(real, generated)
    assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    real, generated = (random.standard_normal((n, 4)).astype(np.float32) for n in (3000, 2500))
    whole = neighbours(real, generated)
    monkeypatch.setattr(module, "CHUNK_MIB", 1)
    assert neighbours(real, generated) == whole


def test_one_image_over_and_over_is_precise_and_recalls_nothing() -> None:
    real = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    found = neighbours(real, np.repeat(real[:1], 200, axis=0))
    assert found.precision == 1 and found.recall <= 1 / 200 and found.coverage < 0.1


def test_another_sample_of_the_same_distribution_has_density_and_coverage_near_one() -> None:
    random = np.random.default_rng(1)
    real, generated = (random.standard_normal((800, 4)).astype(np.float32) for _ in range(2))
    found = neighbours(real, generated)
    assert abs(found.density - 1) < 0.1
    assert found.coverage == pytest.approx(1 - 0.5**K_DENSITY, abs=0.03)  # its expectation for equal sizes
    assert min(found.precision, found.recall) > 0.9


def test_noise_far_away_is_neither() -> None:
    real = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    assert neighbours(real, real + 100) == Neighbours(0, 0, 0, 0)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 6 images"):
        Balls.of(np.zeros((5, 2), np.float32))

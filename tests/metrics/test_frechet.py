"""The fast Fréchet distance against Clean-FID's, and its standard error against repetition."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from cleanfid.fid import frechet_distance as cleanfid_distance
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sphere_repro.metrics import frechet
from sphere_repro.metrics.frechet import FrechetReference, frechet_distance, frechet_estimate
from sphere_repro.metrics.statistics import Statistics, jackknife_error, jackknife_groups, make_statistics


def draw(count: int, dimension: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Statistics:
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((dimension, dimension)) / np.sqrt(dimension)
    features = generator.standard_normal((count, dimension)) @ mixing * scale + shift
    return make_statistics(features.astype(np.float32))


def clean_fid(first: Statistics, second: Statistics) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's, about an argument and about singular products
        return float(cleanfid_distance(first.mean, first.covariance, second.mean, second.covariance))


@pytest.mark.parametrize(
    ("real", "generated", "dimension"),
    [(200, 150, 16), (30, 40, 100), (300, 40, 100), (40, 300, 100), (50, 50, 2)],
)
def test_agrees_with_clean_fid(real: int, generated: int, dimension: int) -> None:
    first, second = draw(real, dimension, 0), draw(generated, dimension, 1, shift=0.3, scale=1.4)
    expected = clean_fid(first, second)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-4)
    groups = jackknife_groups(generated, 7, np.random.default_rng(0))
    estimate = frechet_estimate(FrechetReference.of(first), second.features, groups)
    assert estimate.value == pytest.approx(expected, rel=1e-4)


def test_agrees_with_clean_fid_on_steep_spectra() -> None:
    slopes = 10.0 ** -np.linspace(0, 4, 60)
    first, second = (make_statistics(draw(80, 60, seed).features * slopes) for seed in (0, 1))
    assert frechet_distance(first, second) == pytest.approx(clean_fid(first, second), rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(3, 30), dimension=st.integers(1, 20))
def test_is_a_distance(seed: int, count: int, dimension: int) -> None:
    first, second = draw(count, dimension, seed), draw(count + 2, dimension, seed + 1, shift=0.1)
    forth, back = frechet_distance(first, second), frechet_distance(second, first)
    size = float(np.trace(first.covariance) + np.trace(second.covariance))
    assert forth == pytest.approx(back, abs=1e-6 * size)
    assert forth > -1e-6 * size
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6 * size)


def test_known_values() -> None:
    first = draw(50, 4, 0)
    moved = make_statistics(first.features + np.float32(2))
    assert frechet_distance(first, moved) == pytest.approx(16, rel=1e-5)
    wider = make_statistics(first.features * np.float32(3))
    expected = 4 * np.trace(first.covariance) + 4 * first.mean @ first.mean
    assert frechet_distance(first, wider) == pytest.approx(expected, rel=1e-5)


def test_constant_features_have_a_distance() -> None:
    still = make_statistics(np.ones((10, 3), np.float32))
    moving = draw(20, 3, 0)
    expected = np.trace(moving.covariance) + np.sum((moving.mean - 1) ** 2)
    assert frechet_distance(still, moving) == pytest.approx(expected)
    assert frechet_distance(moving, still) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("count", "dimension", "groups_of"),
    [(100, 12, 4), (43, 60, 4), (100, 60, 20), (62, 60, 10)],  # sums, few, small groups, and of low rank
)
def test_replicates_are_the_distances_without_a_group(count: int, dimension: int, groups_of: int) -> None:
    real, generated = draw(90, dimension, 0), draw(count, dimension, 1, shift=5.0)
    groups = jackknife_groups(count, groups_of, np.random.default_rng(3))
    plain = [
        frechet_distance(real, make_statistics(np.delete(generated.features, group, axis=0)))
        for group in groups
    ]
    estimate = frechet_estimate(FrechetReference.of(real), generated.features, groups)
    assert estimate.standard_error == pytest.approx(jackknife_error(np.array(plain)), rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    dimension=st.integers(14, 60),
    more=st.integers(1, 60),
    size=st.integers(1, 9),
    decades=st.floats(0, 5),
)
def test_small_groups_agree_with_eigenvalues(
    seed: int, dimension: int, more: int, size: int, decades: float
) -> None:
    """The two ways to the same replicates, on flat and steep spectra, and where a group lowers the rank."""
    slopes = (10.0 ** -np.linspace(0, decades, dimension)).astype(np.float32)
    real, generated = (
        make_statistics(draw(count, dimension, seed + each).features * slopes)
        for each, count in enumerate((2 * dimension + 1, dimension + more))
    )
    assume(len(generated) >= 2 * size)
    groups = jackknife_groups(len(generated), len(generated) // size, np.random.default_rng(seed))
    reference = FrechetReference.of(real)
    fast = frechet._estimate_of_small_groups(reference, generated.features, groups)
    exact = frechet._estimate_of_sums(reference, generated.features, groups)
    size_of_it = float(np.trace(real.covariance) + np.trace(generated.covariance))
    assert fast.value == pytest.approx(exact.value, abs=1e-7 * size_of_it)
    assert fast.standard_error == pytest.approx(exact.standard_error, rel=1e-4, abs=1e-6 * size_of_it)


def test_what_a_groups_image_takes_from_a_diagonal() -> None:
    """One coordinate's share taken from a diagonal: √λ - √(λ - w²), in closed form; nothing takes nothing."""
    values = np.array([9.0, 4.0, 1e-3])
    taken = np.zeros((1, 3))
    assert frechet._root_lost(values, taken) == 0
    for place, amount in ((0, 2.0), (1, 2.0), (2, 0.02)):
        taken = np.zeros((1, 3))
        taken[0, place] = amount
        wanted = np.sqrt(values[place]) - np.sqrt(values[place] - amount**2)
        assert frechet._root_lost(values, taken) == pytest.approx(wanted, abs=2e-6)


def test_standard_error_is_the_spread_of_repetitions() -> None:
    dimension, count, repetitions = 8, 200, 150
    reference = FrechetReference.of(draw(400, dimension, 0))
    estimates = []
    for seed in range(repetitions):
        groups = jackknife_groups(count, 10, np.random.default_rng(seed))
        generated = draw(count, dimension, 10 + seed, shift=0.2, scale=1.2)
        estimates.append(frechet_estimate(reference, generated.features, groups))
    spread = np.std([estimate.value for estimate in estimates], ddof=1)
    typical = np.sqrt(np.mean([estimate.standard_error**2 for estimate in estimates]))
    assert 0.5 < typical / spread < 2

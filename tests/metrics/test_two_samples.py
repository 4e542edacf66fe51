"""Two-sample statistics against scikit-learn, SciPy and definitions, and on samples whose answer is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from sphere_repro.metrics import two_samples as t

DIMENSION = 12


def normal(count: int, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimension))


def drawn(first: np.ndarray, second: np.ndarray, permutations: int = 3) -> tuple[np.ndarray, t.Exchanged]:
    """The pooled points, and the exchanges that `compare` would make of them with seed 0."""
    generator = np.random.default_rng([0, len(first), len(second), first.shape[1]])
    exchanged = t.Exchanged.draw((len(first), len(second)), permutations, generator)
    return np.concatenate([first, second]), exchanged


def areas(points: np.ndarray, exchanged: t.Exchanged, column: int, classify) -> float:  # type: ignore[no-untyped-def]
    """The mean AUC over folds of one column, by scikit-learn; `classify` trains, and scores what is told."""
    labels, found = exchanged.first[:, column], []
    for fold in range(t.FOLDS):
        told = exchanged.folds == fold
        scores = classify(points[~told], labels[~told], points[told])
        found.append(roc_auc_score(labels[told], scores))
    return float(np.mean(found))


@pytest.mark.parametrize("column", [0, 2])
def test_classifiers_are_those_of_scikit_learn(column: int) -> None:
    first, second = normal(43, 1) * 0.7 + 0.2, normal(60, 2)
    points, exchanged = drawn(first, second)
    lengths = (points**2).sum(1)
    scale = lengths.mean()

    def features(some: np.ndarray) -> np.ndarray:
        return np.column_stack([some, ((some**2).sum(1) - scale) / lengths.std()])

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((1 + x[:-1] @ y[:-1] / scale) ** 2 + x[-1] * y[-1])

    def ridge(x: np.ndarray, labels: np.ndarray, told: np.ndarray) -> np.ndarray:
        model = KernelRidge(alpha=t.RIDGE, kernel=kernel).fit(features(x), labels - labels.mean())
        return model.predict(features(told))

    def votes(x: np.ndarray, labels: np.ndarray, told: np.ndarray) -> np.ndarray:
        return KNeighborsClassifier(t.NEAREST).fit(x, labels.astype(int)).predict_proba(told)[:, 1]

    record = t.compare(first, second, permutations=3, seed=0)
    for name, classify in (("quadratic", ridge), ("neighbours", votes)):
        expected = areas(points, exchanged, column, classify)
        if column == 0:
            assert record[name]["value"] == pytest.approx(expected)
            continue
        gram = points @ points.T
        score = t._ridge(gram, exchanged.first) if name == "quadratic" else None
        score = score or t._votes(t._squared_distances(gram), exchanged.first)
        values, _ = t.auc(t._scores(exchanged, score), exchanged)
        assert values[column] == pytest.approx(expected)


def test_mmd_is_its_definition() -> None:
    first, second = normal(15, 3) + 0.5, normal(20, 4)
    points, exchanged = drawn(first, second)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    width = np.median(distances[np.triu_indices(len(points), 1)] ** 2)
    kernel = np.exp(-(distances**2) / (2 * width))
    values, share = t.mmd(distances**2, exchanged.first)
    for column, value in enumerate(values):
        ones = exchanged.first[:, column] == 1
        parts = [kernel[np.ix_(which, which)] for which in (ones, ~ones)]
        inside = [(part.sum() - np.trace(part)) / (len(part) * (len(part) - 1)) for part in parts]
        expected = sum(inside) - 2 * kernel[np.ix_(ones, ~ones)].mean()
        assert value == pytest.approx(expected, abs=1e-12)
        if not column:
            assert share == pytest.approx(expected / sum(inside))


def test_sliced_distance_is_that_of_scipy_on_each_projection() -> None:
    first, second = normal(15, 5) + 0.5, normal(23, 6)
    points, exchanged = drawn(first, second)
    found = t.sliced_wasserstein(points, exchanged.first, np.random.default_rng(7))
    directions = np.random.default_rng(7).standard_normal((DIMENSION, t.SLICES))
    directions /= np.linalg.norm(directions, axis=0)
    for column, value in enumerate(found):
        ones = exchanged.first[:, column] == 1
        each = [stats.wasserstein_distance(points[ones] @ one, points[~ones] @ one) for one in directions.T]
        assert value == pytest.approx(np.mean(each))


def test_a_shift_moves_the_sliced_distance_by_what_it_projects_to() -> None:
    """Of two samples that differ by a shift d alone, each slice's distance is |d·u|."""
    points = normal(40, 8, 3)
    shifted = points + np.array([3.0, 0, 0])
    both = np.concatenate([shifted, points])
    first = np.repeat([1.0, 0.0], 40)[:, None]
    found = t.sliced_wasserstein(both, first, np.random.default_rng(9))
    directions = np.random.default_rng(9).standard_normal((3, t.SLICES))
    expected = 3 * np.abs(directions[0] / np.linalg.norm(directions, axis=0)).mean()
    assert found[0] == pytest.approx(expected)


def test_auc_of_a_shift_is_the_normal_distribution_s() -> None:
    """A classifier of x ~ N(d, 1) against N(0, 1) has the area Φ(d/√2)."""
    first, second = normal(4000, 10, 2), normal(4000, 11, 2)
    first[:, 0] += 1.0
    found = t.compare(first[:1000], second[:1000], permutations=2, seed=1)["quadratic"]
    assert found["value"] == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=4 * found["se"])


def test_standard_error_of_the_area_covers_its_spread() -> None:
    found = [
        t.compare(normal(100, 100 + seed) * 0.8, normal(100, 900 + seed), permutations=2, seed=seed)
        for seed in range(60)
    ]
    for name in t.CLASSIFIERS:
        spread = np.std([one[name]["value"] for one in found])
        stated = np.mean([one[name]["se"] for one in found])
        assert 0.6 * spread < stated < 1.5 * spread


def test_all_told_apart_is_not_certain() -> None:
    found = t.compare(normal(40, 12) + 50, normal(40, 13), permutations=9, seed=0)
    for name in t.CLASSIFIERS:
        assert found[name]["value"] == 1 and found[name]["se"] == pytest.approx(1 / 42)
    assert found["mmd"]["effect"] == pytest.approx(1 - np.exp(-0.5), abs=0.03)
    assert t.smallest_p(found) == pytest.approx(0.4)


def test_p_values_of_one_distribution_are_spread_and_those_of_two_small() -> None:
    same = [
        t.compare(normal(40, seed), normal(40, 500 + seed), permutations=39, seed=3) for seed in range(60)
    ]
    for name in t.STATISTICS:
        ranks = [one[name]["p"] for one in same]
        assert 0.35 < np.mean(ranks) < 0.65
        assert np.mean(np.array(ranks) <= 0.1) < 0.25
    other = t.compare(
        normal(200, 1) * np.where(np.arange(DIMENSION) % 2, 1, 0.5), normal(200, 2), permutations=99, seed=3
    )
    assert all(other[name]["p"] == pytest.approx(0.01) for name in t.STATISTICS)
    assert all(other[name]["standardised"] > 3 for name in t.STATISTICS)


def test_effects_do_not_grow_with_the_count() -> None:
    small, large = (
        t.compare(normal(count, 1) * 0.7, normal(count, 2), permutations=20, seed=4) for count in (200, 1000)
    )
    for name in ("neighbours", "mmd", "wasserstein"):
        assert large[name]["effect"] == pytest.approx(small[name]["effect"], rel=0.5, abs=0.03)
        assert large[name]["standardised"] > 1.5 * small[name]["standardised"]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3))
def test_neither_rotation_nor_unit_changes_what_is_found(seed: int, scale: float) -> None:
    first, second = normal(30, seed) * 0.8 + 0.1, normal(25, seed + 1)
    rotation, _ = np.linalg.qr(normal(DIMENSION, seed + 2))
    before = t.compare(first, second, permutations=9, seed=0)
    after = t.compare(first @ rotation * scale, second @ rotation * scale, permutations=9, seed=0)
    for name in ("quadratic", "mmd"):
        assert after[name]["value"] == pytest.approx(before[name]["value"], rel=1e-6, abs=1e-9)
    # the directions of the slices are others
    assert after["wasserstein"]["value"] / scale == pytest.approx(before["wasserstein"]["value"], rel=0.5)


def test_exchanges_keep_the_samples_of_each_fold() -> None:
    exchanged = t.Exchanged.draw((23, 31), 20, np.random.default_rng(0))
    assert np.bincount(exchanged.folds).tolist() == [12, 11, 11, 10, 10]
    for fold in range(t.FOLDS):
        counts = exchanged.first[exchanged.folds == fold].sum(axis=0)
        assert (counts == counts[0]).all()
    assert all((one != other).any() for one, other in pairwise(exchanged.first.T))


def test_the_same_again_and_other_seeds() -> None:
    first, second = normal(30, 1), normal(30, 2)
    once = t.compare(first, second, permutations=9, seed=0)
    assert once == t.compare(first, second, permutations=9, seed=0)
    assert once != t.compare(first, second, permutations=9, seed=1)


@pytest.mark.filterwarnings("error")
def test_points_that_are_all_alike_are_not_told_apart() -> None:
    alike = np.zeros((20, 3))
    found = t.compare(alike, alike, permutations=9, seed=0)
    assert all(found[name]["p"] == 1 and found[name]["standardised"] == 0 for name in t.STATISTICS)
    assert [found[name]["effect"] for name in t.STATISTICS] == [0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("second", [np.zeros((9, 3)), np.zeros((20, 4))])
def test_too_few_points_or_other_dimensions_are_refused(second: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least 10 points of one dimension"):
        t.compare(np.zeros((20, 3)), second, permutations=9, seed=0)

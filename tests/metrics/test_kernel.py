"""The kernel distance against Clean-FID's and against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from cleanfid.fid import kernel_distance as cleanfid_kernel
from hypothesis import given, settings
from hypothesis import strategies as st

from sphere_repro.metrics import kernel
from sphere_repro.metrics.kernel import kernel_distance
from sphere_repro.metrics.statistics import Estimate


def draw(count: int, dimension: int = 10, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((count, dimension)) + shift).astype(np.float32)


def distance(real: np.ndarray, generated: np.ndarray, subsets: int, size: int, seed: int = 0) -> Estimate:
    return kernel_distance(
        real, generated, subsets=subsets, subset_size=size, generator=np.random.default_rng(seed)
    )


@pytest.mark.parametrize(("subsets", "size"), [(2, 15), (40, 25), (5, 1000)])
def test_is_clean_fids_for_the_same_subsets(subsets: int, size: int) -> None:
    real, generated = draw(60), draw(50, seed=1, shift=0.3)
    np.random.seed(7)
    expected = cleanfid_kernel(real, generated, num_subsets=subsets, max_subset_size=size)
    found = kernel_distance(
        real, generated, subsets=subsets, subset_size=size, generator=np.random.RandomState(7)
    )
    assert found.value == pytest.approx(expected, rel=1e-4)


def test_both_ways_to_the_sums_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(60), draw(50, seed=1, shift=0.3)
    whole = distance(real, generated, 30, 20)
    monkeypatch.setattr(kernel, "WHOLE_LIMIT", 0)
    parts = distance(real, generated, 30, 20)
    assert whole.value == pytest.approx(parts.value, rel=1e-5)
    assert whole.standard_error == pytest.approx(parts.standard_error, rel=1e-5)


def test_definition_by_loops() -> None:
    real, generated = draw(6, 3).astype(float), draw(6, 3, seed=1, shift=0.5).astype(float)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 3 + 1) ** 3)

    pairs = [(i, j) for i in range(6) for j in range(6)]
    within = sum(k(x[i], x[j]) for x in (real, generated) for i, j in pairs if i != j) / 30
    across = sum(k(real[i], generated[j]) for i, j in pairs) / 36
    found = distance(real.astype(np.float32), generated.astype(np.float32), 3, 100)
    assert found.value == pytest.approx(within - 2 * across, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_seed_decides(seed: int) -> None:
    real, generated = draw(30), draw(25, seed=1)
    assert distance(real, generated, 5, 10, seed) == distance(real, generated, 5, 10, seed)
    assert distance(real, generated, 5, 10, seed) != distance(real, generated, 5, 10, seed + 1)


def test_same_distribution_is_zero_within_its_error_and_another_is_not() -> None:
    real = draw(400)
    same = distance(real, draw(400, seed=1), 50, 200)
    other = distance(real, draw(400, seed=1, shift=0.5), 50, 200)
    assert abs(same.value) < 4 * same.standard_error
    assert other.value > 10 * other.standard_error


@pytest.mark.parametrize("size", [100, 1000])
def test_standard_error_is_the_spread_of_repetitions(size: int) -> None:
    real = draw(300)
    estimates = [distance(real, draw(150, seed=seed, shift=0.2), 40, size, seed) for seed in range(1, 121)]
    spread = np.std([estimate.value for estimate in estimates], ddof=1)
    typical = np.sqrt(np.mean([estimate.standard_error**2 for estimate in estimates]))
    assert 0.5 < typical / spread < 2


def test_one_image_is_too_few() -> None:
    with pytest.raises(ValueError, match="two images"):
        distance(draw(1), draw(5), 2, 10)

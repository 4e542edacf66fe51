"""Moments, their file, and jackknife groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphere_repro.errors import UserError
from sphere_repro.metrics.statistics import (
    Statistics,
    jackknife_error,
    jackknife_groups,
    load_statistics,
    make_statistics,
    save_statistics,
)


def draw(count: int = 20, dimension: int = 5, seed: int = 0) -> Statistics:
    return make_statistics(np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32))


def test_moments_are_numpys_in_float64() -> None:
    statistics = draw()
    exact = statistics.features.astype(np.float64)
    assert statistics.mean.dtype == statistics.covariance.dtype == np.float64
    np.testing.assert_allclose(statistics.mean, exact.mean(0), rtol=1e-14)
    np.testing.assert_allclose(statistics.covariance, np.cov(exact, rowvar=False), rtol=1e-13)


def test_large_offset_does_not_spoil_the_covariance() -> None:
    offset = make_statistics(draw(200).features + np.float32(4096))
    spread = np.diag(offset.covariance)
    assert np.all((spread > 0.5) & (spread < 2))


@pytest.mark.parametrize("features", [np.zeros((1, 3)), np.zeros(3), np.full((4, 2), np.nan)])
def test_refuses_what_has_no_moments(features: np.ndarray) -> None:
    with pytest.raises(ValueError):
        make_statistics(features.astype(np.float32))


def test_file_keeps_everything_and_repeats_its_bytes(tmp_path: Path) -> None:
    statistics = draw()
    first, second = tmp_path / "a.npz", tmp_path / "deep" / "b.npz"
    save_statistics(first, statistics)
    save_statistics(second, draw())
    assert first.read_bytes() == second.read_bytes()
    loaded = load_statistics(first)
    np.testing.assert_array_equal(loaded.features, statistics.features)
    np.testing.assert_array_equal(loaded.mean, statistics.mean)
    np.testing.assert_array_equal(loaded.covariance, statistics.covariance)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "deep"]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damage") / "a.npz"
    save_statistics(path, draw(6, 3))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:
        loaded = load_statistics(path)
    except UserError as error:
        assert str(path) in str(error)
    else:  # a byte that carries nothing, such as a date
        np.testing.assert_array_equal(loaded.features, draw(6, 3).features)


@pytest.mark.parametrize(
    "arrays",
    [
        {"features": np.zeros((3, 2), np.float32), "mean": np.zeros(2)},
        {"features": np.zeros((3, 2), np.float32), "mean": np.zeros(3), "covariance": np.zeros((2, 2))},
        {"features": np.zeros((3, 2)), "mean": np.zeros(2), "covariance": np.zeros((2, 2))},
        {"features": np.zeros(3, np.float32), "mean": np.zeros(2), "covariance": np.zeros((2, 2))},
        {
            "features": np.zeros((3, 2), np.float32),
            "mean": np.full(2, np.nan),
            "covariance": np.zeros((2, 2)),
        },
    ],
)
def test_foreign_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match="make it again"):
        load_statistics(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18)])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="make it again"):
        load_statistics(path)
    with pytest.raises(UserError, match="do not exist"):
        load_statistics(tmp_path / "missing.npz")


def test_a_plain_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match="make it again"):
        load_statistics(path)


@given(groups=st.integers(2, 20), extra=st.integers(0, 100))
def test_groups_are_disjoint_and_of_one_size(groups: int, extra: int) -> None:
    count = groups + extra + 2
    chosen = jackknife_groups(count, groups, np.random.default_rng(0))
    assert chosen.shape == (groups, count // groups)
    assert len(np.unique(chosen)) == chosen.size
    assert chosen.min() >= 0 and chosen.max() < count


@pytest.mark.parametrize(("count", "groups"), [(5, 6), (2, 2), (1, 2)])
def test_too_few_images_for_the_groups(count: int, groups: int) -> None:
    with pytest.raises(UserError, match="jackknife_groups"):
        jackknife_groups(count, groups, np.random.default_rng(0))


def test_jackknife_of_a_mean_is_the_textbook_error() -> None:
    values = np.random.default_rng(1).standard_normal(50)
    replicates = (values.sum() - values) / 49
    assert jackknife_error(replicates) == pytest.approx(values.std(ddof=1) / np.sqrt(50), rel=1e-12)

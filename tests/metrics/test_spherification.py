"""The law of the noise angle: against noncentral t, against draws, and what is told of real angles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from sphere_repro.metrics import spherification
from sphere_repro.sampling.noising import FEWEST_DRAWS, QUARTERS, angle, noised
from sphere_repro.sphere import spherify

ANGLES = np.linspace(1.0, 179.0, 90)


def latents(count: int = 50, dimension: int = 24) -> np.ndarray:
    points = torch.randn(count, dimension, generator=torch.Generator().manual_seed(0))
    return spherify(points).numpy()


def reached(dimension: int, sigma: np.ndarray | float, count: int = 200_000) -> np.ndarray:
    """Angles in degrees by a second way: vectors' first axis is v, and the norm of the others is drawn."""
    random = np.random.default_rng(1)
    along = np.sqrt(dimension) + sigma * random.standard_normal(count)
    across = sigma * np.sqrt(random.chisquare(dimension - 1, count))
    return np.degrees(np.arctan2(across, along))


@pytest.mark.parametrize("dimension", [6, 128, 4096])
@pytest.mark.parametrize("alpha", [30.0, 80.0, 88.0])
def test_the_law_is_the_noncentral_t(dimension: int, alpha: float) -> None:
    sigma = np.tan(np.radians(alpha))
    found = spherification.at_strength(ANGLES, dimension, sigma)
    cotangents = np.sqrt(dimension - 1) / np.tan(np.radians(ANGLES))
    expected = stats.nct.sf(cotangents, dimension - 1, np.sqrt(dimension) / sigma)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (np.diff(found) >= -1e-12).all()


@pytest.mark.parametrize("dimension", [3, 32, 2048])
@pytest.mark.parametrize("alpha", [20.0, 80.0])
def test_both_laws_agree_with_draws(dimension: int, alpha: float) -> None:
    """With 200 000 draws chance makes a distance above 0.004 once in a thousand times."""
    sigma = float(np.tan(np.radians(alpha)))
    full = reached(dimension, sigma)
    grid = np.linspace(0, full.max(), 4001)
    laws = spherification.at_strength(grid, dimension, sigma)
    assert spherification.distance(full, lambda x: np.interp(x, grid, laws)) < 4.5e-3
    some = reached(dimension, sigma * np.random.default_rng(2).random(200_000))
    grid = np.linspace(0, some.max(), 801)
    laws = spherification.at_any_strength(grid, dimension, sigma)
    assert spherification.distance(some, lambda x: np.interp(x, grid, laws)) < 4.5e-3


def test_many_dimensions_turn_by_the_noises_angle_alone() -> None:
    law = spherification.at_strength(np.array([78.0, 80.0, 82.0]), 10**5, np.tan(np.radians(80)))
    assert law[0] < 1e-6 and law[1] == pytest.approx(0.5, abs=0.01) and law[2] > 1 - 1e-6


def test_distance_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0.2, 1.0, 300)
    expected = stats.kstest(values, stats.norm.cdf).statistic
    assert spherification.distance(values, stats.norm.cdf) == pytest.approx(expected)


def test_angles_are_those_of_the_noise() -> None:
    """Angles of latents against arccos of their cosines, planes against the angles that they show."""
    points = latents()
    found = noised(points, 70.0, (3,))
    assert len(found["angle_full"]) == len(found["angle_any"]) == FEWEST_DRAWS
    assert found["angle_any"].mean() < found["angle_full"].mean()
    one, other = torch.from_numpy(points[:10]), torch.from_numpy(points[10:20])
    cosines = (one.double() * other.double()).sum(1) / one.double().norm(dim=1) / other.double().norm(dim=1)
    np.testing.assert_allclose(angle(one, other), np.degrees(np.arccos(cosines.numpy())), atol=1e-6)
    assert found["shown_angle"].tolist() == [70 * share for share in QUARTERS]
    before, after = found["shown"][:, :, 0], found["shown"][:, :, 1]
    np.testing.assert_allclose(np.linalg.norm(after, axis=-1), 1, atol=1e-4)  # on the sphere
    directions = [np.arctan2(points[..., 1], points[..., 0]) for points in (before, after)]
    np.testing.assert_allclose(*directions, atol=1e-5)  # re-projection leaves the direction
    # the noise of each latent is one draw, scaled by tan α: what it moves grows in proportion
    moved = (before - np.array([1.0, 0.0])) / np.tan(np.radians(found["shown_angle"]))[None, :, None]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=1e-4)
    again = noised(points, 70.0, (3,))
    assert all(np.array_equal(found[name], again[name]) for name in found)
    assert not np.array_equal(noised(points, 70.0, (4,))["angle_full"], found["angle_full"])


def test_what_is_told_is_of_the_draws() -> None:
    found = noised(latents(), 60.0, (3,))
    told = spherification.judge(found, 24)
    for name in ("full", "any"):
        part, angles = told[name], found[f"angle_{name}"]
        assert part["draws"] == len(angles) and part["distance"] < 0.025
        assert part["reached"] == pytest.approx(np.quantile(angles, (0.05, 0.5, 0.95)))
        assert part["expected"] == pytest.approx(part["reached"], abs=2.5)
        assert sum(part["share"]) == pytest.approx(1) and sum(part["law"]) == pytest.approx(1, abs=5e-3)
        edges = np.array(part["edges"])
        counted = [((angles >= low) & (angles < high)).mean() for low, high in itertools.pairwise(edges)]
        np.testing.assert_allclose(part["share"], counted)
        np.testing.assert_allclose(part["law"], part["share"], atol=0.02)


def test_latents_off_the_sphere_miss_the_law() -> None:
    """Points of another length turn by other angles: the distance sees it."""
    far = spherification.judge(noised(2 * latents(), 60.0, (3,)), 24)
    assert far["full"]["distance"] > 0.2

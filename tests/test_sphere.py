"""Identities and properties of the sphere's geometry."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro import sphere
from sphere_repro.seeds import Random
from sphere_repro.training.numbers import numbers_of

SHAPE = (16, 8)


def points(count: int = 4, seed: int = 0) -> torch.Tensor:
    return sphere.spherify(torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed)))


@given(st.integers(1, 5), st.integers(2, 40), st.floats(0.01, 1e4))
def test_norm_is_root_of_the_dimension(count: int, size: int, scale: float) -> None:
    z = scale * torch.randn(count, size, 3, generator=torch.Generator().manual_seed(size))
    norms = sphere.spherify(z).flatten(1).norm(dim=1)
    # the 1e-6 under the root shortens only tiny inputs
    mean = z.flatten(1).pow(2).mean(1)
    assert torch.allclose(norms, math.sqrt(size * 3) * (mean / (mean + 1e-6)).sqrt(), rtol=1e-4)


def test_one_sphere_per_image_not_per_token() -> None:
    z = torch.cat([torch.ones(1, 1, 4), 3 * torch.ones(1, 1, 4)], dim=1)
    first, second = sphere.spherify(z)[0]
    assert torch.allclose(second, 3 * first)


def test_zero_noise_is_identity_bit_for_bit() -> None:
    v = points()
    assert torch.equal(sphere.turn(v, torch.randn(v.shape), 0.0), v)
    mixed = sphere.turn(v, torch.randn(v.shape), torch.tensor([0.0, 1.0, 0.0, 2.0]))
    assert torch.equal(mixed[0], v[0]) and torch.equal(mixed[2], v[2])
    assert not torch.equal(mixed[1], v[1])


@given(st.floats(0, 89.9))
def test_angle_to_sigma_and_back(angle: float) -> None:
    assert sphere.sigma_to_angle(sphere.angle_to_sigma(angle)) == pytest.approx(angle, abs=1e-9)


@pytest.mark.parametrize("angle", [-1.0, 90.0, 120.0])
def test_angles_outside_the_range_are_refused(angle: float) -> None:
    with pytest.raises(ValueError, match="angle"):
        sphere.angle_to_sigma(angle)


@pytest.mark.parametrize("angle", [10.0, 45.0, 80.0])
def test_noise_turns_a_point_by_about_its_angle(angle: float) -> None:
    v = sphere.spherify(torch.randn(8, 256, 32, generator=torch.Generator().manual_seed(0)))
    noise = torch.randn(v.shape, generator=torch.Generator().manual_seed(1))
    turned = sphere.turn(v, noise, sphere.angle_to_sigma(angle))
    cosine = torch.nn.functional.cosine_similarity(v.flatten(1), turned.flatten(1))
    assert torch.allclose(torch.rad2deg(torch.acos(cosine)), torch.full((8,), angle), atol=2.0)


@pytest.mark.parametrize("random", ["torch", "philox"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 64])
def test_stratified_radii(count: int, random: Random) -> None:
    radii = sphere.stratified_radii(count, numbers_of(random, count, 2 * count)).sort().values
    assert radii.shape == (count,) and bool(((radii >= 0) & (radii <= 1)).all())
    if count >= 2:
        assert radii[0] == 0 and radii[-1] == 1
    inner = radii[1:-1] * (count - 2)
    for index, value in enumerate(inner.tolist()):
        assert index + 0.99e-3 <= value <= index + 1 + 1e-5


@pytest.mark.parametrize("random", ["torch", "philox"])
def test_radii_are_shuffled(random: Random) -> None:
    draws = [sphere.stratified_radii(16, numbers_of(random, seed, 32)).argmax().item() for seed in range(20)]
    assert len(set(draws)) > 5


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sphere.stratified_radii(0, numbers_of("torch", 0, 0))


def test_hard_cases_reach_beyond_one_and_only_where_chosen() -> None:
    radii = torch.tensor([0.0, 1.0, 0.5, 0.25])
    choice = torch.tensor([0.05, 0.2, 0.1, 0.9])
    hard = sphere.harden(radii, choice, choice, probability=0.1, angles=(80.0, 85.0))
    ratio = math.tan(math.radians(85)) / math.tan(math.radians(80)) - 1
    assert hard.tolist() == pytest.approx([1 + 0.05 * ratio, 1.0, 1 + 0.1 * ratio, 0.25], rel=1e-5)
    still = sphere.harden(radii, choice, choice, probability=0.0, angles=(0.0, 5.0))  # no noise at all
    assert torch.equal(still, radii)
    none = sphere.harden(radii, torch.zeros(4), torch.zeros(4), probability=0.0, angles=(80.0, 85.0))
    assert torch.equal(none, radii)


def test_mix_keeps_the_corners_and_stays_on_the_sphere() -> None:
    corners = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3))
    path = sphere.mix(corners, torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert torch.allclose(path[[0, 2]], sphere.spherify(corners))
    assert torch.allclose(path.flatten(1).norm(dim=1), torch.full((3,), math.sqrt(128.0)), rtol=1e-5)

"""Uniformity statistics: what they say of clouds whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sphere_repro.errors import UserError
from sphere_repro.metrics import uniformity as module
from sphere_repro.study import config

DIMENSION = 40


def uniform(count: int, dimension: int = DIMENSION, seed: int = 0) -> np.ndarray:
    return module.uniform_points(count, dimension, np.random.default_rng(seed))


def leaning(count: int, lean: float, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    points[:, 0] += lean
    return module.unit(points)


def test_single_direction_has_the_largest_values() -> None:
    points = np.tile(uniform(1), (10, 1))
    found = module.measure(points)
    assert found.mean_resultant_length == pytest.approx(1)
    assert found.anisotropy == pytest.approx(DIMENSION)
    assert found.log_potential == pytest.approx(0)
    assert found.rayleigh == pytest.approx(10 * DIMENSION)


def test_orthogonal_points_by_hand() -> None:
    points = np.eye(4)
    assert module.mean_resultant_length(points) == pytest.approx(0.5)
    assert module.rayleigh(points) == pytest.approx(4)
    assert module.anisotropy(points) == pytest.approx(0)
    assert module.log_potential(points) == pytest.approx(-4)


def test_antipodal_pairs_are_seen_by_anisotropy_alone() -> None:
    half = leaning(60, 8.0)
    points = np.concatenate([half, -half])
    assert module.mean_resultant_length(points) < 1e-12
    assert module.anisotropy(points) > 10


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(3, 40), dimension=st.integers(2, 60))
def test_rotation_changes_nothing(seed: int, count: int, dimension: int) -> None:
    generator = np.random.default_rng(seed)
    points = module.uniform_points(count, dimension, generator)
    rotation, _ = np.linalg.qr(generator.standard_normal((dimension, dimension)))
    before, after = module.measure(points), module.measure(points @ rotation)
    assert after.mean_resultant_length == pytest.approx(before.mean_resultant_length, abs=1e-9)
    assert after.anisotropy == pytest.approx(before.anisotropy, abs=1e-9)
    assert after.log_potential == pytest.approx(before.log_potential, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(3, 40))
def test_gram_route_agrees_with_the_definition(seed: int, count: int) -> None:
    points = leaning(count, 2.0, seed)
    found = module.measure(points)
    assert found.mean_resultant_length == pytest.approx(module.mean_resultant_length(points))
    assert found.rayleigh == pytest.approx(module.rayleigh(points))


@pytest.mark.parametrize("rows", [1, 7, 128])
def test_what_a_null_is_of_is_measured_alike_in_blocks_of_rows(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = leaning(20, 2.0)
    monkeypatch.setattr(module, "ROWS", rows)
    found, whole = module._tested(points, DIMENSION), module.measure(points)
    assert found == pytest.approx({name: getattr(whole, name) for name in module.TESTED}, rel=1e-12)


def test_null_is_the_same_whichever_way_it_is_drawn() -> None:
    """Beyond n dimensions the clouds come from the Bartlett factor: same distribution as the plain draw."""
    generator = np.random.default_rng(3)
    plain = [module.measure(module.uniform_points(20, 50, generator)) for _ in range(400)]
    null = module.null_distribution(20, 50, 400, seed=4)
    for name in module.TESTED:
        expected = np.array([getattr(found, name) for found in plain])
        assert null[name].mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(200))
        assert null[name].std() == pytest.approx(expected.std(), rel=0.2)


def test_p_values_of_uniform_clouds_are_spread_and_those_of_others_small() -> None:
    null = module.null_distribution(50, DIMENSION, 199, seed=1)
    clouds = [module.measure(uniform(50, seed=seed)) for seed in range(60)]
    ranks = [module.compare(cloud, null)["mean_resultant_length"]["p"] for cloud in clouds]
    assert 0.35 < np.mean(ranks) < 0.65
    record = module.compare(module.measure(leaning(50, 2.0)), null)
    assert record["mean_resultant_length"]["p"] == pytest.approx(1 / 200)
    assert record["mean_resultant_length"]["standardised"] > 5
    assert record["rayleigh"]["p_chi_squared"] < 1e-6


def test_effect_size_does_not_grow_with_the_count() -> None:
    small, large = module.measure(leaning(100, 2.0)), module.measure(leaning(2000, 2.0))
    assert small.mean_cosine == pytest.approx(large.mean_cosine, abs=4 * small.mean_cosine_se)
    assert large.rayleigh > 10 * small.rayleigh


def test_standard_error_covers_the_spread_between_clouds() -> None:
    found = [module.measure(leaning(80, 2.0, seed)) for seed in range(200)]
    for name in ("mean_cosine", "anisotropy", "log_potential"):
        spread = np.std([getattr(one, name) for one in found])
        stated = np.mean([getattr(one, f"{name}_se") for one in found])
        assert 0.7 * spread < stated < 1.5 * spread


def test_projection_is_on_the_sphere_and_the_same_each_time() -> None:
    points = module.project(uniform(30), seed=5)
    assert points.shape == (module.VIEWS, 30, 3)
    assert np.linalg.norm(points, axis=2) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(points, module.project(uniform(30), seed=5))
    assert not np.array_equal(points, module.project(uniform(30), seed=6))
    assert not np.array_equal(points[0], points[1])
    assert np.array_equal(points[:1], module.project(uniform(30), seed=5, views=1))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.zeros((6, 3)), np.full((6, 3), np.nan), np.full((6, 3), 1e200)])
def test_points_without_direction_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(UserError, match="Row 0 of latents has no direction"):
        module.unit(bad, "latents")


def write_latents(path: Path, points: np.ndarray, classes: int = 3) -> Path:
    pixels = np.random.default_rng(9).uniform(-1, 0.2, (len(points), 27))
    labels = np.arange(len(points)) % classes
    np.savez(path, latents=points.astype(np.float32), labels=labels, pixels=pixels.astype(np.float32))
    return path


def judge(tmp_path: Path, out: str = "out.json", **changes: object) -> dict[str, object]:
    settings = config.Uniformity(count=60, null_draws=50)
    arguments: dict[str, object] = {"run": "digits", "classes": 3, "settings": settings, "seed": 7} | changes
    latents = write_latents(tmp_path / "latents.npz", uniform(60) * np.sqrt(DIMENSION))
    module.uniformity(latents, tmp_path / out, **arguments)  # type: ignore[arg-type]
    return json.loads((tmp_path / out).read_text())


def test_verb_tells_uniform_from_not(tmp_path: Path) -> None:
    baseline = write_latents(tmp_path / "vae.npz", leaning(60, 3.0))
    result = judge(tmp_path, baseline=baseline, baseline_run="digits-vae")
    clouds = {cloud["key"]: cloud for cloud in result["clouds"]}  # type: ignore[attr-defined]
    assert list(clouds) == ["latents", "baseline", "pixels", "uniform"]
    p = {key: cloud["overall"]["mean_resultant_length"]["p"] for key, cloud in clouds.items()}
    assert p["latents"] > 0.01 < p["uniform"]
    assert p["baseline"] < 0.03 > p["pixels"]
    assert [group["class"] for group in clouds["latents"]["classes"]] == [0, 1, 2]
    assert clouds["latents"]["overall"]["count"] == 60
    gaps: Any = result["prior_gap"]
    assert {name: gap["prior"] for name, gap in gaps.items()} == {"latents": "sphere", "baseline": "normal"}
    areas = {name: gap["gap"]["quadratic"]["value"] for name, gap in gaps.items()}
    assert areas["latents"] < 0.7 < 0.99 < areas["baseline"]  # the VAE's lie on a unit sphere, far within
    with np.load(tmp_path / "out.npz") as stored:
        assert stored["pixels"].shape == (4, 60, 3)
        assert stored["baseline_labels"].tolist() == [index % 3 for index in range(60)]


def test_same_input_same_bytes(tmp_path: Path) -> None:
    judge(tmp_path, "a.json")
    judge(tmp_path, "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_without_classes_there_is_one_group(tmp_path: Path) -> None:
    result = judge(tmp_path, classes=0)
    assert all(cloud["classes"] == [] for cloud in result["clouds"])  # type: ignore[attr-defined]


def test_mistakes_are_named(tmp_path: Path) -> None:
    arguments = {"run": "r", "classes": 0, "settings": config.Uniformity(count=60, null_draws=20), "seed": 0}
    missing = tmp_path / "missing.npz"
    with pytest.raises(UserError, match=r"missing\.npz do not exist"):
        module.uniformity(missing, tmp_path / "o.json", **arguments)  # type: ignore[arg-type]
    broken = tmp_path / "broken.npz"
    np.savez(broken, latents=uniform(30), labels=np.zeros(30, int))
    with pytest.raises(UserError, match="no readable array 'pixels'"):
        module.uniformity(broken, tmp_path / "o.json", **arguments)  # type: ignore[arg-type]
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(UserError, match="broken"):
        module.uniformity(broken, tmp_path / "o.json", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "o.json").exists()


@pytest.mark.filterwarnings("error")
def test_orthogonal_points_use_every_axis() -> None:
    null = module.null_distribution(6, 6, 20, seed=0)
    assert module.compare(module.measure(np.eye(6)), null)["effective_dimension"] == 6

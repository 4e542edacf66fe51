"""How far latents are from a prior: what is found of samples whose distance is known, and the controls."""

from __future__ import annotations

import numpy as np
import pytest

from sphere_repro.metrics import prior_gap as module
from sphere_repro.metrics import two_samples
from sphere_repro.metrics.two_samples import CLASSIFIERS, smallest_p

DIMENSION = 32


def normal(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, DIMENSION))


def gap(latents: np.ndarray, prior: str = "normal") -> dict:  # type: ignore[type-arg]
    found = module.prior_gap(latents, prior, permutations=99, seed=3)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("prior", ["normal", "sphere"])
def test_the_prior_itself_is_not_found_and_a_gap_is(prior: str) -> None:
    found = gap(normal(400) * (7.0 if prior == "sphere" else 1.0), prior)  # of the sphere directions count
    for name in ("gap", "same"):
        assert smallest_p(found[name]) > 0.05
        assert found[name]["quadratic"]["value"] == pytest.approx(0.5, abs=0.1)
    assert all(found["planted"][name]["p"] == pytest.approx(0.01) for name in CLASSIFIERS)
    assert found["planted"]["quadratic"]["value"] > 0.75
    assert (found["count"], found["dimension"], found["permutations"]) == (400, DIMENSION, 99)


def test_a_narrow_posterior_is_found_by_the_normal_prior_and_not_by_the_sphere() -> None:
    narrow = normal(400) * 0.5
    assert gap(narrow)["gap"]["quadratic"]["value"] > 0.95
    assert smallest_p(gap(narrow, "sphere")["gap"]) > 0.05


def test_a_shift_of_one_deviation_has_its_size() -> None:
    shifted = normal(600)
    shifted += 1 / np.sqrt(DIMENSION)  # one deviation along the diagonal: Φ(1/√2) = 0.76 at best
    found = gap(shifted)["gap"]
    assert 0.6 < found["quadratic"]["value"] < 0.78
    assert found["wasserstein"]["effect"] == pytest.approx(
        np.sqrt(2 / np.pi / DIMENSION), rel=0.25
    )  # |d·u| on average


def test_latents_on_the_sphere_have_its_radius() -> None:
    assert np.linalg.norm(module.on_sphere(normal(9) * 5), axis=1) == pytest.approx(np.sqrt(DIMENSION))


def test_of_very_many_some_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 50)
    assert gap(normal(80))["count"] == 50


def test_too_few_latents_say_nothing() -> None:
    few = normal(two_samples.FEWEST - 1)
    assert module.prior_gap(few, "normal", permutations=20, seed=0) is None

"""Steps that sets have in common are taken once, and the images are those of each set by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.sampling import known_steps, refine
from sphere_repro.sampling.known_steps import KnownSteps
from sphere_repro.sampling.painting import generations
from sphere_repro.study.generation import Generation, Guidance

LABELS = np.arange(6) % 3
# each with the steps after the first that no set before it has taken
SETS = (
    (Generation(steps=1), 0),
    (Generation(steps=2), 1),
    (Generation(steps=4), 2),
    (Generation(steps=3), 0),
    (Generation(steps=4, noise="independent"), 2),  # the first noise is the shared one
    (Generation(steps=4, noise="initial"), 3),
    (Generation(steps=4, strength="linear"), 3),
    (Generation(steps=4, strength="linear", noise="independent"), 2),
    (Generation(steps=2, guidance=Guidance(scale=1.5, position="dec")), 1),
)


def paint(
    model: SphereAutoencoder,
    generation: Generation,
    known: KnownSteps | None = None,
    *,
    seed: int = 0,
    labels: np.ndarray = LABELS,
    indices: range = range(3),
) -> Tensor:
    return generations(Checkpoint(model, 80.0), (seed, "run"), generation, labels, known=known)(indices)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The scale of each step after the first, as they are taken."""
    found: list[float] = []
    original = refine.refine
    monkeypatch.setattr(refine, "refine", lambda *given: found.append(given[4]) or original(*given))
    return found


def test_sets_go_on_from_one_another_in_the_same_images(
    lively: SphereAutoencoder, taken: list[float]
) -> None:
    known = KnownSteps()
    for generation, steps in SETS:
        wanted = paint(lively, generation)
        taken.clear()
        assert torch.equal(paint(lively, generation, known), wanted), generation.name
        assert len(taken) == steps, generation.name


@pytest.mark.parametrize("other", [{"seed": 1}, {"labels": LABELS[::-1].copy()}, {"indices": range(3, 6)}])
def test_other_samples_are_not_taken_for_these(lively: SphereAutoencoder, other: dict) -> None:
    known, generation = KnownSteps(), Generation(steps=2)
    paint(lively, generation, known)
    assert torch.equal(paint(lively, generation, known, **other), paint(lively, generation, **other))


def test_what_does_not_fit_is_drawn_again(
    lively: SphereAutoencoder, taken: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = paint(lively, Generation(steps=1))
    monkeypatch.setattr(known_steps, "REMEMBERED", 2 * one.numel() * one.element_size())
    known, generation = KnownSteps(), Generation(steps=4)
    wanted = paint(lively, generation)
    for steps in (3, 2):  # of four images those after the first two steps are kept
        taken.clear()
        assert torch.equal(paint(lively, generation, known), wanted)
        assert len(taken) == steps

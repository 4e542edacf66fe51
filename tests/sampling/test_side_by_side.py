"""Refinements side by side are, to the bit, what each is alone, whatever a larger batch does to a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from small_models import ANGLE, model_of
from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.sampling import refine
from sphere_repro.sampling.side_by_side import generate_falling, keeps_bits
from sphere_repro.study.generation import Generation

FIVE = Generation(steps=5, strength="linear")
COUNT = 4


class Batches:
    """Counts the images of each pass of a model's decoder, and may move their bits where there are many."""

    def __init__(self, model: SphereAutoencoder, moved: float = 0.0) -> None:
        self.model, self.moved, self.sizes = model, moved, list[int]()
        self.decode = model.decode
        model.decode = self  # type: ignore[method-assign, assignment]

    def __call__(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.sizes.append(len(z))
        return self.decode(z, labels) + (self.moved if len(z) > COUNT else 0.0)


def given(model: Any) -> tuple[Any, ...]:
    shape = (model.shape.tokens, model.shape.token_channels)
    noise = refine.sample_noise((1,), range(COUNT), shape, refine.draws(FIVE))
    return model, noise[0], noise[1:], refine.condition(model, torch.tensor([0, 1, 2, 0])), ANGLE


def alone(model: Any) -> list[Tensor]:
    each = [FIVE.model_copy(update={"steps": steps}) for steps in range(1, 6)]
    return [refine.generate(*given(model), one) for one in each]


def test_where_a_batch_keeps_the_bits_each_step_is_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sphere_repro.sampling.side_by_side.keeps_bits", lambda *_asked: True)
    model = model_of("sphere")
    expected, batches = alone(model), Batches(model)
    found = generate_falling(*given(model), FIVE)
    assert batches.sizes == [COUNT * refinements for refinements in (1, 4, 3, 2, 1)]
    for one, other in zip(found, expected, strict=True):  # to rounding: what a batch keeps is the machine's
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_where_a_batch_moves_bits_they_go_one_by_one() -> None:
    model = model_of("sphere")
    expected, batches = alone(model), Batches(model, moved=2**-20)
    assert keeps_bits(model, COUNT, 1) and not keeps_bits(model, COUNT, 2)
    found = generate_falling(*given(model), FIVE)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    batches.sizes.clear()
    generate_falling(*given(model), FIVE)
    assert batches.sizes == [COUNT] * (1 + 4 + 3 + 2 + 1)

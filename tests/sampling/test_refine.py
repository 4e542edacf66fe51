"""Sampling: seeds, schemes, guidance, editing, interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.sampling import refine
from sphere_repro.sphere import spherify
from sphere_repro.study.generation import Generation, Guidance, Scheme

ANGLE = 80.0


def noise(count, draws, start=0):
    return refine.sample_noise((0, "run"), range(start, start + count), (16, 8), draws)


def draw(model, count, generation, start=0):
    e = noise(count, generation.steps, start)
    labels = torch.arange(start, start + count) % 3
    asked = refine.condition(model, labels, generation.guidance)
    return refine.generate(model, e[0], e[1:], asked, ANGLE, generation)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_sample_i_is_the_same_whatever_the_batch(lively, size):
    generation = Generation(steps=4, noise="independent")
    whole = draw(lively, 64, generation)
    parts = [draw(lively, min(size, 64 - start), generation, start) for start in range(0, 64, size)]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-4)
    difference = refine.to_bytes(torch.cat(parts)).int() - refine.to_bytes(whole).int()
    assert difference.abs().max() <= 1


def test_the_first_draws_do_not_depend_on_how_many_follow():
    assert torch.equal(noise(3, 1)[0], noise(3, 5)[0])
    assert not torch.equal(noise(1, 1, start=0), noise(1, 1, start=1))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_shared_noise_differs_from_independent_only_from_the_third_step_on(lively, steps):
    shared = draw(lively, 4, Generation(steps=steps, noise="shared"))
    independent = draw(lively, 4, Generation(steps=steps, noise="independent"))
    assert torch.equal(shared, independent) == (steps < 3)


@pytest.mark.parametrize(
    ("steps", "noise_of", "drawn"),
    [
        *((1, "shared", 1), (2, "shared", 2), (40, "shared", 2)),
        *((1, "independent", 1), (4, "independent", 4), (1, "initial", 1), (4, "initial", 1)),
    ],
)
def test_no_noise_is_drawn_that_no_step_uses(lively, steps, noise_of, drawn):
    generation = Generation(steps=steps, noise=noise_of)
    assert refine.draws(generation) == drawn
    asked = refine.condition(lively, torch.arange(3) % 3)
    many, few = noise(3, steps), noise(3, drawn)
    wanted = refine.generate(lively, many[0], many[1:], asked, ANGLE, generation)
    assert torch.equal(refine.generate(lively, few[0], few[1:], asked, ANGLE, generation), wanted)


def test_initial_noise_is_the_first_draw_again(lively):
    """The other reading of the algorithm: shared noise, if what is shared were e₀."""
    e = noise(4, 1)
    asked = refine.condition(lively, torch.arange(4) % 3)
    for strength in ("fixed", "linear"):
        initial = Generation(steps=5, strength=strength, noise="initial")
        shared = initial.model_copy(update={"noise": "shared"})
        wanted = refine.generate(lively, e[0], e, asked, ANGLE, shared)
        assert torch.equal(refine.generate(lively, e[0], e[1:], asked, ANGLE, initial), wanted)


def test_a_set_draws_no_more_than_it_uses(lively, monkeypatch):
    from sphere_repro.models.checkpoint import Checkpoint
    from sphere_repro.sampling.painting import generations

    asked_for = []
    original = refine.sample_noise
    monkeypatch.setattr(refine, "sample_noise", lambda *given: asked_for.append(given[3]) or original(*given))
    for steps in (1, 6):
        labels = np.arange(3) % lively.shape.classes
        paint = generations(Checkpoint(lively, ANGLE), (0, "run"), Generation(steps=steps), labels)
        assert torch.equal(paint(range(3)), draw(lively, 3, Generation(steps=steps)))
    assert asked_for[:1] + asked_for[2:3] == [1, 2]


def test_linear_strength_falls_to_nothing():
    assert refine.strengths(Scheme(strength="linear"), 3, 4) == pytest.approx([0.75, 0.5, 0.25])
    assert refine.strengths(Scheme(strength="fixed"), 3, 4) == [1.0, 1.0, 1.0]


def test_guidance_of_one_is_a_single_conditional_pass(lively):
    calls = []
    encode = lively.encode
    lively.encode = lambda *a: calls.append(1) or encode(*a)
    draw(lively, 2, Generation(steps=3))
    assert len(calls) == 2
    draw(lively, 2, Generation(steps=3, guidance=Guidance(scale=1.5, position="enc")))
    assert len(calls) == 2 + 4


@pytest.mark.parametrize("position", ["dec", "combo"])
def test_guided_pixels_stay_in_range(lively, position):
    x = draw(lively, 8, Generation(steps=2, guidance=Guidance(scale=9.0, position=position)))
    assert x.abs().max() <= 1


def test_encoder_guidance_does_not_act_in_the_first_step(lively):
    guided = draw(lively, 4, Generation(steps=1, guidance=Guidance(scale=3.0, position="enc")))
    assert torch.equal(guided, draw(lively, 4, Generation(steps=1)))


def test_edit_without_noise_is_repeated_reconstruction(lively):
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    y = torch.tensor([0, 1])
    images = refine.edit(
        lively, x, noise(2, 3), refine.condition(lively, y), ANGLE, Scheme(), strength=0.0, steps=3
    )
    expected = x
    for image in images:
        expected = refine.reconstruct(lively, expected, y)
        assert torch.allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("cut", ["left-right", "top-bottom", "diagonal", "antidiagonal"])
def test_stitch_takes_half_of_each(cut):
    joined = refine.stitch(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), cut)
    share = joined.mean().item()
    diagonal = 8 / 64 / 2 if "diagonal" in cut else 0  # the diagonal itself belongs to the first
    assert share == pytest.approx(0.5 - diagonal)
    if cut == "diagonal":
        assert joined[0, 0].diagonal().sum() == 0


@pytest.mark.parametrize(
    ("cut", "is_first"),
    [
        ("left-right", lambda row, column: column < 4),
        ("top-bottom", lambda row, column: row < 4),
        ("diagonal", lambda row, column: column >= row),  # the upper right triangle, as released
        ("antidiagonal", lambda row, column: row + column <= 7),
    ],
)
def test_stitch_gives_the_first_image_its_part(cut, is_first):
    joined = refine.stitch(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), cut)[0, 0]
    for row in range(8):
        for column in range(8):
            assert (joined[row, column] == 0) == is_first(row, column)


def test_crossover_returns_the_stitched_image_and_one_per_step(lively):
    first, second = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
    stitched = refine.stitch(first, second, "left-right")
    images = refine.crossover(lively, stitched, steps=2)
    assert torch.equal(images[0], stitched)
    assert [image.shape for image in images] == [first.shape] * 3


def test_interpolation_meets_its_ends(lively):
    corners = noise(2, 1)[0]
    labels = torch.tensor([0, 2])
    later = noise(1, 3, start=9)
    generation = Generation(steps=4)
    path = refine.interpolate(lively, corners, refine.line_weights(5), labels, later, ANGLE, generation)
    for end, index in ((0, 0), (4, 1)):
        asked = refine.condition(lively, labels[index : index + 1])
        alone = refine.generate(lively, corners[index : index + 1], later, asked, ANGLE, generation)
        assert torch.allclose(path[end], alone[0], atol=1e-4)


@given(st.integers(2, 6))
def test_bilinear_weights_sum_to_one(side):
    weights = refine.square_weights(side)
    assert weights.shape == (side**2, 4)
    assert torch.allclose(weights.sum(1), torch.ones(side**2))
    assert torch.equal(weights[[0, side - 1, -side, -1]].round(decimals=5), torch.eye(4))


def test_bytes_are_floored_and_clamped():
    values = torch.tensor([-2.0, -1.0, 0.0, 0.999, 1.0, 2.0]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert refine.to_bytes(values)[0, 0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]


def test_reconstruction_ignores_the_length_of_the_latent(lively):
    z = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1])
    assert torch.allclose(
        lively.decode(spherify(z), labels), lively.decode(spherify(5 * z), labels), atol=1e-4
    )

"""The objective: draws, stop-gradients, weights at 0, label dropout."""

from __future__ import annotations

import pytest
import torch

from sphere_repro.study.objective import HardCases, Loss
from sphere_repro.training import losses

SEED = (0, "run")
LATENT = (16, 8)
PLAIN = Loss(pix_recon_perceptual=0, pix_con_perceptual=0)


@pytest.fixture(params=["torch", "philox"])
def random(request):
    return request.param


def batch(model, count=4):
    generator = torch.Generator().manual_seed(7)
    x = torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1
    y = torch.randint(model.shape.classes, (count,), generator=generator)
    return x, y, draws_of(count)


def draws_of(count):
    noise = torch.randn(count, *LATENT, generator=torch.Generator().manual_seed(8))
    return losses.Draws(**vars(losses.strengths(SEED, 0, count, PLAIN)), noise=noise)


def test_draws_are_a_pure_function_of_seed_and_step(random):
    first, again = (losses.strengths(SEED, 3, 6, PLAIN, random=random) for _ in range(2))
    for name, value in vars(first).items():
        assert torch.equal(value, vars(again)[name])
    others = [losses.strengths(SEED, 4, 6, PLAIN, random=random)]
    others += [losses.strengths((0, "other"), 3, 6, PLAIN, random=random)]
    assert not any(torch.equal(first.small, other.small) for other in others)


def test_a_share_has_the_draws_of_its_images(random):
    whole = losses.strengths(SEED, 3, 9, PLAIN, random=random)
    share = losses.strengths(SEED, 3, 9, PLAIN, range(2, 6), random)
    for name, value in vars(share).items():
        assert torch.equal(value, vars(whole.part(slice(2, 6)))[name])
    assert losses.noise_seeds(SEED, 3, range(2, 6)) == losses.noise_seeds(SEED, 3, range(9))[2:6]
    assert len({*losses.noise_seeds(SEED, 3, range(9)), *losses.noise_seeds(SEED, 4, range(9))}) == 18


@pytest.mark.parametrize("count", [1, 2, 3])
def test_small_batches_train(lively, count):
    x, y, _ = batch(lively, count)
    draws = draws_of(count)
    loss = losses.total(losses.sphere_losses(lively, x, y, draws, PLAIN, None), PLAIN)
    assert torch.isfinite(loss)


def test_small_noise_keeps_the_radius_that_a_hard_case_replaced(random):
    loss = PLAIN.model_copy(update={"hard_cases": HardCases(probability=1.0)})
    plain = PLAIN.model_copy(update={"hard_cases": HardCases(probability=0.0)})
    hard, soft = (losses.strengths(SEED, 0, 32, item, random=random) for item in (loss, plain))
    assert torch.equal(hard.small, soft.small)
    assert bool((hard.large > 1).all()) and bool((soft.large <= 1).all())


def test_one_draw_places_hard_cases_low_a_second_one_anywhere(random):
    def largest(independent):
        cases = HardCases(probability=0.1, independent_draw=independent)
        loss = PLAIN.model_copy(update={"hard_cases": cases})
        steps = (losses.strengths(SEED, step, 64, loss, random=random) for step in range(30))
        return max(found.large.max().item() for found in steps)

    whole = losses.sphere.angle_to_sigma(85) / losses.sphere.angle_to_sigma(80)
    lowest_tenth = 1 + 0.1 * (whole - 1)
    assert 1 < largest(False) <= lowest_tenth + 1e-6
    assert lowest_tenth < largest(True) <= whole


def test_labels_are_dropped_anew_in_every_call(random):
    loss = PLAIN.model_copy(update={"label_dropout": 0.5})
    draws = losses.strengths(SEED, 0, 64, loss, random=random)
    masks = [draws.drop_encode, *draws.drop_decode.chunk(2), draws.drop_again]
    for i, first in enumerate(masks):
        assert 10 < first.sum() < 54
        assert not any(torch.equal(first, second) for second in masks[i + 1 :])
    dropped = losses.drop(torch.zeros(64, dtype=torch.long), draws.drop_encode, null_class=10)
    assert torch.equal(dropped == 10, draws.drop_encode)
    never = PLAIN.model_copy(update={"label_dropout": 0.0})
    assert not losses.strengths(SEED, 0, 64, never, random=random).drop_decode.any()


def test_consistency_targets_carry_no_gradient(lively):
    """L_pix-con moves only the large-noise image, L_lat-con only the second encoding."""
    x, y, draws = batch(lively)
    decoded, encoded = [], []
    decode, encode = lively.decode, lively.encode

    def spy(store, call):
        def wrapped(*arguments):
            out = call(*arguments)
            out.retain_grad()
            store.append(out)
            return out

        return wrapped

    lively.decode, lively.encode = spy(decoded, decode), spy(encoded, encode)
    terms = losses.sphere_losses(lively, x, y, draws, PLAIN, None)
    terms["pix_con_l1"].backward(retain_graph=True)
    large, small = decoded[0].grad.chunk(2)
    assert large.abs().sum() > 0 and small.abs().sum() == 0
    for out in (*decoded, *encoded):
        out.grad = None
    terms["lat_con"].backward()
    first, second = encoded
    assert second.grad.abs().sum() > 0
    # the first encoding is reached through the decoded image only: cut that path, and nothing is left
    with torch.no_grad():
        again = encode(decoded[0].chunk(2)[0], y)
    cosine = torch.nn.functional.cosine_similarity(again.flatten(1), first.detach().flatten(1))
    assert terms["lat_con"].item() == pytest.approx((1 - cosine).mean().item(), abs=0.2)


@pytest.mark.parametrize("name", ["pix_recon_l1", "pix_con_l1", "lat_con"])
def test_each_weight_at_zero_removes_its_term_and_nothing_else(lively, name):
    x, y, draws = batch(lively)
    full = losses.sphere_losses(lively, x, y, draws, PLAIN, None)
    without = losses.sphere_losses(lively, x, y, draws, PLAIN.model_copy(update={name: 0.0}), None)
    assert set(full) - set(without) == {name}
    for term, value in without.items():
        assert torch.equal(value, full[term])


def test_an_objective_without_terms_is_refused():
    with pytest.raises(ValueError, match="weight"):
        losses.total({}, PLAIN)


def test_perceptual_terms_use_the_distance_given(lively):
    x, y, draws = batch(lively)
    loss = Loss(pix_recon_l1=0, pix_con_l1=0, lat_con=0, pix_recon_perceptual=2, pix_con_perceptual=3)
    terms = losses.sphere_losses(lively, x, y, draws, loss, Counted())
    assert set(terms) == {"pix_recon_perceptual", "pix_con_perceptual"}
    expected = 2 * terms["pix_recon_perceptual"] + 3 * terms["pix_con_perceptual"]
    assert losses.total(terms, loss).item() == pytest.approx(expected.item())


class Counted:
    """A distance that notes of each pass whether its gradient is kept."""

    def __init__(self):
        self.passes = []

    def features(self, images):
        self.passes.append(torch.is_grad_enabled() and images.requires_grad)
        return [images, images.mean((2, 3)) ** 2]

    def between(self, features, target):
        return torch.stack([(a - b).pow(2).mean() for a, b in zip(features, target, strict=True)]).sum()


@pytest.mark.parametrize(
    ("weights", "passes"),
    [
        ((2, 3), [True, False, True]),  # three passes, not four: x_noisy stands in both terms
        ((2, 0), [True, False]),
        ((0, 3), [False, True]),
        ((0, 0), []),
    ],
)
def test_networks_see_each_image_once_and_gradients_are_those_of_two_distances(weights, passes):
    recon, con = weights
    loss = PLAIN.model_copy(update={"pix_recon_perceptual": recon, "pix_con_perceptual": con})
    target, small, large = torch.rand(3, 2, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    distance, gradients = Counted(), []
    for shared in (True, False):
        a, b = small.clone().requires_grad_(), large.clone().requires_grad_()
        if shared:
            terms = losses.perceptual_terms(distance, loss, target, a, b)
            total = sum(
                (getattr(loss, name) * term for name, term in terms.items()), a.sum() * 0 + b.sum() * 0
            )
        else:
            other = Counted()
            pairs = [(recon, a, target), (con, b, a.detach())]
            total = (
                sum(
                    weight * other.between(other.features(first), other.features(second))
                    for weight, first, second in pairs
                )
                + (a.sum() + b.sum()) * 0
            )
        total.backward()
        gradients.append((a.grad, b.grad))
    assert distance.passes == passes
    for shared, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(shared, plain)


def test_kl_of_the_standard_normal_is_zero(tiny_shape):
    from sphere_repro.models.autoencoder import build

    shape = tiny_shape.model_copy(update={"kind": "vae"})
    model = build(shape, generator=torch.Generator().manual_seed(0))  # heads start at zero: q = N(0, I)
    x, y, draws = batch(model)
    loss = Loss(pix_recon_perceptual=0, kl=1.0)
    assert losses.baseline_losses(model, x, y, draws, loss, None)["kl"].item() == pytest.approx(0, abs=1e-6)

"""The training objective (section 3): random draws, the three losses, those of the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from sphere_repro import seeds, sphere
from sphere_repro.models.autoencoder import SphereAutoencoder, Unspherified, unit
from sphere_repro.seeds import Random
from sphere_repro.study.objective import Loss
from sphere_repro.study.replicates import Seed
from sphere_repro.training.numbers import numbers_of

SMALL_NOISE = 0.5
HARDEST_ANGLE = 89.0
MOST_NUMBERS = 10  # of an image in `strengths`: two radii and their places, choice, placed, four drops

Features = Sequence[Tensor]


class PerceptualDistance(Protocol):
    """P of the objective, in two halves: what networks see of images once serves several comparisons."""

    def features(self, images: Tensor) -> Features:
        """Of images (B, 3, H, H) in [0, 1]: tensors with the batch in front."""
        ...

    def between(self, features: Features, target: Features) -> Tensor:
        """The distance, a float32 scalar, mean over the batch."""
        ...


@dataclass(frozen=True)
class Strengths:
    """How strong the noise of B images is in one training step, and whose class is dropped."""

    large: Tensor
    """(B,) factor of σ·e in the large noise; may exceed 1 for hard cases."""
    small: Tensor
    """(B,) factor of σ·e in the small noise, r·s·0.5."""
    drop_encode: Tensor
    """(B,) bool: null class in the first encoder call."""
    drop_decode: Tensor
    """(2B,) bool: null class in the decoder call, large noise first."""
    drop_again: Tensor
    """(B,) bool: null class in the second encoder call."""

    def part(self, rows: slice) -> Self:
        """Those of some of the images, for a micro batch."""
        cut = {name: value[rows] for name, value in vars(self).items() if name != "drop_decode"}
        return type(self)(**cut, drop_decode=_both_halves(self.drop_decode, rows))


@dataclass(frozen=True)
class Draws(Strengths):
    """Everything random in one training step of B images."""

    noise: Tensor
    """e, (B, N, d) standard normal."""


def strengths(
    seed: Seed,
    step: int,
    batch: int,
    loss: Loss,
    share: range | None = None,
    random: Random = "torch",
) -> Strengths:
    """The draws of one step but the noise itself, on the CPU: a pure function of its arguments.

    Radii are stratified over the global batch, so that the number of processes that share it changes nothing.

    Args:
        seed: what identifies the run, e.g. (study seed,).
        step: step number from 0.
        batch: B, the global batch.
        loss: angles, hard cases and label dropout.
        share: for which images of the batch; default: all.
        random: what makes the numbers.
    """
    share = range(batch) if share is None else share
    numbers = numbers_of(random, seeds.derive(*seed, "draws", step), MOST_NUMBERS * batch)
    radii = sphere.stratified_radii(batch, numbers)
    small = radii * sphere.stratified_radii(batch, numbers) * SMALL_NOISE
    choice = numbers.uniform(batch)
    placed = numbers.uniform(batch) if loss.hard_cases.independent_draw else choice
    hard_angle = min(loss.alpha_max + loss.hard_cases.extra_angle, HARDEST_ANGLE)
    large = sphere.harden(
        radii,
        choice,
        placed,
        probability=loss.hard_cases.probability,
        angles=(loss.alpha_max, max(hard_angle, loss.alpha_max)),
    )
    drops = [numbers.uniform(n) < loss.label_dropout for n in (batch, 2 * batch, batch)]
    rows = slice(share.start, share.stop)
    return Strengths(
        large=large[rows],
        small=small[rows],
        drop_encode=drops[0][rows],
        drop_decode=_both_halves(drops[1], rows),
        drop_again=drops[2][rows],
    )


def noise_seeds(seed: Seed, step: int, share: range) -> list[int]:
    """The seed of each image's noise in one step: a process draws that of its own images only."""
    return [seeds.derive(*seed, "noise", step, index) for index in share]


def _both_halves(mask: Tensor, rows: slice) -> Tensor:
    """`rows` of both halves of a (2B,) mask."""
    return mask.reshape(2, -1)[:, rows].flatten()


@dataclass(frozen=True)
class NoisyPoints:
    """Points of the sphere around v = f(E(x, y)), each (B, N, d)."""

    large: Tensor
    small: Tensor


def noisy_points(latent: Tensor, draws: Draws, alpha_max: float) -> NoisyPoints:
    """v_NOISY and v_noisy from the encoder's output (B, N, d) (section 3)."""
    v = sphere.spherify(latent)
    sigma = sphere.angle_to_sigma(alpha_max)
    return NoisyPoints(
        large=sphere.turn(v, draws.noise, draws.large * sigma),
        small=sphere.turn(v, draws.noise, draws.small * sigma),
    )


def sphere_losses(
    model: SphereAutoencoder,
    images: Tensor,
    labels: Tensor | None,
    draws: Draws,
    loss: Loss,
    perceptual: PerceptualDistance | None,
) -> dict[str, Tensor]:
    """The terms of L_pix-recon, L_pix-con and L_lat-con, not yet weighted (section 3).

    Args:
        model: the autoencoder.
        images: x, (B, 3, H, H) in [-1, 1].
        labels: y, (B,) or None for an unconditional model.
        draws: the step's random draws.
        loss: weights; a term whose weight is 0 is not computed.
        perceptual: P on images in [0, 1].

    Returns:
        term → scalar float32, for the terms with a weight above 0.
    """
    null = model.null_class
    latent = model.encode(images, drop(labels, draws.drop_encode, null))
    points = noisy_points(latent.float(), draws, loss.alpha_max)
    twice = None if labels is None else labels.repeat(2)
    decoded = model.decode(
        torch.cat([points.large, points.small]), drop(twice, draws.drop_decode, null)
    ).float()
    x_large, x_small = decoded.chunk(2)
    target, large, small = unit(images), unit(x_large), unit(x_small)

    terms: dict[str, Tensor] = {}
    if loss.pix_recon_l1:
        terms["pix_recon_l1"] = F.smooth_l1_loss(small, target)
    if loss.pix_con_l1:
        terms["pix_con_l1"] = F.smooth_l1_loss(large, small.detach())
    if perceptual:
        terms |= perceptual_terms(perceptual, loss, target, small, large)
    if loss.lat_con:
        again = model.encode(x_large, drop(labels, draws.drop_again, null)).float()
        cosine = F.cosine_similarity(again.flatten(1), latent.float().detach().flatten(1))
        terms["lat_con"] = (1 - cosine).mean()
    return terms


def baseline_losses(
    model: Unspherified,
    images: Tensor,
    labels: Tensor | None,
    draws: Draws,
    loss: Loss,
    perceptual: PerceptualDistance | None,
) -> dict[str, Tensor]:
    """Reconstruction and, of a VAE, the KL divergence to N(0, I) per latent number.

    Arguments as `sphere_losses`. A plain autoencoder's posterior is a point: what is decoded is its code,
    whatever the noise.
    """
    null = model.null_class
    mean, log_variance = (
        part.float() for part in model.posterior(images, drop(labels, draws.drop_encode, null))
    )
    z = mean + (0.5 * log_variance).exp() * draws.noise
    decoded = model.decode(z, drop(labels, draws.drop_decode[: len(images)], null)).float()
    target, small = unit(images), unit(decoded)
    terms: dict[str, Tensor] = {}
    if loss.pix_recon_l1:
        terms["pix_recon_l1"] = F.smooth_l1_loss(small, target)
    if perceptual:
        terms |= perceptual_terms(perceptual, loss, target, small)
    if loss.kl:
        terms["kl"] = 0.5 * (mean.pow(2) + log_variance.exp() - 1 - log_variance).mean()
    return terms


def perceptual_terms(
    perceptual: PerceptualDistance, loss: Loss, target: Tensor, small: Tensor, large: Tensor | None = None
) -> dict[str, Tensor]:
    """P(x_noisy, x) and P(x_NOISY, sg(x_noisy)), where they have a weight (section 3).

    x_noisy stands in both: the networks see it once. Gradients reach the first argument of each only.

    Args:
        perceptual: P.
        loss: the weights.
        target: x, (B, 3, H, H) in [0, 1], as the two others.
        small: x_noisy, or a baseline's reconstruction.
        large: x_NOISY; None for a baseline.
    """
    recon = loss.pix_recon_perceptual > 0
    con = loss.pix_con_perceptual > 0 and large is not None
    terms: dict[str, Tensor] = {}
    if not (recon or con):
        return terms
    with torch.set_grad_enabled(recon and torch.is_grad_enabled()):
        of_small = perceptual.features(small)
    if recon:
        with torch.no_grad():
            of_target = perceptual.features(target)
        terms["pix_recon_perceptual"] = perceptual.between(of_small, of_target)
    if con:
        assert large is not None
        wanted = [part.detach() for part in of_small]
        terms["pix_con_perceptual"] = perceptual.between(perceptual.features(large), wanted)
    return terms


def total(terms: dict[str, Tensor], loss: Loss) -> Tensor:
    """The weighted sum of the terms; their names are the keys of `Loss`.

    Raises:
        ValueError: no term has a weight above 0.
    """
    if not terms:
        raise ValueError("every weight of the objective is 0")
    return torch.stack([getattr(loss, name) * term for name, term in terms.items()]).sum()


def drop(labels: Tensor | None, mask: Tensor, null_class: int) -> Tensor | None:
    """Labels with the null class where `mask` is true; None stays None."""
    return None if labels is None else torch.where(mask, torch.full_like(labels, null_class), labels)

"""Images from a trained Sphere Encoder (section 4): one pure refine step, and what is composed of it.

Generation, editing, crossover, reconstruction and interpolation differ only in where they start and in
how strong the noise of each refine step is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sphere_repro import philox, seeds
from sphere_repro.models.autoencoder import SphereAutoencoder, unit
from sphere_repro.seeds import Random
from sphere_repro.sphere import angle_to_sigma, mix, spherify, turn
from sphere_repro.study.generation import Generation, Guidance, Scheme
from sphere_repro.study.image_sets import Cut
from sphere_repro.study.replicates import Seed

Step = tuple[int | None, float]
"""A step after the first: which later draw moves the point (None: the very first draw), and its scale."""


@dataclass(frozen=True)
class Condition:
    """What a model is asked for, and how strongly."""

    labels: Tensor | None
    """(B,) classes, (B, classes + 1) weights of the class table's rows, or None: unconditional."""
    null: Tensor | None
    """The null class in the same form."""
    encoder_scale: float = 1.0
    decoder_scale: float = 1.0


def condition(model: SphereAutoencoder, labels: Tensor | None, guidance: Guidance | None = None) -> Condition:
    """Labels and guidance for one batch: scale s at `enc`, `dec`, or √s at both for `combo`."""
    guidance = guidance or Guidance()
    if labels is None:
        return Condition(None, None)
    null = torch.full((len(labels),), model.null_class, dtype=torch.long, device=labels.device)
    if labels.is_floating_point():
        null = torch.nn.functional.one_hot(null, model.null_class + 1).to(labels.dtype)
    scale = guidance.scale
    scales = {"enc": (scale, 1.0), "dec": (1.0, scale), "combo": (math.sqrt(scale), math.sqrt(scale))}
    return Condition(labels, null, *scales[guidance.position])


def encode(model: SphereAutoencoder, x: Tensor, asked: Condition) -> Tensor:
    """Guided encoder output (B, N, d), before spherification."""
    conditional = model.encode(x, asked.labels)
    if asked.encoder_scale == 1:
        return conditional
    plain = model.encode(x, asked.null)
    return plain + asked.encoder_scale * (conditional - plain)


def decode(model: SphereAutoencoder, z: Tensor, asked: Condition) -> Tensor:
    """Guided images (B, 3, H, H), clamped to [-1, 1] where guidance may leave it."""
    conditional = model.decode(z, asked.labels)
    if asked.decoder_scale == 1:
        return conditional
    plain = model.decode(z, asked.null)
    return (plain + asked.decoder_scale * (conditional - plain)).clamp(-1, 1)


def refine(model: SphereAutoencoder, x: Tensor, asked: Condition, noise: Tensor, scale: float) -> Tensor:
    """One step: encode x, move on the sphere by scale·noise, decode (section 4, step 2)."""
    return decode(model, turn(spherify(encode(model, x, asked)), noise, scale), asked)


def strengths(scheme: Scheme, refinements: int, denominator: int) -> list[float]:
    """ρ_t for t = 1 … refinements: 1, or 1 - t/denominator."""
    return [1.0 if scheme.strength == "fixed" else 1 - t / denominator for t in range(1, refinements + 1)]


def later_noise(noise: Sequence[Tensor] | Tensor, t: int, scheme: Scheme) -> Tensor:
    """Noise of refinement t = 0, 1, …: the first for all of them where it is shared."""
    return noise[0 if scheme.noise == "shared" else t]


def draws(generation: Generation) -> int:
    """How many draws a sample takes: its start, and the noise of its later steps, one where it is shared."""
    later = generation.steps - 1
    return 1 + {"shared": min(1, later), "independent": later, "initial": 0}[generation.noise]


@torch.inference_mode()
def generate(
    model: SphereAutoencoder,
    first: Tensor,
    noise: Tensor,
    asked: Condition,
    alpha_max: float,
    generation: Generation,
) -> Tensor:
    """Sample T steps (section 4).

    Args:
        model: the autoencoder, in evaluation mode.
        first: e₀, (B, N, d) standard normal.
        noise: e_t, (at least T-1, B, N, d); where it is shared, the first alone is used, and none where every
            step has e₀ again.
        asked: labels and guidance (step 1 has decoder guidance only).
        alpha_max: degrees.
        generation: T and scheme.

    Returns:
        (B, 3, H, H) in [-1, 1].
    """
    steps = _each_step(model, first, noise, asked, alpha_max, generation)
    return deque(steps, maxlen=1).pop()  # the others are let go as they are made


@torch.inference_mode()
def generate_each(
    model: SphereAutoencoder,
    first: Tensor,
    noise: Tensor,
    asked: Condition,
    alpha_max: float,
    generation: Generation,
) -> list[Tensor]:
    """As `generate`, with the images after every step: T of them, each (B, 3, H, H) in [-1, 1].

    With fixed strength the images after k steps are those that `generate` makes in k steps, bit for bit.
    """
    return list(_each_step(model, first, noise, asked, alpha_max, generation))


def _each_step(
    model: SphereAutoencoder,
    first: Tensor,
    noise: Tensor,
    asked: Condition,
    alpha_max: float,
    generation: Generation,
) -> Iterator[Tensor]:
    x = begin(model, first, asked)
    yield x
    for step in later_steps(generation, alpha_max):
        x = go_on(model, x, asked, first, noise, step)
        yield x


def later_steps(generation: Generation, alpha_max: float) -> list[Step]:
    """The steps of a generation after the first, T-1 of them; `alpha_max` in degrees."""
    sigma = angle_to_sigma(alpha_max)
    rhos = strengths(generation, generation.steps - 1, generation.steps)
    return [
        ({"shared": 0, "independent": t, "initial": None}[generation.noise], rho * sigma)
        for t, rho in enumerate(rhos)
    ]


def begin(model: SphereAutoencoder, first: Tensor, asked: Condition) -> Tensor:
    """Images (B, 3, H, H) of the first step: e₀ (B, N, d), projected and decoded."""
    return decode(model, spherify(first), asked)


def go_on(
    model: SphereAutoencoder, x: Tensor, asked: Condition, first: Tensor, noise: Tensor, step: Step
) -> Tensor:
    """Images (B, 3, H, H) after one more step than x; `first` and `noise` as of `generate`."""
    place, scale = step
    return refine(model, x, asked, first if place is None else noise[place], scale)


@torch.inference_mode()
def edit(
    model: SphereAutoencoder,
    images: Tensor,
    noise: Tensor,
    asked: Condition,
    alpha_max: float,
    scheme: Scheme,
    *,
    strength: float,
    steps: int,
) -> list[Tensor]:
    """T refine steps from given images (section 4, editing).

    Args:
        model: the autoencoder, in evaluation mode.
        images: (B, 3, H, H) in [-1, 1].
        noise: (1 or T, B, N, d) standard normal; unused where strength is 0.
        asked: target classes and guidance.
        alpha_max: degrees.
        scheme: strength and noise of the steps.
        strength: k ≥ 0, scales the noise of every step (about 0.25; 0 for crossover).
        steps: T.

    Returns:
        T images (B, 3, H, H) in [-1, 1], one for each step.
    """
    sigma = angle_to_sigma(alpha_max)
    x, results = images, []
    for t, rho in enumerate(strengths(scheme, steps, steps + 1)):
        x = refine(model, x, asked, later_noise(noise, t, scheme), rho * strength * sigma)
        results.append(x)
    return results


@torch.inference_mode()
def reconstruct(model: SphereAutoencoder, images: Tensor, labels: Tensor | None) -> Tensor:
    """Encode to the sphere and decode, without noise: (B, 3, H, H) in [-1, 1]."""
    return model.decode(spherify(model.encode(images, labels)), labels)


def stitch(first: Tensor, second: Tensor, cut: Cut) -> Tensor:
    """Two images joined for crossover (section 4); the diagonal itself belongs to the first.

    Args:
        first, second: (…, H, H).
        cut: first image on the left, at the top, above the diagonal (the upper right triangle, column ≥ row),
            or above the antidiagonal (the upper left one, row + column ≤ H-1), as in the released code.
    """
    size = first.shape[-1]
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    masks = {
        "left-right": columns < size // 2,
        "top-bottom": rows < size // 2,
        "diagonal": columns >= rows,
        "antidiagonal": rows + columns <= size - 1,
    }
    return torch.where(masks[cut].to(first.device), first, second)


def null_condition(model: SphereAutoencoder, images: Tensor) -> Condition:
    """The null class for each of `images` (B, …); nothing where the model is unconditional."""
    labels = torch.full((len(images),), model.null_class, device=images.device) if model.null_class else None
    return condition(model, labels)


def crossover(
    model: SphereAutoencoder,
    images: Tensor,
    *,
    steps: int,
    noise: Tensor | None = None,
    strength: float = 0.0,
    alpha_max: float = 0.0,
    scheme: Scheme | None = None,
) -> list[Tensor]:
    """Refine stitched images under the null class, without noise unless it is given.

    Args:
        model: the autoencoder, in evaluation mode.
        images: (B, 3, H, H) in [-1, 1], as `stitch` joins them.
        steps: passes.
        noise, strength, alpha_max, scheme: as of `edit`, where strength > 0.

    Returns:
        images (B, 3, H, H) after 0 (stitched), 1, …, `steps` passes.
    """
    if noise is None:
        noise = images.new_zeros(1, len(images), model.shape.tokens, model.shape.token_channels)
    asked = null_condition(model, images)
    refined = edit(model, images, noise, asked, alpha_max, scheme or Scheme(), strength=strength, steps=steps)
    return [images, *refined]


@torch.inference_mode()
def interpolate(
    model: SphereAutoencoder,
    corners: Tensor,
    weights: Tensor,
    labels: Tensor | None,
    noise: Tensor,
    alpha_max: float,
    generation: Generation,
    points: Tensor | None = None,
) -> Tensor:
    """Images along a line between two Gaussian draws, or on a square between four (section 4).

    Args:
        model: the autoencoder, in evaluation mode.
        corners: (C, N, d) standard-normal draws.
        weights: (P, C) weights of the corners for each point; rows sum to 1.
        labels: (C,) class of each corner, or None; class embeddings are mixed with the same weights.
        noise: (at least T-1, 1 or P, N, d) noise of the later steps: shared along the path, or one for each.
        alpha_max: degrees.
        generation: steps, scheme and guidance.
        points: (P, N, d) of the path; default: the corners mixed with the weights, and projected.

    Returns:
        (P, 3, H, H) in [-1, 1].
    """
    mixed = None
    if labels is not None:
        mixed = weights @ torch.nn.functional.one_hot(labels, model.null_class + 1).to(weights.dtype)
    asked = condition(model, mixed, generation.guidance)
    points = mix(corners, weights) if points is None else points
    return generate(model, points, noise.expand(-1, len(points), -1, -1), asked, alpha_max, generation)


def line_weights(points: int) -> Tensor:
    """(P, 2) weights of a straight path between two corners."""
    t = torch.linspace(0, 1, points)
    return torch.stack([1 - t, t], dim=1)


def square_weights(side: int) -> Tensor:
    """(side², 4) bilinear weights between four corners, row-major."""
    line = line_weights(side)
    return torch.einsum("ia,jb->ijab", line, line).reshape(side * side, 4)


def sample_noise(
    seed: Seed,
    indices: Sequence[int],
    shape: tuple[int, int],
    draws: int,
    device: torch.device | None = None,
    random: Random = "torch",
) -> Tensor:
    """Standard-normal draws of each sample from a seed of its own.

    Args:
        seed: what identifies the run, e.g. (study seed,).
        indices: sample indices; sample i has the same draws in every batch.
        shape: (N, d).
        draws: how many per sample; the first ones do not depend on how many there are.
        device: where they are wanted; default: the CPU.
        random: what makes them.

    Returns:
        (draws, B, N, d) float32.
    """
    own = [seeds.derive(*seed, "sample", index) for index in indices]
    if random == "philox":
        return philox.normal(torch.tensor(own, device=device), (draws, *shape)).transpose(0, 1)
    rows = []
    for each in own:
        generator = torch.Generator().manual_seed(each)
        rows.append(torch.stack([torch.randn(shape, generator=generator) for _ in range(draws)]))
    return torch.stack(rows, dim=1).to(device)


def to_bytes(images: Tensor) -> Tensor:
    """Images (B, 3, H, H) in [-1, 1] → uint8 (B, H, H, 3) by floor(255·clamp(x/2 + 1/2, 0, 1))."""
    return unit(images.float()).clamp(0, 1).mul(255).floor().byte().permute(0, 2, 3, 1).cpu()

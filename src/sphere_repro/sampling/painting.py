"""The images of one batch of a set, each from a seed of its own (section 4, and 5 for a VAE)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose
from sphere_repro.data.loading import to_unit
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import FromGaussian, SphereAutoencoder
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.sampling import refine
from sphere_repro.sampling.known_steps import KnownSteps
from sphere_repro.seeds import Random
from sphere_repro.sphere import spherify
from sphere_repro.study.architecture import KIND_NAMES
from sphere_repro.study.generation import Generation
from sphere_repro.study.jobs import SampleJob
from sphere_repro.study.replicates import Seed

Gaussian = tuple[Tensor | float, Tensor | float]
"""Elementwise mean and deviation of the draws of a VAE or a plain autoencoder, (N, d) each or a number."""
Paint = Callable[[range], Tensor]
"""Indices of a batch → its images (B, 3, H, H) in [-1, 1]."""
STANDARD: Gaussian = (0.0, 1.0)


def painter(
    job: SampleJob,
    checkpoint: Checkpoint,
    source: ImageArchive,
    labels: np.ndarray | None,
    count: int,
    gaussian: Gaussian = STANDARD,
    known: KnownSteps | None = None,
) -> Paint:
    """What makes the images of a job's set.

    Args:
        job: what is drawn.
        checkpoint: the run's model, on the device that computes.
        source: the dataset's archive.
        labels: of all images of the set, int64 (count,), or None.
        count: images of the set.
        gaussian: of the draws, where the model is no Sphere Encoder.
        known: what other sets of this very model have drawn.

    Raises:
        UserError: the model has no such set.
    """
    if job.set == "reconstruction":
        return _reconstructions(checkpoint, source, count)
    if isinstance(checkpoint.model, FromGaussian):
        if job.set not in ("prior", "posterior"):
            named = KIND_NAMES[checkpoint.model.shape.kind]
            raise UserError(f"'{job.set}' is not a sample set of {named}. Use the model of run '{job.run}'.")
        return gaussian_draws(checkpoint.model, job.seed, labels, gaussian, job.random)
    if job.generation is None:
        raise UserError(
            f"'{job.set}' is not a sample set of a Sphere Encoder. Use the model of run '{job.run}'."
        )
    return generations(checkpoint, job.seed, job.generation, labels, known=known, random=job.random)


def generations(
    checkpoint: Checkpoint,
    seed: Seed,
    generation: Generation,
    labels: np.ndarray | None,
    *,
    known: KnownSteps | None = None,
    random: Random = "torch",
) -> Paint:
    """Samples of a Sphere Encoder; `known`: what other sets of this very model have drawn.

    Raises:
        UserError: the model is none.
    """
    model = checkpoint.model
    if not isinstance(model, SphereAutoencoder):
        raise UserError("Generations need a Sphere Encoder.")
    shape, device = (model.shape.tokens, model.shape.token_channels), device_of(checkpoint)
    steps = refine.later_steps(generation, checkpoint.alpha_max)

    def paint(indices: range) -> Tensor:
        asked = refine.condition(model, _at(labels, indices, device), generation.guidance)
        noise = refine.sample_noise(seed, indices, shape, refine.draws(generation), device, random)
        if known is None:
            return refine.generate(model, noise[0], noise[1:], asked, checkpoint.alpha_max, generation)
        told = None if labels is None else labels[indices.start : indices.stop].tobytes()
        batch = (seed, indices, told, generation.guidance.model_dump_json())
        return known.generate(batch, model, noise[0], noise[1:], asked, steps)

    return paint


@torch.inference_mode()
def latents(
    checkpoint: Checkpoint,
    x: Tensor,
    labels: Tensor | None,
    seed: Seed,
    indices: range,
    random: Random = "torch",
) -> Tensor:
    """Points of the sphere, posterior draws of a VAE, or codes of a plain autoencoder: (B, N, d).

    Of images (B, 3, H, H).
    """
    model = checkpoint.model
    if isinstance(model, SphereAutoencoder):
        return spherify(model.encode(x, labels))
    mean, log_variance = model.posterior(x, labels)
    shape = (mean.shape[1], mean.shape[2])
    noise = refine.sample_noise((*seed, "encode"), indices, shape, 1, x.device, random)[0]
    return mean + (0.5 * log_variance).exp() * noise


def device_of(checkpoint: Checkpoint) -> torch.device:
    """Where a model computes."""
    return next(checkpoint.model.parameters()).device


def _reconstructions(checkpoint: Checkpoint, source: ImageArchive, count: int) -> Paint:
    model, device, chosen = checkpoint.model, device_of(checkpoint), choose(len(source), count)

    @torch.inference_mode()
    def paint(indices: range) -> Tensor:
        images = np.stack([source.read(int(index)) for index in chosen[indices.start : indices.stop]])
        x = to_unit(torch.from_numpy(images).permute(0, 3, 1, 2)).to(device)
        null = torch.full((len(x),), model.null_class, device=device) if model.shape.classes else None
        if isinstance(model, SphereAutoencoder):
            return refine.reconstruct(model, x, null)
        mean, _ = model.posterior(x, null)
        return model.decode(mean, null)

    return paint


def gaussian_draws(
    model: FromGaussian,
    seed: Seed,
    labels: np.ndarray | None,
    gaussian: Gaussian = STANDARD,
    random: Random = "torch",
) -> Paint:
    """Decodes of N(0, I), or of N(μ, diag s²) with the training latents' elementwise mean and deviation."""
    shape, device = (model.shape.tokens, model.shape.token_channels), next(model.parameters()).device
    mean, deviation = gaussian

    @torch.inference_mode()
    def paint(indices: range) -> Tensor:
        noise = refine.sample_noise(seed, indices, shape, 1, device, random)[0]
        return model.decode(mean + deviation * noise, _at(labels, indices, device))

    return paint


def _at(labels: np.ndarray | None, indices: range, device: torch.device) -> Tensor | None:
    return None if labels is None else torch.from_numpy(labels[indices.start : indices.stop]).to(device)

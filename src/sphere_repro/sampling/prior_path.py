"""Decodes on the way from a posterior draw of a training image to a draw of the prior.

A Sphere Encoder goes along the great circle from the point that it encodes the image to, to a random point; a
VAE from a draw of the image's posterior to one of the standard normal, by `PriorPath.weights`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose
from sphere_repro.data.loading import to_unit
from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.sampling import refine
from sphere_repro.sampling.painting import Paint, device_of, latents
from sphere_repro.sampling.paths import great_circle
from sphere_repro.seeds import Random
from sphere_repro.study.prior_path import PRIOR_PATH, PriorPath
from sphere_repro.study.replicates import Seed


def prior_paths(
    checkpoint: Checkpoint,
    source: ImageArchive,
    seed: Seed,
    settings: PriorPath,
    random: Random = "torch",
) -> Paint:
    """What makes the images of all paths, point by point, path after path.

    Args:
        checkpoint: a model, on the device that computes.
        source: the training images.
        seed: of the draws at both ends of path k, with k.
        settings: how many paths and points.
        random: what makes the draws.
    """
    model, device = checkpoint.model, device_of(checkpoint)
    images, shape = starts(source, settings), (model.shape.tokens, model.shape.token_channels)
    classes = labels(source, settings) if model.shape.classes else None
    own, points = (*seed, PRIOR_PATH), settings.points

    @torch.no_grad()
    def paint(indices: range) -> Tensor:
        paths = range(indices.start // points, (indices.stop - 1) // points + 1)
        pixels = np.stack([source.read(int(images[path])) for path in paths])
        x = to_unit(torch.from_numpy(pixels).permute(0, 3, 1, 2)).to(device)
        asked = (
            None if classes is None else torch.from_numpy(classes[indices.start : indices.stop]).to(device)
        )
        of_paths = (
            None if classes is None else torch.from_numpy(classes[[p * points for p in paths]]).to(device)
        )
        first = latents(checkpoint, x, of_paths, own, paths, random)
        last = refine.sample_noise((*own, "end"), paths, shape, 1, device, random)[0]
        sphere = isinstance(model, SphereAutoencoder)
        way = torch.cat([between(a, b, settings, sphere=sphere) for a, b in zip(first, last, strict=True)])
        before = paths.start * points
        return model.decode(way[indices.start - before : indices.stop - before], asked)

    return paint


def between(first: Tensor, last: Tensor, settings: PriorPath, *, sphere: bool) -> Tensor:
    """Latents (P, N, d) from `first` to `last`, (N, d) each; on the sphere both ends are projected to it."""
    if sphere:
        t = torch.tensor(settings.places, dtype=first.dtype, device=first.device)
        return great_circle(first[None], last[None], t)
    weights = (settings.weights(t) for t in settings.places)
    return torch.stack([near * first + far * last for near, far in weights])


def starts(source: ImageArchive, settings: PriorPath) -> NDArray[np.int64]:
    """Which training image each path begins at, int64 (paths,); in turn where there are fewer images."""
    chosen = choose(len(source), settings.paths)
    return chosen[np.arange(settings.paths) % len(chosen)]


def labels(source: ImageArchive, settings: PriorPath) -> NDArray[np.int64] | None:
    """The class of each image of all paths, that of the path's training image; None without classes."""
    if source.labels is None:
        return None
    return np.repeat(source.labels[starts(source, settings)].astype(np.int64), settings.points)

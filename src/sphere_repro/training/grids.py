"""Pictures of a model in training: real images, their reconstructions, and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sphere_repro.data.loading import TrainingImages, to_unit
from sphere_repro.machine.files import atomic_output
from sphere_repro.models.autoencoder import Autoencoder, SphereAutoencoder
from sphere_repro.sampling import refine
from sphere_repro.sampling.sets import balanced_labels
from sphere_repro.study.generation import Generation
from sphere_repro.study.jobs import TrainJob

COLUMNS = 8
STEPS = (1, 4)
GAP = 2  # pixels between images
LEAST, MOST = 64, 128  # pixels of one image in the picture


class Grid:
    """Rows of up to 8 images: real, reconstructed, samples of 1 and of 4 steps; of a baseline,
    decodes of standard-normal draws.

    Sample i has the noise and the class of the run's sample i, so that the last picture shows the first
    samples of the finished run.
    """

    def __init__(self, job: TrainJob, images: TrainingImages) -> None:
        self.job = job
        count = min(COLUMNS, len(images))
        self.chosen = torch.linspace(0, len(images) - 1, count).round().long()  # all classes, where sorted
        self.real = to_unit(images.take(self.chosen))
        classes = job.architecture.classes
        self.labels = images.labels[self.chosen] if classes and images.labels is not None else None
        self.sampled = balanced_labels(range(count), classes)

    @torch.no_grad()
    def rows(self, model: Autoencoder) -> list[Tensor]:
        """The rows, each (count, 3, H, H) in [-1, 1]; the model's mode is left as it was."""
        device = next(model.parameters()).device
        real = self.real.to(device)
        own, asked = (None if y is None else y.to(device) for y in (self.labels, self.sampled))
        shape = self.job.architecture
        noise = refine.sample_noise(
            self.job.seed,
            range(len(real)),
            (shape.tokens, shape.token_channels),
            max(refine.draws(Generation(steps=steps)) for steps in STEPS),
            device,
            self.job.random,
        )
        if not isinstance(model, SphereAutoencoder):
            return [real, model.decode(model.posterior(real, own)[0], own), model.decode(noise[0], asked)]
        condition, angle = refine.condition(model, asked), self.job.loss.alpha_max
        drawn = [
            refine.generate(model, noise[0], noise[1:], condition, angle, Generation(steps=steps))
            for steps in STEPS
        ]
        return [real, refine.reconstruct(model, real, own), *drawn]

    def write(self, model: Autoencoder, path: Path) -> None:
        """The rows as one PNG."""
        picture = tiled([refine.to_bytes(row).numpy() for row in self.rows(model)])
        with atomic_output(path) as temporary:
            Image.fromarray(picture).save(temporary, format="PNG", optimize=True)


def tiled(rows: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Rows of images (n, H, H, 3) on white; small ones are enlarged in whole pixels, large ones reduced."""
    size = rows[0].shape[1]
    factor = max(1, LEAST // size)
    side = min(MOST, size * factor)
    height, width = len(rows), max(len(row) for row in rows)
    canvas = np.full((height * (side + GAP) - GAP, width * (side + GAP) - GAP, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            large = image.repeat(factor, 0).repeat(factor, 1)
            if large.shape[0] > MOST:
                large = np.asarray(Image.fromarray(large).resize((MOST, MOST), Image.Resampling.BOX))
            top, left = y * (side + GAP), x * (side + GAP)
            canvas[top : top + side, left : left + side] = large
    return canvas

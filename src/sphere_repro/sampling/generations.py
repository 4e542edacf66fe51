"""Random draws of a Sphere Encoder: all samples with some number of steps, or one to T steps side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.sampling import refine
from sphere_repro.sampling.image_sets import Drawn, Setting, classes_of, refuse_guidance
from sphere_repro.sampling.side_by_side import generate_falling
from sphere_repro.study.generation import Generation

Drawing = tuple[SphereAutoencoder, Tensor, Tensor, refine.Condition, float, Generation]


def draw_generation(
    setting: Setting, generation: Generation, count: int, classes: Sequence[int | str] = ()
) -> Drawn:
    """Axis: sample; sample i has the class of its turn. The same images as `sets.draw_generation` writes.

    Raises:
        UserError: there is no such class, or the model is no Sphere Encoder, or unconditional where it may
            not be.
    """
    labels, images = sample_labels(setting, generation, count, classes), []
    for start in range(0, count, setting.batch):
        part = range(start, min(start + setting.batch, count))
        images.append(refine.to_bytes(refine.generate(*_drawing(setting, generation, part, labels))))
    return Drawn(torch.cat(images).numpy(), {"sample": list(range(count))}, labels)


def draw_steps(
    setting: Setting, generation: Generation, count: int, classes: Sequence[int | str] = ()
) -> Drawn:
    """Axes: sample, step (1 to T): at step k stands what `draw_generation` makes of the sample in k steps.

    Args:
        setting: model and seed; all samples are one pass, whatever its batch.
        generation: T and scheme. With fixed strength one refinement has all images on its way; where the
            strength falls with T, each number of steps is a refinement of its own, side by side.
        count: of samples.
        classes: of the samples, in turn; default: all.

    Raises:
        UserError: as `draw_generation`.
    """
    labels = sample_labels(setting, generation, count, classes)
    if generation.strength == "fixed":
        images = refine.generate_each(*_drawing(setting, generation, range(count), labels))
    else:
        images = generate_falling(*_drawing(setting, generation, range(count), labels))
    steps = list(range(1, generation.steps + 1))
    drawn = torch.stack([refine.to_bytes(x) for x in images], dim=1)
    repeated = None if labels is None else np.repeat(labels, generation.steps)
    return Drawn(drawn.numpy(), {"sample": list(range(count)), "step": steps}, repeated)


def _drawing(setting: Setting, generation: Generation, part: range, labels: np.ndarray | None) -> Drawing:
    """What `refine.generate` takes for the samples `part`; `labels`: of all samples."""
    asked = None if labels is None else torch.from_numpy(labels[part.start : part.stop]).to(setting.device)
    noise = setting.noise(part, refine.draws(generation))
    condition = refine.condition(setting.model, asked, generation.guidance)
    return setting.model, noise[0], noise[1:], condition, setting.checkpoint.alpha_max, generation


def sample_labels(
    setting: Setting, generation: Generation, count: int, classes: Sequence[int | str]
) -> np.ndarray | None:
    """Classes of samples 0 to count-1, int64: `classes` in turn, default all; None where there are none.

    Raises:
        UserError: there is no such class, or guidance is asked of an unconditional model.
    """
    wanted = classes_of(classes, setting.model.shape.classes, setting.checkpoint.class_names)
    refuse_guidance([generation], wanted)
    return np.array(wanted, dtype=np.int64)[np.arange(count) % len(wanted)] if wanted else None

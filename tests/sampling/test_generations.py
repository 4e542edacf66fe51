"""Steps side by side are what as many steps make, to the bit, in every scheme."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from small_models import ANGLE, model_of
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.sampling.generations import draw_generation, draw_steps
from sphere_repro.sampling.image_sets import Setting
from sphere_repro.study.generation import Generation, Guidance


@pytest.mark.parametrize("strength", ["fixed", "linear"])
@pytest.mark.parametrize("noise", ["shared", "independent", "initial"])
@pytest.mark.parametrize("kind", ["sphere", "bare"])
@pytest.mark.parametrize("count", [1, 5])  # of the first, no batch of several keeps the bits on a usual CPU
def test_step_k_is_a_generation_of_k_steps(count: int, kind: str, strength: str, noise: str) -> None:
    setting = Setting(Checkpoint(model_of(kind), ANGLE), (3, "generate"), 64, torch.device("cpu"))
    guidance = Guidance(scale=1.5) if kind == "sphere" else Guidance()
    four = Generation(steps=4, strength=strength, noise=noise, guidance=guidance)  # type: ignore[arg-type]
    drawn = draw_steps(setting, four, count)
    assert drawn.images.shape[:2] == (count, 4)
    assert drawn.axes == {"sample": list(range(count)), "step": [1, 2, 3, 4]}
    for steps in drawn.axes["step"]:
        alone = draw_generation(setting, four.model_copy(update={"steps": steps}), count)
        assert np.array_equal(drawn.images[:, steps - 1], alone.images)
    images = drawn.images.reshape(4 * count, -1)
    assert len(np.unique(images, axis=0)) == len(images)  # and they do differ
    if kind == "sphere":
        assert drawn.labels is not None
        assert drawn.labels.tolist() == np.repeat(np.arange(count) % 3, 4).tolist()

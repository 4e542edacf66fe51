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
def test_step_k_is_a_generation_of_k_steps(kind: str, strength: str, noise: str) -> None:
    setting = Setting(Checkpoint(model_of(kind), ANGLE), (3, "generate"), 64, torch.device("cpu"))
    guidance = Guidance(scale=1.5) if kind == "sphere" else Guidance()
    four = Generation(steps=4, strength=strength, noise=noise, guidance=guidance)  # type: ignore[arg-type]
    drawn = draw_steps(setting, four, 3)
    assert drawn.images.shape[:2] == (3, 4) and drawn.axes == {"sample": [0, 1, 2], "step": [1, 2, 3, 4]}
    for steps in drawn.axes["step"]:
        alone = draw_generation(setting, four.model_copy(update={"steps": steps}), 3)
        assert np.array_equal(drawn.images[:, steps - 1], alone.images)
    assert len(np.unique(drawn.images.reshape(12, -1), axis=0)) == 12  # and they do differ
    if kind == "sphere":
        assert drawn.labels is not None and drawn.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4

"""Models of each kind that are small enough to draw from in milliseconds, with weights of noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sphere_repro.data.dataset import Dataset
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import save_model
from sphere_repro.study.architecture import Architecture, Model

ANGLE = 70.0
SIZE = {"width": 16, "layers": 1, "heads": 2}
NAMES = ("cat", "dog", "two words")
KINDS = ("sphere", "bare", "vae")


def write_models(folder: Path) -> None:
    """`sphere`, `bare` (a Sphere Encoder without classes) and `vae`, as model files in `folder`."""
    for kind in KINDS:
        model, angle = model_of(kind), 0.0 if kind == "vae" else ANGLE
        names = NAMES if kind == "sphere" else None
        save_model(folder / f"{kind}.safetensors", model.state_dict(), None, model.shape, angle, names)


def shape_of(kind: str, classes: int = 3) -> Architecture:
    said = {"kind": "vae" if kind == "vae" else "sphere", "encoder": SIZE, "decoder": SIZE}
    said |= {"pixel_head": "conv", "encoder_mixer_depth": 1, "decoder_mixer_depth": 1}
    found = Model.model_validate(said | {"conditional": kind != "bare"}).architecture(Dataset(name="digits"))
    return found.model_copy(update={"classes": 0 if kind == "bare" else classes})


def model_of(kind: str) -> Any:
    generator = torch.Generator().manual_seed(1)
    model = build(shape_of(kind), generator=generator).eval().requires_grad_(False)
    for parameter in model.parameters():  # fresh ones would decode everything to grey
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model

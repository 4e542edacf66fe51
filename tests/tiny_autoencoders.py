"""Small autoencoders of diffusers with random weights, saved as their authors save theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SMALL = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "sample_size": 8,
}


def saved(folder: Path, flux2: bool = False, **settings: Any) -> Any:
    """Save one in `folder` as safetensors, and return it; 2 pixels a place (FLUX.2's: 4), 4 channels."""
    from diffusers import AutoencoderKL, AutoencoderKLFlux2

    generator = torch.Generator().manual_seed(0)
    cls = AutoencoderKLFlux2 if flux2 else AutoencoderKL
    model = cls(**{**SMALL, "latent_channels": 4, **settings})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
        if flux2:
            model.bn.running_mean.copy_(torch.randn(model.bn.running_mean.shape, generator=generator))
            model.bn.running_var.copy_(0.5 + torch.rand(model.bn.running_var.shape, generator=generator))
    model.save_pretrained(folder)
    return model.eval()


def rewritten(folder: Path, **changes: Any) -> None:
    """Change keys of the configuration in `folder`; a key that is `...` is removed."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))

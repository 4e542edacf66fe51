"""A released checkpoint in miniature: our own weights under the released names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch

from sphere_repro.models import released_names
from sphere_repro.models.autoencoder import build
from sphere_repro.study.architecture import Architecture

# (ours, released): models/released.py backwards, for models with a Mixer on both sides
_RULES = (
    (r"^(\w+)\.position$", r"\1.pos_embed"),
    (r"^encoder\.patch\.", "encoder.x_embedder.0."),
    (r"^encoder\.patch_mix\.", "encoder.x_embedder.1."),
    (r"^decoder\.embed\.", "decoder.x_embedder.0."),
    (r"\.pixels\.conv\.", ".out.2."),
    (r"\.pixels\.expand\.", ".out.4."),
    (r"\.class_embedding\.table\.", ".y_embedder.embedding_table."),
    (r"\.head\.", ".ffn."),
    (r"\.modulation\.linear\.", ".adaLN_modulation.1."),
    (r"\.token_scale$", ".alpha1"),
    (r"\.channel_scale$", ".alpha2"),
    (r"\.(token|attention)_norm\.", ".norm1."),
    (r"\.(channel|mlp)_norm\.", ".norm2."),
    (r"\.token_mlp\.up\.", ".tok_mixer.mix.0."),
    (r"\.token_mlp\.down\.", ".tok_mixer.mix.2."),
    (r"\.channel_mlp\.up\.", ".chn_mixer.mix.0."),
    (r"\.channel_mlp\.down\.", ".chn_mixer.mix.2."),
    (r"\.attention\.qkv\.", ".attn.qkv."),
    (r"\.attention\.out\.", ".attn.proj."),
    (r"\.mlp\.up\.", ".mlp.w12."),
    (r"\.mlp\.down\.", ".mlp.w3."),
    (r"^encoder\.mixer\.", "encoder.out."),
    (r"^decoder\.mixer\.", "decoder.x_embedder.1."),
)


def released_name(ours: str) -> str:
    name = ours
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    assert released_names.our_name(name) == ours
    return name


def write_checkpoint(path: Path, shape: Architecture, angle: float, **changes: object) -> None:
    """Write `path` (.pth) and the configuration beside it; `changes` replace keys of the latter."""
    generator = torch.Generator().manual_seed(0)
    model = build(shape, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():  # a new model's heads are zero: no latents
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    state = {released_name(name): tensor for name, tensor in model.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": state, "ema_model": state}, path)
    config = {
        "size": shape.image_size,
        "patch": shape.patch_size,
        "ch": shape.token_channels,
        "classes": shape.classes,
        "head": shape.pixel_head,
        "ms_e": "e",
        "ms_d": "d",
        "sizes": {"e": shape.encoder.model_dump(), "d": shape.decoder.model_dump()},
        "mix_e": shape.encoder_mixer_depth,
        "mix_d": shape.decoder_mixer_depth,
        "angle": angle,
    }
    path.with_suffix(".json").write_text(json.dumps(config | changes))

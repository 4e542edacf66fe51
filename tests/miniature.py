"""A released checkpoint in miniature, our own weights under the released names; a sample set in one call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sphere_repro.models import released_names
from sphere_repro.models.autoencoder import build
from sphere_repro.sampling.sets import STATE, Files, draw
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.jobs import SampleJob

# (ours, released): models/released_names.py backwards, for models with a Mixer on both sides
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
        "image_size": shape.image_size,
        "patch_size": shape.patch_size,
        "token_channels": shape.token_channels,
        "num_classes": shape.classes,
        "cond_generator": shape.classes > 0,
        "pixel_head_type": shape.pixel_head,
        "vit_enc_model_size": "e",
        "vit_dec_model_size": "d",
        "sizes": {"e": shape.encoder.model_dump(), "d": shape.decoder.model_dump()},
        "vit_enc_latent_mlp_mixer_depth": shape.encoder_mixer_depth,
        "vit_dec_latent_mlp_mixer_depth": shape.decoder_mixer_depth,
        "affine_latent_mlp_mixer": shape.affine,
        "noise_sigma_max_angle": angle,
    }
    path.with_suffix(".json").write_text(json.dumps(config | changes))


def released_words(config: Mapping[str, Any]) -> dict[str, Any]:
    """A reference vector's configuration under the keys of the released one."""
    sizes = {
        name: {key: row[key] for key in ("width", "layers", "heads")} for name, row in config["sizes"].items()
    }
    return {
        "image_size": config["size"],
        "patch_size": config["patch"],
        "token_channels": config["ch"],
        "num_classes": config["classes"],
        "cond_generator": config["classes"] > 0,
        "pixel_head_type": config["head"],
        "vit_enc_model_size": config["ms_e"],
        "vit_dec_model_size": config["ms_d"],
        "sizes": sizes,
        "vit_enc_latent_mlp_mixer_depth": config["mix_e"],
        "vit_dec_latent_mlp_mixer_depth": config["mix_d"],
        "affine_latent_mlp_mixer": config.get("affine", True),
        "noise_sigma_max_angle": config["angle"],
    }


def draw_set(
    job: SampleJob, model: Path, archive: Path, out: Path, device: torch.device, state: Path | None = None
) -> int:
    """Write a job's set in this process; return how many images. Half-done parts lie beside `out`."""
    drawn = draw(job, Files(model, archive, out, state or out.parent / STATE), device)
    assert drawn is not None  # this process leads
    return drawn.count

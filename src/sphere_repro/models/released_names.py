"""Names in released checkpoints, and how they map to ours (`../vectors` holds such checkpoints' arrays)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from sphere_repro.study.architecture import SIZES, Architecture, Size

T = TypeVar("T")

# (released, ours), applied in this order to a whole dotted name
_RULES: tuple[tuple[str, str], ...] = (
    (r"^(\w+)\.pos_embed$", r"\1.position"),
    (r"^encoder\.x_embedder\.0\.", "encoder.patch."),
    (r"^encoder\.x_embedder\.1\.", "encoder.patch_mix."),
    (r"^decoder\.x_embedder\.0\.", "decoder.embed."),
    (r"^decoder\.x_embedder\.1\.", "decoder.mixer."),
    (r"^decoder\.x_embedder\.(weight|bias)$", r"decoder.embed.\1"),
    (r"^encoder\.out\.", "encoder.mixer."),
    (r"^decoder\.out\.2\.", "decoder.pixels.conv."),
    (r"^decoder\.out\.4\.", "decoder.pixels.expand."),
    (r"\.y_embedder\.embedding_table\.", ".class_embedding.table."),
    (r"\.ffn\.", ".head."),
    (r"\.adaLN_modulation\.1\.", ".modulation.linear."),
    (r"\.mixer\.blocks\.(\d+)\.alpha1$", r".mixer.blocks.\1.token_scale"),
    (r"\.mixer\.blocks\.(\d+)\.alpha2$", r".mixer.blocks.\1.channel_scale"),
    (r"\.mixer\.blocks\.(\d+)\.norm1\.", r".mixer.blocks.\1.token_norm."),
    (r"\.mixer\.blocks\.(\d+)\.norm2\.", r".mixer.blocks.\1.channel_norm."),
    (r"\.tok_mixer\.mix\.0\.", ".token_mlp.up."),
    (r"\.tok_mixer\.mix\.2\.", ".token_mlp.down."),
    (r"\.chn_mixer\.mix\.0\.", ".channel_mlp.up."),
    (r"\.chn_mixer\.mix\.2\.", ".channel_mlp.down."),
    (r"^(\w+)\.blocks\.(\d+)\.norm1\.", r"\1.blocks.\2.attention_norm."),
    (r"^(\w+)\.blocks\.(\d+)\.norm2\.", r"\1.blocks.\2.mlp_norm."),
    (r"\.attn\.qkv\.", ".attention.qkv."),
    (r"\.attn\.proj\.", ".attention.out."),
    (r"\.mlp\.w12\.", ".mlp.up."),
    (r"\.mlp\.w3\.", ".mlp.down."),
)


def our_name(released: str) -> str:
    """Our parameter name for a released one."""
    name = released
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def rename(state: Mapping[str, T]) -> dict[str, T]:
    """A released state dict (or anything keyed alike) under our names."""
    return {our_name(name): value for name, value in state.items()}


def architecture(config: Mapping[str, object]) -> Architecture:
    """Our architecture from a released configuration.

    Args:
        config: `size`, `patch`, `ch`, `classes` (0 = unconditional), `head`, `ms_e`, `ms_d` (size names,
            looked up in `sizes` where given, else among the paper's), `mix_e`, `mix_d`, `affine`.

    Raises:
        KeyError, TypeError, ValueError: a key is missing or does not fit.
    """
    given = config.get("sizes", {})
    if not isinstance(given, Mapping):
        raise TypeError("'sizes' must map names to width, layers and heads")

    def size(name: object) -> Size:
        row = given.get(name)
        if row is None:
            return SIZES[str(name)]
        return Size(width=row["width"], layers=row["layers"], heads=row["heads"])

    return Architecture.model_validate(
        {
            "image_size": config["size"],
            "patch_size": config["patch"],
            "token_channels": config["ch"],
            "classes": config["classes"],
            "pixel_head": config["head"],
            "encoder": size(config["ms_e"]),
            "decoder": size(config["ms_d"]),
            "encoder_mixer_depth": config["mix_e"],
            "decoder_mixer_depth": config["mix_d"],
            "affine": config.get("affine", True),
        }
    )

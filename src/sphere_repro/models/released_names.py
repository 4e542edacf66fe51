"""Names in released checkpoints, and how they map to ours (`../vectors` holds such checkpoints' arrays)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

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


# Parts of a name that say how a training wrapped the model: compiled, checkpointed, spread over processes.
WRAPPERS = frozenset({"_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "module"})


def unwrapped(released: str) -> str:
    """A released name without what compiling, checkpointing and spreading a training add to it."""
    return ".".join(part for part in released.split(".") if part not in WRAPPERS)


def our_name(released: str) -> str:
    """Our parameter name for a released one."""
    name = unwrapped(released)
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def rename(state: Mapping[str, T]) -> dict[str, T]:
    """A released state dict (or anything keyed alike) under our names."""
    return {our_name(name): value for name, value in state.items()}

"""The weights of a released checkpoint: read from `.pth` or `.safetensors`, and put under our names.

Nothing is left out unseen: a buffer that our model computes itself has to hold the numbers that ours has.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sphere_repro.errors import UserError
from sphere_repro.models import released_names
from sphere_repro.models.checkpoint import DamagedFileError, build_with, read_pickle, save_model
from sphere_repro.models.layers import rope_table
from sphere_repro.models.released_config import released_settings
from sphere_repro.study.architecture import Architecture

SECTIONS = {"raw": "model", "ema": "ema_model"}  # our word, theirs
ROPE_TOLERANCE = 1e-4  # in float32; a half-precision table is held to its own rounding
SCALARS = (".token_scale", ".channel_scale")


def import_released(checkpoint: Path, config: Path, out: Path) -> None:
    """Convert a released checkpoint and its configuration (JSON) to a model file.

    Pickled code is never run (`weights_only`); every tensor must fit.

    Args:
        checkpoint: `.pth`, a dictionary with the state dicts `model` and/or `ema_model` under the released
            names; or `.safetensors` with the same tensors, named `model.NAME` and `ema_model.NAME`, or of
            `model` alone, named as they are.
        config: the configuration beside it.
        out: the model file.

    Raises:
        UserError: a file is missing, broken, not such a checkpoint, or the two do not fit together.
    """
    shape, angle = released_settings(config)
    loaded = _read(checkpoint)
    found = {
        kind: released_state(loaded[key], shape, f"{checkpoint} ('{key}')")
        for kind, key in SECTIONS.items()
        if isinstance(loaded.get(key), dict)
    }
    if not found:
        raise UserError(
            f"{checkpoint} holds neither 'model' nor 'ema_model': it is not a released checkpoint. "
            "Check the path."
        )
    save_model(out, found.get("raw", found.get("ema", {})), found.get("ema"), shape, angle)


def released_state(state: Mapping[str, Tensor], shape: Architecture, where: str) -> dict[str, Tensor]:
    """A released state dict under our names, checked against `shape`; float32 tensors.

    Raises:
        UserError: a tensor is missing, unexpected, of another shape or there twice, or a buffer differs from
            what our model computes.
    """
    plain = _unwrapped(state, where)
    for side in ("encoder", "decoder"):
        if (table := plain.pop(f"{side}.rope", None)) is not None:
            _check_rope(table, side, shape, where)
    model = build_with({name: _shaped(name, tensor) for name, tensor in plain.items()}, shape, where)
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def _unwrapped(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors under our names, whatever their training was wrapped in."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        ours = released_names.our_name(str(name))
        if ours in renamed:
            raise UserError(f"{where} holds {ours} twice, under names with other prefixes. Check the file.")
        renamed[ours] = tensor
    return renamed


def _shaped(name: str, tensor: object) -> Any:
    """Position tables lose their batch dimension; older files hold the Mixers' scalars without dimension."""
    if not isinstance(tensor, Tensor):
        return tensor
    if name.endswith(".position") and tensor.dim() == 3 and len(tensor) == 1:
        return tensor[0]
    return tensor.reshape(1) if name.endswith(SCALARS) and tensor.dim() == 0 else tensor


def _check_rope(table: object, side: str, shape: Architecture, where: str) -> None:
    """Hold a stored rotary table, (1, N, 2·head_dim), cosines then sines, against ours, which is used."""
    size = shape.encoder if side == "encoder" else shape.decoder
    ours = torch.cat(rope_table(size.width // size.heads, shape.grid), dim=-1)
    fault = f"{where} does not fit its configuration: {side}.rope"
    if not isinstance(table, Tensor) or not table.is_floating_point() or table.layout != torch.strided:
        raise UserError(f"{fault} is not a tensor of real numbers. Get the file again.")
    if tuple(table.shape) not in {tuple(ours.shape), (1, *ours.shape)}:
        raise UserError(
            f"{fault} has shape {tuple(table.shape)} instead of {(1, *ours.shape)}. Use the file and "
            "configuration that belong together."
        )
    difference = (table.float().reshape(ours.shape) - ours).abs().max().item()
    if not difference <= max(ROPE_TOLERANCE, torch.finfo(table.dtype).eps):  # NaN is no agreement
        raise UserError(
            f"{fault} differs by {difference:.2g} from the rotary table of this architecture, so that the "
            "model would compute something else. Models with another table cannot be imported."
        )


def _read(path: Path) -> dict[str, Any]:
    """The checkpoint's sections."""
    if path.suffix != ".safetensors":
        return read_pickle(path, "released checkpoint")
    if not path.is_file():
        raise UserError(f"The released checkpoint {path} does not exist. Check the path.")
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise DamagedFileError(
            f"The released checkpoint {path} is truncated or not a safetensors file ({error}). "
            "Get it again from where it came."
        ) from error
    return _sections(tensors)


def _sections(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by section; names without one are those of `model` alone."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        section, _, rest = name.partition(".")
        if section in SECTIONS.values():
            found.setdefault(section, {})[rest] = tensor
    if not found and any(
        released_names.unwrapped(name).startswith(("encoder.", "decoder.")) for name in tensors
    ):
        return {"model": dict(tensors)}
    return found

"""In which numbers the networks compute while sampling; noise, latents and images stay float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import AnyAutoencoder
from sphere_repro.study.generation import Precision

AMPERE = (8, 0)  # the first GPUs with TF32


@contextlib.contextmanager
def computing(precision: Precision, device: torch.device, key: str = "sampling.precision") -> Iterator[None]:
    """Have a GPU compute float32 products and convolutions as TF32, or not; the switches are put back.

    `float32` says no to both: torch itself allows TF32 in convolutions. `key` is the parameter that asks.

    Raises:
        UserError: TF32 is asked of a device that has none.
    """
    if precision == "tf32":
        _refuse_without_tf32(device, key)
    if device.type != "cuda":
        yield
        return
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def lower(model: AnyAutoencoder, precision: Precision) -> None:
    """Cast the weights to bfloat16, as the released evaluation does; what comes out is float32 again.

    A no-op for the other precisions.
    """
    if precision != "bfloat16":
        return
    for network in (model.encoder, model.decoder):  # not what a pretrained one's latents are normalised by
        network.to(torch.bfloat16)
        network.register_forward_pre_hook(_to_bfloat16)
        network.register_forward_hook(_to_float32)


def _to_bfloat16(_module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Images and latents; whole numbers, which name classes, stay."""
    return tuple(_cast(one, torch.bfloat16) for one in given)


def _to_float32(_module: nn.Module, _given: tuple[Any, ...], made: Tensor) -> Tensor:
    return made.float()


def _cast(value: Any, kind: torch.dtype) -> Any:
    return value.to(kind) if isinstance(value, Tensor) and value.is_floating_point() else value


def _refuse_without_tf32(device: torch.device, key: str) -> None:
    if device.type != "cuda":
        what = "this is a CPU"
    elif torch.cuda.get_device_capability(device) < AMPERE:
        what = f"{torch.cuda.get_device_name(device)} has no TF32"
    else:
        return
    raise UserError(f"{key} is tf32, but {what}. Use float32 or bfloat16, or an NVIDIA GPU since Ampere.")

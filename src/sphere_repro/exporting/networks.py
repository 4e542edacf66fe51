"""Encoder and decoder as ONNX, and what onnxruntime makes of them beside torch."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from sphere_repro import seeds
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import PlainAutoencoder, SphereAutoencoder, VariationalAutoencoder

OPSET = 18
MOST_DIFFERENCE = 1e-4
BATCHES = (1, 2, 5)  # that are tried: the networks take any
KEY = "sphere-repro"  # of the metadata in the files
Exported = SphereAutoencoder | VariationalAutoencoder | PlainAutoencoder


@dataclass(frozen=True)
class Network:
    """A side of a model as ONNX takes it: a module, names of what goes in and comes out, an example."""

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: tuple[Tensor, ...]


class _Encoder(nn.Module):
    """Images → latents before they are projected; of a VAE mean and log-variance."""

    def __init__(self, model: Exported) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, weights: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        if isinstance(self.model, VariationalAutoencoder):
            return self.model.posterior(images, weights)
        return self.model.encoder(images, weights)  # type: ignore[no-any-return]


class _Decoder(nn.Module):
    def __init__(self, model: Exported) -> None:
        super().__init__()
        self.model = model

    def forward(self, latents: Tensor, weights: Tensor | None = None) -> Tensor:
        return self.model.decode(latents, weights)


def encoder(model: Exported) -> Network:
    """images (B, 3, H, H) in [-1, 1], and where there are classes weights (B, classes + 1) → (B, N, d)."""
    two = isinstance(model, VariationalAutoencoder)
    outputs = ("posterior_mean", "posterior_log_variance") if two else ("latents",)
    pixels = model.shape.image_size
    return _network(_Encoder(model), model, "images", outputs, (3, pixels, pixels))


def decoder(model: Exported) -> Network:
    """latents (B, N, d), and where there are classes weights (B, classes + 1) → images (B, 3, H, H)."""
    shape = (model.shape.tokens, model.shape.token_channels)
    return _network(_Decoder(model), model, "latents", ("images",), shape)


def write_onnx(network: Network, path: Path, about: Mapping[str, Any]) -> None:
    """Write the network; `about` stands in the file too. What torch notes of the machine does not."""
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(action="ignore"):
        program = torch.onnx.export(
            network.module, network.example, dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(network.inputs), output_names=list(network.outputs),
            dynamic_shapes=tuple({0: batch} for _ in network.inputs),
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # lines of the source and where it lies
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: json.dumps(about, sort_keys=True)})
    onnx.save(model, path)


def difference(network: Network, path: Path) -> float:
    """Largest absolute difference between onnxruntime and torch, over random inputs in several batches.

    Raises:
        UserError: it is above 1e-4, or no number.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    largest = max(_difference_of(network, session, batch) for batch in BATCHES)
    if not largest <= MOST_DIFFERENCE:
        raise UserError(
            f"{path.name} differs from torch by {largest:.1e}, more than {MOST_DIFFERENCE:g}: nothing is "
            "written. Export another model, or tell the authors of this harness."
        )
    return largest


def _difference_of(network: Network, session: onnxruntime.InferenceSession, batch: int) -> float:
    generator = seeds.generator("export", batch)
    given = [
        _random(name, one, batch, generator)
        for name, one in zip(network.inputs, network.example, strict=True)
    ]
    with torch.inference_mode():
        expected = network.module(*given)
    found = session.run(
        list(network.outputs), dict(zip(network.inputs, (each.numpy() for each in given), strict=True))
    )
    pairs = zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True)
    return float(np.max([np.abs(one - other.numpy()).max() for one, other in pairs]))


def _random(name: str, example: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    """Images in [-1, 1], normal latents, weights of classes that sum to 1 (the first: one class alone)."""
    shape = (batch, *example.shape[1:])
    if name == "latents":
        return torch.randn(shape, generator=generator)
    values = torch.rand(shape, generator=generator)
    if name == "images":
        return 2 * values - 1
    values[0] = torch.nn.functional.one_hot(values[0].argmax(), shape[1]).float()
    return values / values.sum(dim=1, keepdim=True)


def _network(
    module: nn.Module, model: Exported, first: str, outputs: tuple[str, ...], shape: tuple[int, ...]
) -> Network:
    example: tuple[Tensor, ...] = (torch.zeros(2, *shape),)
    inputs: tuple[str, ...] = (first,)
    if model.shape.classes:
        example, inputs = (*example, torch.zeros(2, model.shape.classes + 1)), (first, "weights")
    return Network(module.eval(), inputs, outputs, example)

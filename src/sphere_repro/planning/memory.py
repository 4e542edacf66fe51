"""Memory of a training step or a sampling pass, from a run on tensors that have shapes and no numbers.

The model's own code runs, and what would be kept is added up: a change of the model's code changes the
estimate with it. All blocks of a side are alike and everything is linear in the batch, so that short networks
and small batches tell the bytes of any depth and batch exactly.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from sphere_repro.models.autoencoder import (
    Autoencoder,
    SphereAutoencoder,
    build,
    parameter_count,
)
from sphere_repro.models.layers import Block
from sphere_repro.models.vit import run_block
from sphere_repro.planning.perceptual_cost import kept_by_perceptual, weight_bytes
from sphere_repro.planning.tracing import (
    LinearBytes,
    fake_tensors,
    linear_in_the_batch,
    peak_bytes,
    saved_bytes,
)
from sphere_repro.study.architecture import Architecture, Size
from sphere_repro.study.flops import perceptual_terms
from sphere_repro.study.objective import Loss
from sphere_repro.training import losses

FLOAT, HALF = 4, 2  # bytes
TRAINED_COPIES = 5  # weights, average, gradients, and Adam's two moments
SHORT = 2  # layers after which a pass without gradients takes no more


@cache
def parameters(shape: Architecture) -> int:
    """`parameter_count`, built once for all jobs of a model."""
    return parameter_count(shape)


def training_bytes(
    shape: Architecture, loss: Loss, batch: int, *, half: bool, checkpointing: bool, processes: int
) -> int:
    """Bytes that a training step takes on one device.

    Args:
        shape: the autoencoder.
        loss: its terms decide which calls there are.
        batch: images of one pass, the largest micro batch.
        half: bfloat16 autocast.
        checkpointing: blocks are computed again in the backward pass.
        processes: over all nodes; more than one keep the gradients once more, to exchange them.
    """
    copies = TRAINED_COPIES + (processes > 1)
    distance = weight_bytes(loss.perceptual) if perceptual_terms(shape, loss) else 0
    kept = activation_bytes(shape, loss, batch, half=half, checkpointing=checkpointing)
    return copies * FLOAT * parameters(shape) + distance + kept


def activation_bytes(
    shape: Architecture, loss: Loss, batch: int, *, half: bool, checkpointing: bool = False
) -> int:
    """Most bytes that a training step holds for its backward pass, weights and their gradients apart.

    Without checkpointing that is what the forward pass keeps. With it only each block's input is kept, and
    one of three moments is the largest: the end of the forward pass (autocast still holds every weight in
    bfloat16), the first block computed again of the second encoder call, or the decoder's first one, when
    what the second encoder call and the perceptual network kept is free.

    Args:
        shape: the autoencoder.
        loss: its terms decide which calls there are; a perceptual network counts where it is installed.
        batch: images of the step.
        half: bfloat16 autocast.
        checkpointing: blocks are computed again in the backward pass.
    """
    terms = perceptual_terms(shape, loss)
    kept_by = kept_by_perceptual(loss.perceptual, shape.image_size, terms, half=half)
    distance = kept_by.of(batch)
    kept = _kept(shape, loss, half=half, checkpointing=checkpointing).of(batch) + distance
    if not checkpointing:
        return kept
    sphere = shape.kind == "sphere"
    points = batch * (2 if sphere else 1)  # that the decoder sees in one call
    encoder = _block_bytes(shape.encoder, shape, batch, half=half)
    decoder = _block_bytes(shape.decoder, shape, points, half=half)
    cast = _cast_bytes(shape.encoder, shape) + _cast_bytes(shape.decoder, shape) if half else 0
    again = _kept_by_second_call(shape, half=half).per_image * batch if sphere and loss.lat_con else 0
    of_encoder, of_decoder = _kept_after_blocks(shape, batch, points, half=half)
    later = kept - again - distance - of_decoder + max(encoder, decoder)
    first = kept - of_encoder + encoder if again else kept
    return max(kept + cast, first, later)


@cache
def inference_bytes(shape: Architecture, batch: int) -> int:
    """Most bytes alive at once in one encoder or decoder call without gradients in float32, weights apart.

    They do not grow with the number of layers.
    """
    short = _with_layers(shape, min(SHORT, shape.encoder.layers), min(SHORT, shape.decoder.layers))
    with fake_tensors(), torch.no_grad():
        model = build(short)
        images, labels = _batch(short, batch)
        latent = torch.zeros(batch, short.tokens, short.token_channels)
        return max(
            peak_bytes(lambda: model.encoder(images, labels)),
            peak_bytes(lambda: model.decoder(latent, labels)),
        )


def step_forward(
    model: Autoencoder, loss: Loss, batch: int, perceptual: losses.PerceptualDistance | None
) -> Tensor:
    """The loss of one training step on blank images: the same calls as in training."""
    shape = model.shape
    images, labels = _batch(shape, batch)
    no, noise = torch.zeros(batch, dtype=torch.bool), torch.zeros(batch, shape.tokens, shape.token_channels)
    draws = losses.Draws(torch.ones(batch), torch.ones(batch), no, no.repeat(2), no, noise)
    if isinstance(model, SphereAutoencoder):
        terms = losses.sphere_losses(model, images, labels, draws, loss, perceptual)
    else:
        terms = losses.baseline_losses(model, images, labels, draws, loss, perceptual)
    return losses.total(terms, loss)


@cache
def _kept(shape: Architecture, loss: Loss, *, half: bool, checkpointing: bool) -> LinearBytes:
    """What the forward pass of a step keeps, the perceptual network apart."""

    def besides_blocks(batch: int) -> int:
        with fake_tensors(half=half):
            model = build(_with_layers(shape, 0, 0))
            return saved_bytes(lambda: step_forward(model, loss, batch, _KeepsNothing()), model)

    sphere = shape.kind == "sphere"
    encoder = _kept_by_block(shape.encoder, shape, half=half, checkpointing=checkpointing)
    decoder = _kept_by_block(shape.decoder, shape, half=half, checkpointing=checkpointing)
    return (
        linear_in_the_batch(besides_blocks)
        .plus(encoder.times(images=2 if sphere and loss.lat_con else 1), shape.encoder.layers)
        .plus(decoder.times(images=2 if sphere else 1), shape.decoder.layers)
    )


@cache
def _kept_by_second_call(shape: Architecture, *, half: bool) -> LinearBytes:
    """What a checkpointed encoder call keeps."""

    def besides_blocks(batch: int) -> int:
        with fake_tensors(half=half):
            model = build(_with_layers(shape, 0, 0))
            images, labels = _batch(shape, batch)
            return saved_bytes(lambda: model.encoder(images.requires_grad_(), labels), model, images)

    block = _kept_by_block(shape.encoder, shape, half=half, checkpointing=True)
    return linear_in_the_batch(besides_blocks).plus(block, shape.encoder.layers)


@cache
def _kept_by_block(size: Size, shape: Architecture, *, half: bool, checkpointing: bool) -> LinearBytes:
    """What one call of a block of this size keeps; the fixed part are weights in bfloat16."""

    def kept(batch: int) -> int:
        with fake_tensors(half=half):
            block = _block(size, shape)
            tokens, condition = _block_input(size, shape, batch)
            apart = [block] if condition is None else [block, condition]  # all blocks share it
            return saved_bytes(
                lambda: run_block(block, tokens, condition, checkpointing=checkpointing), *apart
            )

    return linear_in_the_batch(kept)


@cache
def _block_bytes(size: Size, shape: Architecture, batch: int, *, half: bool) -> int:
    """Most bytes alive while a block is computed again and passed backwards, weights and gradients apart."""
    with fake_tensors(half=half):
        block = _block(size, shape)
        tokens, condition = _block_input(size, shape, batch)
        most = peak_bytes(lambda: block(tokens, condition).backward(torch.zeros_like(tokens)))
        return max(0, most - FLOAT * sum(parameter.numel() for parameter in block.parameters()))


@cache
def _kept_after_blocks(shape: Architecture, images: int, points: int, *, half: bool) -> tuple[int, int]:
    """What the layers behind the blocks keep in a call of each side; free when a block is computed again."""
    with fake_tensors(half=half):
        model = build(_with_layers(shape, 0, 0))
        encoder, decoder, side = model.encoder, model.decoder, (shape.grid, shape.grid)
        h, condition = _block_input(shape.encoder, shape, images)
        of_encoder = saved_bytes(lambda: encoder.mixer(encoder.head(h, condition)), encoder, h)
        z, condition = _block_input(shape.decoder, shape, points)

        def pixels() -> Tensor:
            made: Tensor = decoder.pixels(decoder.head(z, condition).transpose(1, 2).unflatten(2, side))
            return made

        return of_encoder, saved_bytes(pixels, decoder, z)


def _block_input(size: Size, shape: Architecture, batch: int) -> tuple[Tensor, Tensor | None]:
    tokens = torch.zeros(batch, shape.tokens, size.width, requires_grad=True)
    return tokens, torch.zeros(batch, size.width, requires_grad=True) if shape.classes else None


def _cast_bytes(size: Size, shape: Architecture) -> int:
    """The bfloat16 copies of the weights of all blocks."""
    with fake_tensors():
        return size.layers * HALF * sum(parameter.numel() for parameter in _block(size, shape).parameters())


def _block(size: Size, shape: Architecture) -> Block:
    return Block(size.width, size.heads, shape.grid, conditional=shape.classes > 0)


class _KeepsNothing:
    """Stands where perceptual networks do."""

    def features(self, images: Tensor) -> list[Tensor]:
        return [images]

    def between(self, features: losses.Features, target: losses.Features) -> Tensor:
        return (features[0] - target[0]).sum()


def _batch(shape: Architecture, batch: int) -> tuple[Tensor, Tensor | None]:
    images = torch.zeros(batch, 3, shape.image_size, shape.image_size)
    return images, torch.zeros(batch, dtype=torch.long) if shape.classes else None


def _with_layers(shape: Architecture, encoder: int, decoder: int) -> Architecture:
    def resized(size: Size, layers: int) -> Size:
        return size.model_copy(update={"layers": layers})

    return shape.model_copy(
        update={"encoder": resized(shape.encoder, encoder), "decoder": resized(shape.decoder, decoder)}
    )

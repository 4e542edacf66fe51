"""Floating-point operations of encoder and decoder, from their shapes alone (sections 2 to 4).

Convention, that of `torch.utils.flop_counter`: 2 for each multiply-add of matrix products, convolutions and
attention; norms, activations and the like count nothing. The backward of attention counts 5 products for the
forward's 2, because the fused kernels compute the scores again. Everything is linear in the batch, so all
numbers here are for one image.
"""

from __future__ import annotations

from dataclasses import dataclass

from sphere_repro.study.architecture import Architecture, Size
from sphere_repro.study.generation import Generation
from sphere_repro.study.objective import Loss

CONV_HEAD_CHANNELS = 32  # models/vit.py; not imported, because that would import torch
ATTENTION_BACKWARD = 2.5  # of the forward


@dataclass(frozen=True)
class Call:
    """One forward call of one network on one image, in FLOPs.

    Attributes:
        dense: products with weights: linear layers and convolutions.
        attention: products of queries, keys and values.
        first: the part of `dense` that reads the network's input.
        again: what a backward pass computes again under activation checkpointing.
    """

    dense: int
    attention: int
    first: int
    again: int

    @property
    def forward(self) -> int:
        return self.dense + self.attention

    def backward(self, *, to_input: bool) -> int:
        """Gradients of the weights and of every layer's input; `to_input`: of the network's input too."""
        skipped = 0 if to_input else self.first
        return 2 * self.dense - skipped + int(ATTENTION_BACKWARD * self.attention)


@dataclass(frozen=True)
class Calls:
    """How often each network is called for one image."""

    encoder: int
    decoder: int


def encoder_call(shape: Architecture) -> Call:
    """E(x, y) on one image."""
    width, tokens = shape.encoder.width, shape.tokens
    channels = shape.token_channels * (2 if shape.kind == "vae" else 1)  # a VAE's mean and log-variance
    patch = _linear(tokens, 3 * shape.patch_size**2, width)
    blocks = _blocks(shape.encoder, tokens, conditional=shape.classes > 0)
    dense = (
        patch
        + _linear(tokens, width, width)
        + blocks.dense
        + _head(shape.encoder, tokens, channels, conditional=shape.classes > 0)
        + _mixer(tokens, channels, shape.encoder_mixer_depth)
    )
    return Call(dense, blocks.attention, patch, blocks.again)


def decoder_call(shape: Architecture) -> Call:
    """D(z, y) for one image."""
    width, tokens, patch = shape.decoder.width, shape.tokens, shape.patch_size
    embed = _linear(tokens, shape.token_channels, width)
    blocks = _blocks(shape.decoder, tokens, conditional=shape.classes > 0)
    if shape.pixel_head == "linear":
        channels = 3 * patch**2
        pixels = _linear(shape.image_size**2, 3 * 9, 3)
    else:
        channels = CONV_HEAD_CHANNELS
        pixels = _linear(tokens, channels * 9, channels) + _linear(tokens, channels * (patch + 2) ** 2, 3)
    dense = (
        embed
        + _mixer(tokens, width, shape.decoder_mixer_depth)
        + blocks.dense
        + _head(shape.decoder, tokens, channels, conditional=shape.classes > 0)
        + pixels
    )
    return Call(dense, blocks.attention, embed, blocks.again)


def training_flops(shape: Architecture, loss: Loss) -> int:
    """Forward and backward of one training step, for each image of the batch, without the perceptual network.

    Sphere Encoder (section 3): one encoder call on data, the decoder on 2B points, and with a weight on
    lat_con a second encoder call, whose gradient goes on into the decoder. Any term reaches all of the rest:
    both halves of the decoder's batch are one call. VAE and plain autoencoder: one call of each; the KL
    divergence alone leaves the decoder without a gradient.
    """
    encode, decode = encoder_call(shape), decoder_call(shape)
    first = encode.forward + encode.backward(to_input=False)
    if shape.kind != "sphere":
        backward = decode.backward(to_input=True) if _reaches_decoder(loss) else 0
        return first + decode.forward + backward
    again = encode.forward + encode.backward(to_input=True) if loss.lat_con > 0 else 0
    return first + 2 * (decode.forward + decode.backward(to_input=True)) + again


def recomputed_flops(shape: Architecture, loss: Loss) -> int:
    """What activation checkpointing adds to one training step, for each image of the batch.

    The blocks of every call that `training_flops` counts with a backward pass are computed once more.
    """
    encode, decode = encoder_call(shape), decoder_call(shape)
    if shape.kind != "sphere":
        return encode.again + (decode.again if _reaches_decoder(loss) else 0)
    return encode.again * (2 if loss.lat_con > 0 else 1) + 2 * decode.again


def perceptual_terms(shape: Architecture, loss: Loss) -> int:
    """How often a training step asks for the perceptual distance of a batch."""
    if loss.perceptual.network == "none":
        return 0
    weights = [loss.pix_recon_perceptual, *([loss.pix_con_perceptual] if shape.kind == "sphere" else [])]
    return sum(weight > 0 for weight in weights)


def generation_calls(generation: Generation) -> Calls:
    """T decodes and T-1 encodes; guidance doubles the calls of the side where it acts (section 4)."""
    guided = generation.guidance.scale > 1
    position = generation.guidance.position
    return Calls(
        encoder=(generation.steps - 1) * (2 if guided and position in ("enc", "combo") else 1),
        decoder=generation.steps * (2 if guided and position in ("dec", "combo") else 1),
    )


def set_calls(name: str, generation: Generation | None) -> Calls:
    """How often each network is called for one image of the sample set `name`."""
    if generation is not None:
        return generation_calls(generation)
    return Calls(encoder=int(name == "reconstruction"), decoder=1)


def forward_flops(shape: Architecture, calls: Calls) -> int:
    """Forward calls for one image."""
    return calls.encoder * encoder_call(shape).forward + calls.decoder * decoder_call(shape).forward


def _reaches_decoder(loss: Loss) -> bool:
    """Whether the objective of a baseline has a term on images; a plain autoencoder's has no other."""
    return loss.pix_recon_l1 > 0 or loss.pix_recon_perceptual > 0


def _linear(rows: int, inputs: int, outputs: int) -> int:
    return 2 * rows * inputs * outputs


def _blocks(size: Size, tokens: int, *, conditional: bool) -> Call:
    """All transformer blocks of one side.

    To compute a block again, torch stops at the last tensor that the backward pass asks for: the input of the
    block's last product, or, where a gate follows, that product.
    """
    width, hidden = size.width, int(size.width * (2 / 3 * 4))
    last = _linear(tokens, hidden, width)
    dense = (
        _linear(tokens, width, 3 * width)
        + _linear(tokens, width, width)
        + _linear(tokens, width, 2 * hidden)
        + last
        + (_linear(1, width, 6 * width) if conditional else 0)
    )
    attention = 2 * _linear(tokens, width, tokens)
    again = dense + attention - (0 if conditional else last)
    return Call(size.layers * dense, size.layers * attention, 0, size.layers * again)


def _head(size: Size, tokens: int, channels: int, *, conditional: bool) -> int:
    modulation = _linear(1, size.width, 2 * size.width) if conditional else 0
    return modulation + _linear(tokens, size.width, channels)


def _mixer(tokens: int, channels: int, depth: int) -> int:
    over_tokens = 2 * _linear(channels, tokens, tokens)
    over_channels = 2 * _linear(tokens, channels, 2 * channels)
    return depth * (over_tokens + over_channels)

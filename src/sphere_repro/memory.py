"""Memory of a training step or a sampling pass, from a run on tensors that have shapes and no numbers.

The model's own code runs under torch's FakeTensorMode: nothing is computed and nothing is allocated, and
what would be kept is added up. A change of the model's code changes the estimate with it.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from sphere_repro import losses
from sphere_repro.architecture import Architecture, Size
from sphere_repro.models.autoencoder import Autoencoder, SphereAutoencoder, VariationalAutoencoder, build
from sphere_repro.objective import Loss, Perceptual
from sphere_repro.perceptual import LiteDistance

ALWAYS_FLOAT32 = {"lpips-convnext"}  # perceptual networks that autocast does not reach
SHORT = 2  # layers of the networks that are run in place of the deep ones


@cache
def activation_bytes(shape: Architecture, loss: Loss, batch: int, *, half: bool) -> int:
    """Bytes that the forward pass of a training step keeps for its backward pass, weights apart.

    All blocks of a side are alike, so that one and two layers tell the bytes of any number exactly.

    Args:
        shape: the autoencoder.
        loss: its terms decide which calls there are; a perceptual network counts where it is installed.
        batch: images of the step.
        half: bfloat16 autocast.
    """

    def kept(encoder: int, decoder: int) -> int:
        return _kept(_with_layers(shape, encoder, decoder), loss, batch, half=half)

    layers = (shape.encoder.layers, shape.decoder.layers)
    if max(layers) <= SHORT:
        return kept(*layers)
    start = kept(1, 1)
    of_encoder, of_decoder = kept(2, 1) - start, kept(1, 2) - start
    return start + (layers[0] - 1) * of_encoder + (layers[1] - 1) * of_decoder


@cache
def inference_bytes(shape: Architecture, batch: int) -> int:
    """Most bytes alive at once in one encoder or decoder call without gradients in float32, weights apart.

    They do not grow with the number of layers.
    """
    short = _with_layers(shape, min(1, shape.encoder.layers), min(1, shape.decoder.layers))
    with _fake(), torch.no_grad():
        model = build(short)
        images, labels = _batch(short, batch)
        latent = torch.zeros(batch, short.tokens, short.token_channels)
        return max(
            peak_bytes(lambda: model.encoder(images, labels)),
            peak_bytes(lambda: model.decoder(latent, labels)),
        )


@cache
def perceptual_flops(settings: Perceptual, pixels: int) -> int | None:
    """FLOPs of one perceptual term with its gradient, for one image; None where its shapes are not known."""
    with _fake(), warnings.catch_warnings(action="ignore"):
        distance = _skeleton(settings)
        if distance is None:
            return None
        image = torch.zeros(1, 3, pixels, pixels, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            distance(image, torch.zeros(1, 3, pixels, pixels)).backward()
        total: int = counter.get_total_flops()
        return total


def saved_bytes(forward: Callable[[], object], *besides: nn.Module) -> int:
    """Bytes that autograd keeps while `forward` runs, each storage once, the weights of `besides` apart."""
    weights = {
        tensor.untyped_storage()._cdata
        for module in besides
        for tensor in (*module.parameters(), *module.buffers())
    }
    kept: dict[int, torch.UntypedStorage] = {}  # holding them keeps their addresses from being used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    total: int = sum(storage.nbytes() for storage in kept.values())
    return total


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes of tensors made by `work` that are alive at once; what was there before does not count."""
    live = _LiveBytes()
    with live:
        work()
    return live.most


def step_forward(
    model: Autoencoder, loss: Loss, batch: int, perceptual: losses.PerceptualDistance | None
) -> Tensor:
    """The loss of one training step on blank images: the same calls as in training."""
    shape = model.shape
    images, labels = _batch(shape, batch)
    no, noise = torch.zeros(batch, dtype=torch.bool), torch.zeros(batch, shape.tokens, shape.token_channels)
    draws = losses.Draws(noise, torch.ones(batch), torch.ones(batch), no, no.repeat(2), no)
    if isinstance(model, SphereAutoencoder):
        terms = losses.sphere_losses(model, images, labels, draws, loss, perceptual)
    else:
        assert isinstance(model, VariationalAutoencoder)
        terms = losses.vae_losses(model, images, labels, draws, loss, perceptual)
    return losses.total(terms, loss)


def _kept(shape: Architecture, loss: Loss, batch: int, *, half: bool) -> int:
    with (
        _fake(),
        warnings.catch_warnings(action="ignore"),  # of kernels that the CPU would not fuse
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=half),
    ):
        model = build(shape)
        distance = _skeleton(loss.perceptual)
        besides = [model] if distance is None else [model, distance]
        return saved_bytes(lambda: step_forward(model, loss, batch, distance), *besides)


def _fake() -> FakeTensorMode:
    return FakeTensorMode(allow_non_fake_inputs=True)


def _skeleton(settings: Perceptual) -> nn.Module | None:
    """The perceptual distance in its shapes; none where there is none, or its shapes are not known."""
    match settings.network:
        case "efficientnet-lite1":
            return LiteDistance(settings.size)
        case "lpips-convnext":
            return PaperDistance(settings)
        case _:
            return None


class PaperDistance(nn.Module):
    """The shapes of the paper's P (section 3): LPIPS with VGG-16, ConvNeXt-Small at 224 px; no weights."""

    def __init__(self, settings: Perceptual) -> None:
        super().__init__()
        from lpips import LPIPS

        vgg = settings.lpips_weight > 0
        self.lpips = LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False) if vgg else None
        self.classifier = _convnext() if settings.convnext_weight > 0 else None
        self.requires_grad_(False)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Images and target (B, 3, H, H) → scalar."""
        with torch.autocast("cpu", enabled=False):
            images, target = images.float(), target.float()
            distance = torch.zeros(())
            if self.classifier is not None:
                logits = [
                    self.classifier(F.interpolate(x, size=224, mode="bilinear", antialias=True))
                    for x in (images, target)
                ]
                distance = distance + F.mse_loss(*logits)
            if self.lpips is not None:
                distance = distance + self.lpips(images, target).mean()
            return distance


@cache
def _convnext() -> nn.Module:
    """Real tensors, because its initial weights cannot be drawn without numbers."""
    from torchvision.models import convnext_small

    with unset_fake_temporarily():
        network: nn.Module = convnext_small(weights=None).eval()
        return network


def _batch(shape: Architecture, batch: int) -> tuple[Tensor, Tensor | None]:
    images = torch.zeros(batch, 3, shape.image_size, shape.image_size)
    return images, torch.zeros(batch, dtype=torch.long) if shape.classes else None


def _with_layers(shape: Architecture, encoder: int, decoder: int) -> Architecture:
    def resized(size: Size, layers: int) -> Size:
        return size.model_copy(update={"layers": layers})

    return shape.model_copy(
        update={"encoder": resized(shape.encoder, encoder), "decoder": resized(shape.decoder, decoder)}
    )


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages of all tensors that operations return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and id(tensor.untyped_storage()) not in before:
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self._now += self._sizes[key]
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._now -= self._sizes.pop(key, 0)

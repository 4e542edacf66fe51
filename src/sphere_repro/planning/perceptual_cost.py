"""Cost of the perceptual distance (section 3): FLOPs, memory, weights, from its networks' shapes alone."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils.flop_counter import FlopCounterMode

from sphere_repro.planning.tracing import LinearBytes, fake_tensors, linear_in_the_batch, saved_bytes
from sphere_repro.study.objective import Perceptual
from sphere_repro.training.perceptual import LiteDistance

ALWAYS_FLOAT32 = {"lpips-convnext"}  # networks that autocast does not reach


@cache
def perceptual_flops(settings: Perceptual, pixels: int) -> int | None:
    """FLOPs of one perceptual term with its gradient, for one image; None where its shapes are not known."""
    with fake_tensors():
        distance = _skeleton(settings)
        if distance is None:
            return None
        image = torch.zeros(1, 3, pixels, pixels, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            distance(image, torch.zeros(1, 3, pixels, pixels)).backward()
        total: int = counter.get_total_flops()
        return total


def kept_by_perceptual(settings: Perceptual, pixels: int, *, half: bool) -> LinearBytes:
    """Bytes that one perceptual term keeps for its gradient, weights apart; none where they are not known."""
    return _kept(settings, pixels, half=half and settings.network not in ALWAYS_FLOAT32)


@cache
def _kept(settings: Perceptual, pixels: int, *, half: bool) -> LinearBytes:
    def kept(batch: int) -> int:
        with fake_tensors(half=half):
            distance = _skeleton(settings)
            if distance is None:
                return 0
            image = torch.zeros(batch, 3, pixels, pixels, requires_grad=True)
            target = torch.zeros(batch, 3, pixels, pixels)
            return saved_bytes(lambda: distance(image, target), distance)

    found = linear_in_the_batch(kept)
    return (
        found if half else LinearBytes(0, found.per_image)
    )  # the fixed part: weights that are no fake tensors


@cache
def weight_bytes(settings: Perceptual) -> int:
    """Bytes of the networks' weights in float32."""
    with fake_tensors():
        distance = _skeleton(settings)
        tensors = [] if distance is None else [*distance.parameters(), *distance.buffers()]
        return sum(tensor.nbytes for tensor in tensors)


@cache
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

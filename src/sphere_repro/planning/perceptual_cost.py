"""Cost of the perceptual distance (section 3): FLOPs, memory, weights, from its networks' shapes alone."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.utils.flop_counter import FlopCounterMode

from sphere_repro.planning.tracing import LinearBytes, fake_tensors, linear_in_the_batch, saved_bytes
from sphere_repro.study.objective import Loss, Perceptual
from sphere_repro.training.losses import perceptual_terms
from sphere_repro.training.perceptual import Distance, LiteDistance, LpipsConvNext


@cache
def perceptual_flops(settings: Perceptual, pixels: int, terms: int) -> int | None:
    """FLOPs of all perceptual terms with their gradients, for one image; None where no shapes are known.

    Args:
        settings: which networks.
        pixels: of the images.
        terms: 1, of the reconstruction, or 2, pixel consistency too: the networks see x_noisy once for both.
    """
    with fake_tensors():
        distance = _skeleton(settings)
        if distance is None:
            return None
        with FlopCounterMode(display=False) as counter:
            _terms(distance, settings, terms, 1, pixels).backward()  # type: ignore[no-untyped-call]
        total: int = counter.get_total_flops()
        return total


def kept_by_perceptual(settings: Perceptual, pixels: int, terms: int, *, half: bool) -> LinearBytes:
    """Bytes that all perceptual terms keep for their gradients, weights apart; none where not known.

    `half`: the training is in bfloat16.
    """
    return _kept(settings, pixels, terms, half=half) if terms else LinearBytes(0, 0)


@cache
def _kept(settings: Perceptual, pixels: int, terms: int, *, half: bool) -> LinearBytes:
    def kept(batch: int) -> int:
        with fake_tensors(half=half):
            distance = _skeleton(settings)
            if distance is None:
                return 0
            return saved_bytes(lambda: _terms(distance, settings, terms, batch, pixels), distance)

    found = linear_in_the_batch(kept)
    # the fixed part: weights that are no fake tensors
    return found if half else LinearBytes(0, found.per_image)


def _terms(distance: Distance, settings: Perceptual, terms: int, batch: int, pixels: int) -> Tensor:
    """The sum of the terms of a step on blank images, as training computes them."""
    loss = Loss(pix_recon_perceptual=1, pix_con_perceptual=terms - 1, perceptual=settings)
    target, small, large = (
        torch.zeros(batch, 3, pixels, pixels, requires_grad=trained) for trained in (False, True, True)
    )
    return torch.stack(list(perceptual_terms(distance, loss, target, small, large).values())).sum()


@cache
def weight_bytes(settings: Perceptual) -> int:
    """Bytes of the networks' weights in float32."""
    with fake_tensors():
        distance = _skeleton(settings)
        tensors = [] if distance is None else [*distance.parameters(), *distance.buffers()]
        return sum(tensor.nbytes for tensor in tensors)


@cache
def _skeleton(settings: Perceptual) -> Distance | None:
    """The perceptual distance in its shapes; none where there is none, or its shapes are not known."""
    match settings.network:
        case "efficientnet-lite1":
            distance = LiteDistance(settings.size)
            distance.precision = settings.precision
            return distance
        case "lpips-convnext":
            return _paper_distance(settings)
    return None


def _paper_distance(settings: Perceptual) -> LpipsConvNext:
    """The paper's, without the published weights."""
    from lpips import LPIPS

    similar = settings.lpips_weight > 0
    vgg = LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False) if similar else None
    return LpipsConvNext(settings, vgg, _convnext() if settings.convnext_weight > 0 else None)


@cache
def _convnext() -> nn.Module:
    """Real tensors, because its initial weights cannot be drawn without numbers."""
    from torchvision.models import convnext_small

    with unset_fake_temporarily():
        network: nn.Module = convnext_small(weights=None).eval()
        return network

"""Memory told without computing agrees with what a real step keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sphere_repro.models.autoencoder import build
from sphere_repro.planning import memory, perceptual_cost
from sphere_repro.planning.tracing import peak_bytes, saved_bytes
from sphere_repro.study.architecture import Architecture, Size
from sphere_repro.study.objective import Loss, Perceptual
from sphere_repro.training.perceptual import LiteDistance

BATCH = 2
LOSS = Loss(pix_recon_perceptual=0, pix_con_perceptual=0)
PEAK_TOLERANCE = 0.05


def architecture(layers: tuple[int, int] = (2, 2), **changes: Any) -> Architecture:
    fields: dict[str, Any] = {
        "image_size": 32,
        "patch_size": 2,
        "token_channels": 8,
        "classes": 10,
        "pixel_head": "conv",
        "encoder_mixer_depth": 2,
        "decoder_mixer_depth": 2,
        "encoder": Size(width=48, layers=layers[0], heads=3),
        "decoder": Size(width=64, layers=layers[1], heads=4),
    }
    return Architecture(**(fields | changes))


VARIANTS: dict[str, dict[str, Any]] = {
    "conditional": {},
    "deep": {"layers": (4, 6)},
    "uneven": {"layers": (0, 5)},
    "unconditional": {"classes": 0, "pixel_head": "linear"},
    "vae": {"kind": "vae"},
    "autoencoder": {"kind": "autoencoder"},
}


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_real_step_keeps(name: str, half: bool) -> None:
    shape = architecture(**VARIANTS[name])
    model = build(shape)

    def forward() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            memory.step_forward(model, LOSS, BATCH, None)

    told = memory.activation_bytes(shape, LOSS, BATCH, half=half)
    assert told == pytest.approx(saved_bytes(forward, model), rel=0.01)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["conditional", "deep", "unconditional", "vae", "autoencoder"])
def test_the_peak_of_a_real_step(name: str, checkpointing: bool, half: bool) -> None:
    shape = architecture(**VARIANTS[name])
    model = build(shape)
    model.encoder.checkpointing = model.decoder.checkpointing = checkpointing
    batch = 16  # with fewer, the gradients, which are counted with the weights, begin to weigh

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss = memory.step_forward(model, LOSS, batch, None)
        loss.backward()

    peak = peak_bytes(step)
    told = memory.activation_bytes(shape, LOSS, batch, half=half, checkpointing=checkpointing)
    assert told == pytest.approx(peak, rel=PEAK_TOLERANCE)


@pytest.mark.parametrize("layers", [(12, 2), (2, 12)])
@pytest.mark.parametrize("lat_con", [0.0, 0.1])
def test_whichever_block_weighs_most_when_it_is_computed_again(
    layers: tuple[int, int], lat_con: float
) -> None:
    shape, loss = architecture(layers), LOSS.model_copy(update={"lat_con": lat_con})
    model = build(shape)
    model.encoder.checkpointing = model.decoder.checkpointing = True
    peak = peak_bytes(lambda: memory.step_forward(model, loss, 8, None).backward())
    told = memory.activation_bytes(shape, loss, 8, half=False, checkpointing=True)
    assert told == pytest.approx(peak, rel=PEAK_TOLERANCE)


def test_memory_grows_with_the_batch_and_shrinks_with_bfloat16() -> None:
    one, two = (memory.activation_bytes(architecture(), LOSS, n, half=False) for n in (4, 8))
    assert one < two <= 2 * one
    assert memory.activation_bytes(architecture(), LOSS, 8, half=True) < two
    less = LOSS.model_copy(update={"lat_con": 0.0})
    assert memory.activation_bytes(architecture(), less, 8, half=False) < two


@pytest.mark.parametrize("layers", [(1, 1), (3, 4)])
def test_the_peak_of_a_real_pass_without_gradients(layers: tuple[int, int]) -> None:
    shape = architecture(layers)
    model = build(shape).eval()
    images, labels = torch.zeros(BATCH, 3, 32, 32), torch.zeros(BATCH, dtype=torch.long)
    with torch.no_grad():
        latent = model.encoder(images, labels)
        peaks = [
            peak_bytes(lambda: model.encoder(images, labels)),
            peak_bytes(lambda: model.decoder(latent, labels)),
        ]
    assert memory.inference_bytes(shape, BATCH) == pytest.approx(max(peaks), rel=0.01)


def test_peak_bytes_of_a_known_course() -> None:
    def work() -> Tensor:
        a = torch.ones(1000)  # 4000 bytes
        b = a + 1  # 8000
        del a  # 4000
        c = b * 2  # 8000
        b.add_(1)  # no new storage
        return c.view(10, 100)

    assert peak_bytes(work) == 8000


def test_perceptual_network_from_its_package() -> None:
    settings = Perceptual(network="efficientnet-lite1", size=32)
    distance = LiteDistance(32)
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        distance(image, torch.rand(1, 3, 16, 16)).backward()
    assert perceptual_cost.perceptual_flops(settings, 16, 1) == pytest.approx(
        counter.get_total_flops(), rel=0.02
    )
    kept = saved_bytes(lambda: distance(image, torch.rand(1, 3, 16, 16)), distance)
    assert perceptual_cost.kept_by_perceptual(settings, 16, 1, half=False).of(1) == pytest.approx(
        kept, rel=0.03
    )
    weights = sum(tensor.nbytes for tensor in (*distance.parameters(), *distance.buffers()))
    assert perceptual_cost.weight_bytes(settings) == weights
    with_it = Loss(perceptual=settings)
    assert memory.activation_bytes(architecture(), with_it, BATCH, half=False) > memory.activation_bytes(
        architecture(), LOSS, BATCH, half=False
    )
    assert perceptual_cost.perceptual_flops(Perceptual(), 16, 1) is None


@pytest.mark.slow
def test_the_papers_perceptual_networks_without_their_weights() -> None:
    """Torchvision's table says 8.68 GMAC for ConvNeXt-Small; VGG-16's convolutions are 13 products."""
    settings = Perceptual(network="lpips-convnext")
    convolutions = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8)]
    convolutions += [(256, 256, 8), (256, 512, 4), (512, 512, 4), (512, 512, 4)] + 3 * [(512, 512, 2)]
    vgg = sum(2 * 9 * a * b * side**2 for a, b, side in convolutions)
    expected = 3 * (2 * 8.68e9 + vgg)  # image, target, and the gradient of the image
    assert perceptual_cost.perceptual_flops(settings, 32, 1) == pytest.approx(expected, rel=0.02)
    both = perceptual_cost.perceptual_flops(settings, 32, 2)
    assert both == pytest.approx(expected * 5 / 3, rel=0.02)  # x_noisy once for both
    alone = Perceptual(network="lpips-convnext", lpips_weight=0)
    assert perceptual_cost.perceptual_flops(alone, 8, 1) == pytest.approx(3 * 2 * 8.68e9, rel=0.02)

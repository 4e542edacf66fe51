"""The paper's perceptual terms: what sharing x_noisy saves, what each precision does to loss and gradient.

Usage: perceptual.py [--pixels 32 --batch 4 --rounds 5 --device auto]

The real architectures (LPIPS with VGG-16, ConvNeXt-Small) with weights drawn from a seed: the published files
need not be there, and the differences are of the arithmetic, not of what the weights have learned. Both terms
of a training step with their gradients: `apart` as two distances (four passes of each network), `shared` as
training computes them (three). Rounds alternate; medians. Adds a row for each device to perceptual.json.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphere_repro.machine import devices
from sphere_repro.machine.devices import pick_device
from sphere_repro.sampling.precision import computing
from sphere_repro.study.objective import Loss, Perceptual, PerceptualPrecision
from sphere_repro.training.losses import perceptual_terms
from sphere_repro.training.perceptual import LpipsConvNext

OUT = Path(__file__).with_suffix(".json")
SETTINGS = Perceptual(network="lpips-convnext")
LOSS = Loss(pix_recon_perceptual=1, pix_con_perceptual=1, perceptual=SETTINGS)


def drawn(network: nn.Module, seed: int) -> nn.Module:
    """`network` with weights from a seed, scaled so that signals neither die nor explode."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.dim() > 1:
            tensor.copy_(noise * math.sqrt(2 / math.prod(tensor.shape[1:])))
            if name.startswith("lin"):  # LPIPS has learned weights above 0
                tensor.abs_()
        elif name.endswith("layer_scale") or tensor.dim():
            tensor.copy_(0.1 * noise + float(name.endswith("weight")))
    return network.eval()


def distance(precision: PerceptualPrecision, device: torch.device) -> LpipsConvNext:
    """P with drawn weights."""
    from lpips import LPIPS
    from torchvision.models import convnext_small

    vgg = LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False)
    scaling = {name: tensor.clone() for name, tensor in vgg.scaling_layer.state_dict().items()}
    drawn(vgg, 0)
    vgg.scaling_layer.load_state_dict(scaling)
    settings = SETTINGS.model_copy(update={"precision": precision})
    return LpipsConvNext(settings, vgg, drawn(convnext_small(weights=None), 1)).to(device)


def shared(perceptual: LpipsConvNext, target: Tensor, small: Tensor, large: Tensor) -> Tensor:
    return torch.stack(list(perceptual_terms(perceptual, LOSS, target, small, large).values())).sum()


def apart(perceptual: LpipsConvNext, target: Tensor, small: Tensor, large: Tensor) -> Tensor:
    value: Tensor = perceptual(small, target) + perceptual(large, small.detach())
    return value


def step(
    way: Callable[..., Tensor], perceptual: LpipsConvNext, images: Tensor
) -> tuple[Tensor, Tensor, float]:
    """Value, gradient to both decoded images, seconds (of the processor, on a CPU)."""
    small, large = (part.clone().requires_grad_() for part in images[1:])
    clock = time.perf_counter if images.is_cuda else time.process_time  # others' work takes no CPU time
    began = clock()
    value = way(perceptual, images[0], small, large)
    value.backward()  # type: ignore[no-untyped-call]
    if images.is_cuda:
        torch.cuda.synchronize()
    assert small.grad is not None and large.grad is not None
    return value.detach(), torch.cat([small.grad, large.grad]).flatten(), clock() - began


def measured(pixels: int, batch: int, rounds: int, device: torch.device) -> dict[str, Any]:
    """Every precision of the device against float32, and sharing against not."""
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(batch, 3, pixels, pixels, generator=generator)
    decoded = [data + level * torch.randn(data.shape, generator=generator) for level in (0.05, 0.2)]
    images = torch.stack([data, *decoded]).clamp(0, 1).to(device)
    names: tuple[PerceptualPrecision, ...] = ("float32", "bfloat16")
    if device.type == "cuda":
        names = ("float32", "tf32", "bfloat16")
    networks = {name: distance(name, device) for name in names}
    found: dict[tuple[str, str], list[tuple[Tensor, Tensor, float]]] = {}
    for _ in range(rounds + 1):
        for name, perceptual in networks.items():
            with computing("tf32" if name == "tf32" else "float32", device):
                for way in (shared, apart):
                    found.setdefault((name, way.__name__), []).append(step(way, perceptual, images))
    exact_value, exact_gradient, _ = found["float32", "apart"][0]
    rows = {}
    for name in names:
        value, gradient, _ = found[name, "shared"][0]
        seconds, without = (
            statistics.median(row[2] for row in found[name, way][1:]) for way in ("shared", "apart")
        )
        rows[name] = {
            "loss_differs_by": round(abs(float(value / exact_value) - 1), 8),
            "gradient_differs_by": round(
                float((gradient - exact_gradient).norm() / exact_gradient.norm()), 8
            ),
            "gradient_cosine": round(float(F.cosine_similarity(gradient, exact_gradient, 0)), 6),
            "milliseconds": round(1000 * seconds, 2),
            "shared_over_apart": round(without / seconds, 3),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds (default 5)")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = pick_device(options.device)
    rows = measured(options.pixels, options.batch, options.rounds, device)
    name = devices.measure(str(device)).name
    report = {
        "pixels": options.pixels,
        "batch": options.batch,
        "torch": torch.__version__,
        "precisions": rows,
    }
    found = json.loads(OUT.read_text()) if OUT.is_file() else {}
    OUT.write_text(json.dumps(found | {f"{name}, {options.pixels} pixels": report}, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

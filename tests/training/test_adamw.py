"""Our AdamW against torch's, bit by bit, and records that go from one to the other."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sphere_repro.training.adamw import AdamW

BETAS, EPS = (0.9, 0.95), 1e-8
RATES = (1e-3, 1e-2)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"first": nn.Linear(7, 37), "second": nn.Linear(37, 3), "unused": nn.Linear(3, 3)})


def groups(of: nn.Module) -> list[list[nn.Parameter]]:
    return [list(of["first"].parameters()), [*of["second"].parameters(), *of["unused"].parameters()]]


def ours(of: nn.Module) -> AdamW:
    return AdamW(groups(of), BETAS, EPS)


def theirs(of: nn.Module, *, fused: bool = True) -> torch.optim.AdamW:
    parts = [{"params": group} for group in groups(of)]
    return torch.optim.AdamW(parts, lr=0.0, betas=BETAS, eps=EPS, weight_decay=0.0, fused=fused)


def trained(of: nn.Module, adam, steps: range) -> list[torch.Tensor]:
    """The weights after some steps; the batch of a step follows from its number."""
    for step in steps:
        x = torch.randn(16, 7, generator=torch.Generator().manual_seed(step))
        adam.zero_grad()
        of["second"](of["first"](x).tanh()).square().mean().backward()
        for group, rate in zip(adam.param_groups, RATES, strict=True):
            group["lr"] = rate
        adam.step()
    return [parameter.detach().clone() for parameter in of.parameters()]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_same_bits_as_torchs() -> None:
    one, other = network(), network()
    adam = ours(one)
    found = trained(one, adam, range(30))
    assert same(found, trained(other, theirs(other), range(30)))
    assert not same(found, trained(network(), ours(network()), range(0)))
    still = set(adam.state) ^ set(one.parameters())
    assert still == set(one["unused"].parameters())  # no gradient, so no moments


def test_without_the_fused_kernel_it_differs_by_rounding() -> None:
    one, other = network(), network()
    found, plain = trained(one, ours(one), range(30)), trained(other, theirs(other, fused=False), range(30))
    for a, b in zip(found, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("before", [ours, theirs])
@pytest.mark.parametrize("after", [ours, theirs])
def test_records_of_either_are_gone_on_with(before, after) -> None:
    whole = network()
    wanted = trained(whole, theirs(whole), range(9))
    first = network()
    adam = before(first)
    trained(first, adam, range(4))
    record = copy.deepcopy(adam.state_dict())
    second = network()
    second.load_state_dict(first.state_dict())
    resumed = after(second)
    if after is theirs and before is ours:  # torch wants settings that ours has once for all groups
        settings = theirs(network()).state_dict()["param_groups"]
        record["param_groups"] = [
            old | new for old, new in zip(settings, record["param_groups"], strict=True)
        ]
    resumed.load_state_dict(record)
    assert same(trained(second, resumed, range(4, 9)), wanted)


def test_no_step_without_a_gradient() -> None:
    one = network()
    adam, before = ours(one), [parameter.detach().clone() for parameter in one.parameters()]
    adam.step()
    assert same(before, list(one.parameters())) and not adam.state

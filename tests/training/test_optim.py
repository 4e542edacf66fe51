"""Optimizer groups and the weight average."""

from __future__ import annotations

import pytest
import torch

from sphere_repro.training import optim


def test_encoder_has_a_tenth_of_the_rate():
    encoder, decoder = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    adam = optim.optimizer(encoder, decoder)
    optim.set_rates(adam, 0.5, 0.1)
    assert [group["lr"] for group in adam.param_groups] == pytest.approx([0.05, 0.5])


def test_average_moves_in_float32():
    mean, weight = torch.zeros(3), torch.ones(3)
    for _ in range(4):
        optim.average([mean], [weight], 0.5)
    assert mean.tolist() == pytest.approx([1 - 0.5**4] * 3)
    slow = torch.ones(1)
    optim.average([slow], [torch.full((1,), 1.001)], 0.9997)
    assert slow.item() > 1.0  # half precision would not move

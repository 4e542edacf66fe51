"""Schedule, optimizer groups and the weight average."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.study.recipe import Training
from sphere_repro.training import optim


@given(st.integers(3, 400), st.floats(0, 0.4))
def test_schedule_rises_falls_and_ends_at_the_minimum(total, warm):
    schedule = optim.Schedule(1e-3, 1e-5, warm * total, total)
    rates = [schedule(step) for step in range(total)]
    assert all(0 < rate <= 1e-3 + 1e-12 for rate in rates)
    assert schedule(total) == pytest.approx(1e-5)
    falling = [rate for step, rate in enumerate(rates) if step >= warm * total]
    assert falling == sorted(falling, reverse=True)


def test_rates_scale_with_the_batch():
    def maximum(batch):
        return optim.schedule(Training(epochs=10, warmup_epochs=1, batch_size=batch), 7).maximum

    assert maximum(512) == pytest.approx(2 * maximum(256)) == pytest.approx(2e-4)


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

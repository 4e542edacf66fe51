"""The learning rate by step, its length, and where two of them part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sphere_repro.study.recipe import Training
from sphere_repro.study.schedule import Schedule, first_difference, schedule


@given(st.integers(3, 400), st.floats(0, 0.4))
def test_schedule_rises_falls_and_ends_at_the_minimum(total: int, warm: float) -> None:
    found = Schedule(1e-3, 1e-5, warm * total, total)
    rates = [found(step) for step in range(total)]
    assert all(0 < rate <= 1e-3 + 1e-12 for rate in rates)
    assert found(total) == pytest.approx(1e-5)
    falling = [rate for step, rate in enumerate(rates) if step >= warm * total]
    assert falling == sorted(falling, reverse=True)


def test_rates_scale_with_the_batch() -> None:
    def maximum(batch: int) -> float:
        return schedule(Training(epochs=10, warmup_epochs=1, batch_size=batch), 7).maximum

    assert maximum(512) == pytest.approx(2 * maximum(256)) == pytest.approx(2e-4)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_the_schedules_length_is_that_of_the_training_unless_it_is_said(
    epochs: int, length: int, steps: int
) -> None:
    """A longer training keeps the minimum, a shorter one ends on the way; no rate knows of the length."""
    alone = schedule(Training(epochs=length, warmup_epochs=0.25), steps)
    within = Training(epochs=epochs, warmup_epochs=0.25, schedule_epochs=length)
    assert schedule(within, steps) == alone
    assert within.total_steps(steps) == epochs * steps
    for step in range(length * steps, epochs * steps):
        assert schedule(within, steps)(step) == alone.minimum


def test_a_schedule_as_long_as_the_training_is_the_default_and_says_nothing() -> None:
    said = Training.model_validate({"epochs": 30, "warmup_epochs": 1, "schedule_epochs": 30.0})
    assert said == Training(epochs=30, warmup_epochs=1)
    assert "schedule_epochs" not in said.model_dump()
    assert Training(epochs=30, warmup_epochs=1, schedule_epochs=60).model_dump()["schedule_epochs"] == 60


def test_the_warm_up_must_fit_into_the_schedule() -> None:
    Training(epochs=1, warmup_epochs=2, schedule_epochs=4)
    with pytest.raises(ValidationError, match="at most half of schedule_epochs 3"):
        Training(epochs=10, warmup_epochs=2, schedule_epochs=3)
    with pytest.raises(ValidationError, match="at most half of epochs 3"):
        Training(epochs=3, warmup_epochs=2)


@given(st.integers(2, 60), st.integers(1, 60), st.integers(1, 12), st.booleans())
def test_where_two_trainings_part(epochs: int, more: int, steps: int, constant: bool) -> None:
    """Cosines of two lengths part after the warm-up; constants never do."""
    minimum = 1e-4 if constant else 1e-6
    short, long = (
        Training(epochs=length, warmup_epochs=1, minimum_learning_rate=minimum)
        for length in (epochs, epochs + more)
    )
    taken = short.total_steps(steps)
    one, other = schedule(short, steps), schedule(long, steps)
    found = first_difference(one, other, taken)
    if constant:
        assert found is None
    elif epochs > 2:
        assert found is not None and found >= steps
        assert [one(step) for step in range(found)] == [other(step) for step in range(found)]
        assert one(found) != other(found)
    held = schedule(long.model_copy(update={"schedule_epochs": float(epochs)}), steps)
    assert first_difference(one, held, taken) is None

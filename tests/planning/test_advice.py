"""Out of memory: the settings that are named would fit, and are the largest that do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.planning.advice import USABLE, largest_batch, memory_advice
from sphere_repro.planning.memory import training_bytes
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution

SIZE = {"width": 64, "layers": 6, "heads": 4}


def job(**loss: Any) -> TrainJob:
    return TrainJob.model_validate(
        {
            "seed": 0,
            "run": "small",
            "dataset": {"name": "cifar10"},
            "model": {"encoder": SIZE, "decoder": SIZE, "pixel_head": "conv"},
            "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0} | loss,
            "training": {"epochs": 20, "batch_size": 256},
        }
    )


def needed(batch: int, checkpointing: bool, processes: int = 1) -> int:
    return training_bytes(
        job().architecture, job().loss, batch, half=True, checkpointing=checkpointing, processes=processes
    )


def named(sentence: str) -> dict[bool, int]:
    """Checkpointing → micro batch."""
    pairs = re.findall(r"micro_batch_size to (\d+) with activation_checkpointing (true|false)", sentence)
    return {word == "true": int(number) for number, word in pairs}


@pytest.mark.parametrize("gigabytes", [0.5, 2.0])
def test_the_largest_that_fit(gigabytes: float) -> None:
    device = int(gigabytes * 1e9)
    sentence = memory_advice(job(), Execution(), device)
    found = named(sentence)
    assert set(found) == {False, True} and found[False] < found[True]
    for checkpointing, batch in found.items():
        assert needed(batch, checkpointing) <= USABLE * device
        assert batch == 256 or needed(batch + 1, checkpointing) > USABLE * device
    assert f"{gigabytes:g} GB are there" in sentence and sentence.startswith("Set runs.small.execution.")
    assert sentence.endswith(".") and "\n" not in sentence


def test_less_than_what_was_too_large_even_where_the_estimate_says_that_it_fits() -> None:
    plain = named(memory_advice(job(), Execution(micro_batch_size=8), 10**12))
    assert plain == {False: 7, True: 256}
    again = Execution(micro_batch_size=8, activation_checkpointing=True, processes=4)
    assert named(memory_advice(job(), again, 10**12)) == {False: 64, True: 7}


def test_one_image_is_too_much() -> None:
    sentence = memory_advice(job(), Execution(), 10**6)
    device = needed(1, checkpointing=True) / USABLE
    assert not named(sentence) and f"a device of about {device / 1e9:.3g} GB" in sentence
    assert named(memory_advice(job(), Execution(micro_batch_size=2), int(device) + 1)) == {True: 1}


@given(st.integers(0, 10**6), st.integers(1, 1000), st.integers(0, 10**7), st.integers(0, 300))
def test_bisection(fixed: int, per_image: int, room: int, most: int) -> None:
    found = largest_batch(lambda batch: fixed + batch * per_image, room, most)
    assert found == max((n for n in range(1, most + 1) if fixed + n * per_image <= room), default=0)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_memory_grows_with_the_batch(checkpointing: bool) -> None:
    sizes = [needed(batch, checkpointing) for batch in (1, 2, 3, 7, 16, 100)]
    assert sizes == sorted(set(sizes))
    weights = needed(1, checkpointing, processes=2) - needed(1, checkpointing)
    assert weights > 0 and needed(9, checkpointing, processes=8) - needed(9, checkpointing) == weights

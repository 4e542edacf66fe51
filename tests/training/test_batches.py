"""What a step sees: the same of each image whoever draws it, and where; in Philox's numbers as in torch's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_loop import CPU, Place, interrupted, tiny_job

from sphere_repro import philox
from sphere_repro.data.loading import TrainingImages, load_training_images
from sphere_repro.seeds import Random
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution
from sphere_repro.training.batches import Batch, read_batch
from sphere_repro.training.numbers import numbers_of


@pytest.fixture
def images(digits_archive: Path) -> TrainingImages:
    return load_training_images(digits_archive, 10)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Place]:
    often = Execution(checkpoint_seconds=1e-9, checkpoint_share=1)
    return lambda name: Place(tmp_path / name, often)


def by(random: Random, **training: bool) -> TrainJob:
    return tiny_job(**training).model_copy(update={"random": random})


def parts_of(batch: Batch) -> list[torch.Tensor]:
    assert batch.labels is not None
    return [batch.images, batch.labels, *vars(batch.draws).values()]


@pytest.mark.parametrize("random", ["torch", "philox"])
def test_an_image_sees_the_same_whatever_the_share_and_the_micro_batch(
    images: TrainingImages, random: Random
) -> None:
    job = by(random, horizontal_flip=True)
    whole = read_batch(job, images, 3, range(16)).on(CPU)
    share = read_batch(job, images, 3, range(5, 11)).on(CPU)
    rows = slice(5, 11)
    expected = Batch(whole.images[rows], whole.labels[rows], whole.draws.part(rows))  # type: ignore[index]
    for found, wanted in zip(parts_of(share), parts_of(expected), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    noise = torch.cat([part.draws.noise for part in whole.micro(5)])
    assert torch.equal(noise, whole.draws.noise) and noise.shape == (16, 16, 8)


def test_philox_draws_all_of_a_step_and_noise_where_the_model_is(
    images: TrainingImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = by("philox", horizontal_flip=True)
    batch = read_batch(job, images, 3, range(16)).on(CPU)
    for name in ("randn", "rand"):
        monkeypatch.setattr(torch, name, None)  # calling it would fail
    again = read_batch(job, images, 3, range(16))
    assert again.noise is None and torch.equal(again.strengths.large, batch.draws.large)
    drawn, place = [], philox.normal
    monkeypatch.setattr(
        philox, "normal", lambda seeds, shape: drawn.append(seeds.device) or place(seeds, shape)
    )
    meta = torch.device("meta")
    there = again.on(meta)
    assert drawn == [meta] == [there.draws.noise.device] == [there.images.device]


def test_the_two_generators_draw_apart(images: TrainingImages) -> None:
    first, second = (read_batch(by(random), images, 3, range(16)).on(CPU) for random in ("torch", "philox"))
    assert torch.equal(first.images, second.images)  # the order of the images belongs to the seed alone
    assert not torch.equal(first.draws.noise, second.draws.noise)
    assert not torch.equal(first.draws.large, second.draws.large)


@pytest.mark.parametrize(("random", "tensors"), [("torch", 2), ("philox", 1)])
def test_what_is_large_goes_to_a_gpu_from_pinned_memory(
    images: TrainingImages, monkeypatch: pytest.MonkeyPatch, random: Random, tensors: int
) -> None:
    pinned: list[torch.Tensor] = []  # there is no GPU to pin it for

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    read = read_batch(by(random), images, 3, range(16), pinned=True)
    assert read.pixels is pinned[0] and read.pixels.dtype == torch.uint8
    assert len(pinned) == tensors and (random == "philox" or read.noise is pinned[1])


def test_no_more_numbers_are_taken_than_were_drawn() -> None:
    numbers = numbers_of("philox", 5, 6)
    first, order = numbers.uniform(2), numbers.order(4)
    assert torch.equal(first, philox.uniform(torch.tensor([5]), 6)[0, :2])
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="0 are left"):
        numbers.uniform(1)


def test_training_by_philox_repeats_and_resumes_to_the_bit(
    place: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken, other = place("whole"), place("broken"), place("other")
    job = by("philox")
    whole.train(job, digits_archive)
    interrupted(broken, job, digits_archive, monkeypatch, 4)
    assert broken.train(job, digits_archive).resumed_at == 4
    assert broken.bytes == whole.bytes
    other.train(by("torch"), digits_archive)
    assert other.model.read_bytes() != whole.model.read_bytes()

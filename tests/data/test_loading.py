"""Training images and the batches of each step: pure functions, each image once an epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import trained_on
from sphere_repro.data.loading import (
    Ahead,
    ArchivedImages,
    ImagesInMemory,
    batch_indices,
    epoch_order,
    flip,
    load_training_images,
    steps_per_epoch,
    to_unit,
)
from sphere_repro.errors import UserError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path / "a.zip", images_of(5), [0, 1, 2, 1, 0])
    return tmp_path / "a.zip"


def images_of(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("in_memory", [None, 0])
def test_images_that_are_held_out_are_in_no_batch(archive: Path, in_memory: int | None) -> None:
    everything = load_training_images(archive, 3)
    data = load_training_images(archive, 3, in_memory, held_out=0.4)
    kept = trained_on(ImageArchive(archive), 0.4)
    assert len(data) == 3 and data.labels is not None and everything.labels is not None
    assert torch.equal(data.take(torch.arange(3)), everything.take(torch.from_numpy(kept)))
    assert torch.equal(data.labels, everything.labels[kept])


def test_images_are_channels_first(archive: Path) -> None:
    data = load_training_images(archive, 3)
    assert data.images.dtype == torch.uint8 and data.images.shape == (5, 3, 4, 4)
    assert data.images.is_contiguous()
    np.testing.assert_array_equal(data.images.numpy().transpose(0, 2, 3, 1), images_of(5))
    assert data.labels is not None
    assert data.labels.dtype == torch.int64 and data.labels.tolist() == [0, 1, 2, 1, 0]
    assert len(data) == 5


@pytest.mark.parametrize("classes", [0, None])
def test_an_unconditional_model_sees_no_labels(archive: Path, classes: int | None) -> None:
    assert load_training_images(archive, classes).labels is None


def test_faults_reach_the_user(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="last class"):
        load_training_images(archive, 2)
    with pytest.raises(UserError, match="does not exist"):
        load_training_images(tmp_path / "none.zip", 3)


def test_to_unit_spans_minus_one_to_one() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    unit = to_unit(levels)
    assert unit.dtype == torch.float32
    assert unit[0] == -1 and unit[255] == 1
    torch.testing.assert_close(unit, (levels.float() / 255 - 0.5) / 0.5, rtol=0, atol=2e-7)
    # Storing (x + 1)/2 again by floor(255·x) may lose one step to rounding, never more.
    stored = torch.floor(255 * (unit / 2 + 0.5)).int()
    assert ((levels.int() - stored >= 0) & (levels.int() - stored <= 1)).all()


def test_flip_mirrors_only_the_chosen() -> None:
    images = torch.arange(3 * 3 * 2 * 4).reshape(3, 3, 2, 4)
    before = images.clone()
    mirrored = flip(images, torch.tensor([True, False, True]))
    assert torch.equal(images, before)
    assert torch.equal(mirrored[1], images[1])
    for index in (0, 2):
        for column in range(4):
            assert torch.equal(mirrored[index, :, :, column], images[index, :, :, 3 - column])
    assert torch.equal(flip(mirrored, torch.tensor([True, False, True])), images)


@given(count=st.integers(1, 200), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10_000))
def test_epoch_order_is_a_pure_permutation(count: int, seed: int, epoch: int) -> None:
    torch.manual_seed(seed % 7)
    order = epoch_order(count, seed, epoch)
    assert order.dtype == torch.int64 and order.device.type == "cpu"
    assert sorted(order.tolist()) == list(range(count))
    state = torch.get_rng_state()
    assert torch.equal(epoch_order(count, seed, epoch), order)
    assert torch.equal(torch.get_rng_state(), state)


def test_orders_differ_between_epochs_and_seeds() -> None:
    orders = {tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


def test_epoch_order_is_uniform() -> None:
    firsts = torch.stack([epoch_order(4, 0, epoch) for epoch in range(1200)])[:, 0]
    counts = torch.bincount(firsts, minlength=4)
    assert ((counts - 300).abs() < 5 * 15).all()  # five standard deviations of a binomial (1200, 1/4)


@settings(deadline=None)
@given(data=st.data(), count=st.integers(1, 60), seed=st.integers(0, 99), epoch=st.integers(0, 50))
def test_an_epoch_of_batches_sees_no_image_twice(
    data: st.DataObject, count: int, seed: int, epoch: int
) -> None:
    batch_size = data.draw(st.integers(1, count))
    steps = steps_per_epoch(count, batch_size)
    assert steps == count // batch_size
    seen: list[int] = []
    for position in range(steps):
        indices, of_epoch = batch_indices(count, batch_size, seed, epoch * steps + position)
        assert of_epoch == epoch
        assert indices.dtype == torch.int64 and indices.shape == (batch_size,)
        seen += indices.tolist()
    assert seen == epoch_order(count, seed, epoch)[: steps * batch_size].tolist()
    assert len(set(seen)) == len(seen)


def test_a_batch_larger_than_the_dataset() -> None:
    with pytest.raises(UserError, match=r"batch_size is 300.*only 299 images"):
        batch_indices(299, 300, 0, 0)
    indices, epoch = batch_indices(300, 300, 0, 3)
    assert epoch == 3 and sorted(indices.tolist()) == list(range(300))


# -- datasets too large for memory


def test_small_archives_are_held_and_large_ones_are_read(archive: Path) -> None:
    assert isinstance(load_training_images(archive, 3), ImagesInMemory)
    assert isinstance(load_training_images(archive, 3, in_memory=5 * 4 * 4 * 3), ImagesInMemory)
    assert isinstance(load_training_images(archive, 3, in_memory=5 * 4 * 4 * 3 - 1), ArchivedImages)


def test_read_images_are_those_in_memory(archive: Path) -> None:
    held, read = load_training_images(archive, 3), load_training_images(archive, 3, in_memory=0)
    assert isinstance(read, ArchivedImages) and not isinstance(held, ArchivedImages)
    assert len(read) == len(held) == 5 and read.resolution == held.resolution == 4
    assert held.labels is not None and read.labels is not None and torch.equal(read.labels, held.labels)
    for step in range(8):
        indices = batch_indices(5, 2, 7, step)[0]
        found, wanted = read.take(indices), held.take(indices)
        assert found.dtype == torch.uint8 and found.is_contiguous() and torch.equal(found, wanted)


def test_the_next_step_is_made_ahead() -> None:
    made: list[int] = []
    ahead = Ahead(lambda step: made.append(step) or 10 * step)  # type: ignore[func-returns-value]
    assert ahead(3) == 30
    assert ahead.upcoming is not None and ahead.upcoming[1].result() == 40
    assert made == [3, 4]
    assert ahead(4) == 40  # it was there already
    assert ahead(9) == 90  # another step than the next one
    ahead.close()
    assert made.count(4) == made.count(9) == 1


def test_what_goes_wrong_ahead_is_told_when_it_is_asked_for() -> None:
    def make(step: int) -> int:
        if step == 1:
            raise UserError("image 7 is broken")
        return step

    ahead = Ahead(make)
    assert ahead(0) == 0
    with pytest.raises(UserError, match="image 7"):
        ahead(1)
    ahead.close()


def test_a_broken_image_is_named_when_it_is_read(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.find(b"img00000003") + 40] ^= 0xFF
    archive.write_bytes(content)
    images = load_training_images(archive, 3, in_memory=0)
    images.take(torch.tensor([0, 1]))
    with pytest.raises(UserError, match=r"img00000003\.png"):
        images.take(torch.tensor([3]))


def test_orders_cannot_be_changed_from_outside() -> None:
    first, _ = batch_indices(10, 5, 0, 0)
    kept = first.clone()
    first[:] = 0
    assert torch.equal(batch_indices(10, 5, 0, 0)[0], kept)

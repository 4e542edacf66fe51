"""Which images are taken where not all are."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose, chosen, held_out, reconstructed, trained_on, training_part
from sphere_repro.errors import UserError


def archive(path: Path, count: int, labels: np.ndarray | None = None) -> ImageArchive:
    write_archive(path, np.zeros((count, 2, 2, 3), np.uint8), labels)
    return ImageArchive(path)


def test_all_images_stay_in_their_order() -> None:
    for count in (None, 7, 8):
        assert choose(7, count).tolist() == list(range(7))


def test_a_smaller_choice_is_part_of_a_larger_one() -> None:
    found = [choose(1000, count) for count in (10, 400, 999)]
    for small, large in itertools.pairwise(found):
        assert set(small.tolist()) < set(large.tolist())
    assert [len(set(part.tolist())) for part in found] == [10, 400, 999]
    assert all((np.diff(part) > 0).all() for part in found)


def test_sorted_classes_are_chosen_as_often_as_they_occur() -> None:
    counts = np.bincount(np.repeat(np.arange(1000), 50)[choose(50_000, 20_000)], minlength=1000)
    assert counts.min() > 5 and counts.max() < 36  # 20 ± 3.5
    assert counts.std() == pytest.approx(np.sqrt(20 * 0.6), rel=0.1)


def test_the_choice_never_changes() -> None:
    assert choose(100, 8).tolist() == [30, 35, 47, 48, 58, 61, 80, 98]


def test_nothing_is_held_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    real = archive(tmp_path / "real.zip", 40)
    assert held_out(40, 0.0).tolist() == []
    assert training_part(real, 0.0) is real
    for count in (7, 40, None):
        assert chosen(real, 0.0, count).tolist() == choose(40, count).tolist()


@pytest.mark.parametrize(("share", "count"), [(0.1, 100), (0.25, 250), (0.0001, 1), (0.999, 999)])
def test_each_class_gives_in_proportion(share: float, count: int) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [100, 300, 600]))
    found = held_out(1000, share, labels)
    assert len(found) == len(set(found.tolist())) == count and (np.diff(found) > 0).all()
    given = np.bincount(labels[found], minlength=3)
    assert (np.abs(given - share * np.array([100, 300, 600])) <= 1).all()
    assert held_out(1000, share, labels).tolist() == found.tolist()
    assert set(found.tolist()) <= set(held_out(1000, min(0.999, 2 * share), labels).tolist())


def test_images_held_out_never_change_and_are_no_run_of_neighbours() -> None:
    found = held_out(1000, 0.1)
    assert found[:5].tolist() == [23, 24, 30, 35, 38]
    assert 0.5 < np.diff(found).std() / 10 < 1.5  # of a random choice about 1, of an even one 0


def test_training_sees_the_rest(tmp_path: Path) -> None:
    pixels = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    labels = np.repeat(np.arange(5), 8)
    write_archive(tmp_path / "real.zip", pixels, labels)
    real = ImageArchive(tmp_path / "real.zip")
    part, rest = training_part(real, 0.25), held_out(40, 0.25, labels)
    kept = trained_on(real, 0.25)
    assert len(part) == 30 and len(real) == 40 and real.labels is not None and part.labels is not None
    assert sorted([*kept.tolist(), *rest.tolist()]) == list(range(40))
    names = [part.name(index) for index in range(30)]
    assert names == [real.name(int(index)) for index in kept]
    read = [int(part.read(index)[0, 0, 0]) for index in range(30)]
    assert read == [int(real.read(int(index))[0, 0, 0]) for index in kept]
    assert part.labels.tolist() == real.labels[kept].tolist()


def test_reconstructions_are_of_images_that_were_trained_on(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(5), 8)
    real = archive(tmp_path / "real.zip", 40, labels)
    indices = chosen(real, 0.25, 12)
    assert not set(indices.tolist()) & set(held_out(40, 0.25, labels).tolist())
    copies = archive(tmp_path / "copies.zip", 12, labels[indices])
    assert reconstructed(real, copies, 0.25).tolist() == indices.tolist()
    record = {"indices": indices.tolist(), "job": {"dataset": {"held_out": 0.25}}}
    (tmp_path / "copies.json").write_text(json.dumps(record))
    assert reconstructed(real, copies).tolist() == indices.tolist()
    with pytest.raises(UserError, match="other images than the 12 chosen"):
        reconstructed(real, copies, 0.1)
    with pytest.raises(UserError, match="31 reconstructions of 30"):
        reconstructed(real, archive(tmp_path / "many.zip", 31), 0.25)


def test_reconstructions_are_of_the_chosen_images(tmp_path: Path) -> None:
    labels = np.repeat(np.arange(5), 8)
    real = archive(tmp_path / "real.zip", 40, labels)
    copies = archive(tmp_path / "copies.zip", 12, labels[choose(40, 12)])
    assert reconstructed(real, copies).tolist() == choose(40, 12).tolist()
    with pytest.raises(UserError, match="41 reconstructions of 40"):
        reconstructed(real, archive(tmp_path / "many.zip", 41))


def test_reconstructions_of_the_first_images_are_refused(tmp_path: Path) -> None:
    """By their classes; without classes by their record."""
    labels = np.repeat(np.arange(5), 8)
    real = archive(tmp_path / "real.zip", 40, labels)
    with pytest.raises(UserError, match="other images than the 12 chosen"):
        reconstructed(real, archive(tmp_path / "first.zip", 12, labels[:12]))
    bare, copies = archive(tmp_path / "bare.zip", 40), archive(tmp_path / "few.zip", 12)
    record = tmp_path / "few.json"
    record.write_text(json.dumps({"count": 12}))
    with pytest.raises(UserError, match="draw the reconstructions again"):
        reconstructed(bare, copies)
    record.write_text(json.dumps({"count": 12, "indices": choose(40, 12).tolist()}))
    assert reconstructed(bare, copies).tolist() == choose(40, 12).tolist()

"""Which images are taken where not all are."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose, reconstructed
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

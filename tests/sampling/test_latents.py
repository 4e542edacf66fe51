"""Latents files: what is read back, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sphere_repro.errors import UserError
from sphere_repro.sampling.latents import read_latents
from sphere_repro.study.scoring import Uniformity

SETTINGS = Uniformity(count=24)


def arrays(count: int = 24, **changes: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        "latents": generator.standard_normal((count, 6)).astype(np.float32),
        "labels": np.arange(count) % 3,
        "pixels": generator.uniform(-1, 1, (count, 12)).astype(np.float32),
    } | changes


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays())
    found = read_latents(path, SETTINGS, classes=3)
    assert all(np.array_equal(getattr(found, name), array) for name, array in arrays().items())
    assert (
        len(read_latents(path, Uniformity(count=1000), classes=0).labels) == 24
    )  # a small dataset, without classes


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latents": np.full((24, 6), "1.5")}, "'latents' .* type <U3, not real numbers"),
        ({"latents": np.ones((24, 6), complex)}, "'latents' .* type complex128, not real numbers"),
        ({"latents": np.ones((24, 6), int)}, "'latents' .* type int64, not real numbers"),
        ({"pixels": np.ones((24, 12), bool)}, "'pixels' .* type bool, not real numbers"),
        ({"labels": np.zeros(24)}, "'labels' .* type float64, not whole numbers"),
        ({"labels": np.full(24, "a")}, "'labels' .* type <U1, not whole numbers"),
        ({"latents": np.ones(24)}, r"'latents' .* shape \(24,\)"),
        ({"latents": np.ones((24, 2, 3))}, r"'latents' .* shape \(24, 2, 3\)"),
        ({"latents": np.ones((24, 1))}, "2 columns or more"),
        ({"labels": np.zeros((24, 1), int)}, r"'labels' .* shape \(24, 1\)"),
        ({"labels": np.zeros(23, int)}, "different lengths: 24 latents, 23 labels, 24 pixels"),
        ({"pixels": np.ones((25, 12))}, "different lengths: 24 latents, 24 labels, 25 pixels"),
        ({"labels": np.arange(24)}, "label 3, but this job has 3 classes"),
        ({"labels": np.arange(24) - 1}, "label -1"),
        ({"latents": np.array([{}])}, "no readable array"),
        (arrays(4), "5 rows or more"),
        (arrays(25), "holds 25 latents, but this job examines 24"),
    ],
)
def test_foreign_files(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "a.npz", **(arrays() | changes))
    with pytest.raises(UserError, match=words):
        read_latents(tmp_path / "a.npz", SETTINGS, classes=3)


def test_more_than_the_count_only_of_small_classes(tmp_path: Path) -> None:
    """Of thirty classes twenty-four points leave some empty: up to five of each stand beside them."""
    for each, classes in ((5, 30), (6, 30)):
        labels = np.repeat(np.arange(classes), each)
        np.savez(tmp_path / "a.npz", **arrays(len(labels), labels=labels))
        if each == 5:
            assert len(read_latents(tmp_path / "a.npz", SETTINGS, classes).labels) == 150
        else:
            with pytest.raises(UserError, match="holds 180 latents, but this job examines 24"):
                read_latents(tmp_path / "a.npz", SETTINGS, classes)

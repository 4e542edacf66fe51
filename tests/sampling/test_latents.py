"""Latents files: what is read back, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sphere_repro.errors import UserError
from sphere_repro.sampling.latents import read_latents


def arrays(count: int = 8, **changes: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    return {
        "latents": generator.standard_normal((count, 6)).astype(np.float32),
        "labels": np.arange(count) % 3,
        "pixels": generator.uniform(-1, 1, (count, 12)).astype(np.float32),
    } | changes


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays())
    found = read_latents(path, most=8, classes=3)
    assert all(np.array_equal(getattr(found, name), array) for name, array in arrays().items())
    assert len(read_latents(path, most=1000, classes=0).labels) == 8  # a small dataset, without classes


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latents": np.full((8, 6), "1.5")}, "'latents' .* type <U3, not real numbers"),
        ({"latents": np.ones((8, 6), complex)}, "'latents' .* type complex128, not real numbers"),
        ({"latents": np.ones((8, 6), int)}, "'latents' .* type int64, not real numbers"),
        ({"pixels": np.ones((8, 12), bool)}, "'pixels' .* type bool, not real numbers"),
        ({"labels": np.zeros(8)}, "'labels' .* type float64, not whole numbers"),
        ({"labels": np.full(8, "a")}, "'labels' .* type <U1, not whole numbers"),
        ({"latents": np.ones(8)}, r"'latents' .* shape \(8,\)"),
        ({"latents": np.ones((8, 2, 3))}, r"'latents' .* shape \(8, 2, 3\)"),
        ({"latents": np.ones((8, 1))}, "2 columns or more"),
        ({"labels": np.zeros((8, 1), int)}, r"'labels' .* shape \(8, 1\)"),
        ({"labels": np.zeros(7, int)}, "different lengths: 8 latents, 7 labels, 8 pixels"),
        ({"pixels": np.ones((9, 12))}, "different lengths: 8 latents, 8 labels, 9 pixels"),
        ({"labels": np.arange(8)}, "label 3, but this job has 3 classes"),
        ({"labels": np.arange(8) - 1}, "label -1"),
        ({"latents": np.array([{}])}, "no readable array"),
        (arrays(4), "5 rows or more"),
        (arrays(9), "holds 9 latents, but this job examines 8"),
    ],
)
def test_foreign_files(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "a.npz", **(arrays() | changes))
    with pytest.raises(UserError, match=words):
        read_latents(tmp_path / "a.npz", most=8, classes=3)

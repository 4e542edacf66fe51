"""Whether images keep the structure of their inputs."""

from __future__ import annotations

import numpy as np
import pytest

from sphere_repro.results.structure import likeness


def test_structure_is_known_from_brightness() -> None:
    start = np.random.default_rng(1).integers(0, 100, (3, 8, 8, 3)).astype(np.uint8)
    kept, lost = start + 100, 255 - start
    made = np.stack([start, kept, lost], axis=1)[None]  # one class, three inputs, two steps
    found = likeness(made)
    assert found.own == pytest.approx(np.tile([1.0, -1.0], (3, 1)), abs=1e-6)
    table = np.corrcoef(start.astype(float).mean(-1).reshape(3, -1))
    others = [(table[i].sum() - 1) / 2 for i in range(3)]
    assert found.other is not None
    assert found.other[:, 0] == pytest.approx(others, abs=1e-6)
    assert likeness(made[:, :1]).other is None


def test_classes_are_averaged() -> None:
    start = np.random.default_rng(1).integers(0, 100, (2, 8, 8, 3)).astype(np.uint8)
    one, other = (np.stack([start, after], axis=1) for after in (start + 9, 255 - start))
    assert likeness(np.stack([one, other])).own == pytest.approx(np.zeros((2, 1)), abs=1e-6)


def test_the_control_is_not_of_the_own_negative() -> None:
    start = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    inputs = np.stack([start, 255 - start], axis=1).reshape(6, 8, 8, 3)
    made = np.stack([inputs, inputs], axis=1)[None]
    found, wrong = likeness(made, negatives=True), likeness(made)
    table = np.corrcoef(start.astype(float).mean(-1).reshape(3, -1))
    others = np.repeat([(table[i].sum() - 1) / 2 for i in range(3)], 2)
    assert found.other is not None and wrong.other is not None
    assert found.other[:, 0] == pytest.approx(others, abs=1e-6)
    assert wrong.other == pytest.approx(np.full((6, 1), -0.2), abs=1e-6)  # whatever the images are


def test_a_flat_image_is_like_nothing() -> None:
    assert likeness(np.full((1, 1, 2, 4, 4, 3), 9, np.uint8)).own.tolist() == [[0.0]]

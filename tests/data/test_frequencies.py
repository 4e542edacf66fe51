"""Classes drawn equally, or as often as the dataset has them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.data.frequencies import as_in, balanced, difference

LABELS = np.repeat([0, 1, 2, 3], [700, 200, 0, 100])


def test_balanced_counts_round() -> None:
    assert balanced(np.arange(8, 13), 10).tolist() == [8, 9, 0, 1, 2]


@pytest.mark.parametrize("count", [10, 64, 100, 1000, 5000])
def test_any_number_of_samples_has_the_datasets_frequencies(count: int) -> None:
    found = np.bincount(as_in(LABELS, np.arange(count), 4), minlength=4)
    assert found[2] == 0
    assert np.abs(found - count * np.array([0.7, 0.2, 0, 0.1])).max() <= 2.5


def test_a_samples_class_stays_when_more_are_drawn() -> None:
    whole = as_in(LABELS, np.arange(300), 4)
    np.testing.assert_array_equal(as_in(LABELS, np.arange(100, 130), 4), whole[100:130])
    order = np.random.default_rng(0).permutation(len(LABELS))
    np.testing.assert_array_equal(as_in(LABELS[order], np.arange(300), 4), whole)


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), count=st.integers(1, 400))
def test_only_classes_with_images_are_drawn(counts: list[int], count: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    found = as_in(labels, np.arange(count), len(counts))
    assert found.dtype == np.int64 and set(found.tolist()) <= set(labels.tolist())
    frequency = np.bincount(found, minlength=len(counts)) / count
    assert np.abs(frequency - np.array(counts) / len(labels)).max() <= 4 / count + 1e-9


def test_how_far_frequencies_are_apart() -> None:
    assert difference(LABELS, LABELS[::-1]) == 0
    assert difference(LABELS, balanced(np.arange(1000), 4)) == pytest.approx(0.45)
    assert difference(np.array([0, 1]), np.array([2])) == 1
    assert difference(None, LABELS) == difference(LABELS, None) == 0

"""What passes change, and how evenly a path moves."""

from __future__ import annotations

import numpy as np
import pytest

from sphere_repro.results.pace import fastest_share
from sphere_repro.results.passes import all_alike, passes


def test_change_and_distance_are_root_mean_squares_of_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 5, 4, 4, 3), dtype=np.uint8)
    found = passes(images)
    assert found.change.shape == found.distance.shape == (3, 2, 4)
    grey = images.astype(float) / 255
    for place in np.ndindex(3, 2):
        for step in range(4):
            change = np.sqrt(((grey[place][step + 1] - grey[place][step]) ** 2).mean())
            distance = np.sqrt(((grey[place][step + 1] - grey[place][0]) ** 2).mean())
            assert found.change[place][step] == pytest.approx(change)
            assert found.distance[place][step] == pytest.approx(distance)
    assert found.growth[1, 1] == pytest.approx(np.log(found.distance[1, 1, 3] / found.distance[1, 1, 0]))
    assert found.change_left[1, 1] == pytest.approx(np.log(found.change[1, 1, 3] / found.change[1, 1, 0]))


def test_no_change_is_the_smallest_change() -> None:
    images = np.zeros((1, 3, 4, 4, 3), dtype=np.uint8)
    images[0, 1:, 0, 0, 0] = 1
    found = passes(images)
    assert found.change[0, 1] == found.change[0, 0] == pytest.approx(1 / 255 / np.sqrt(48))
    assert found.change_left[0] == 0


def test_images_that_are_alike() -> None:
    inputs = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    assert not all_alike(inputs // 2, inputs)
    assert all_alike(inputs // 100 + 50, inputs)


def test_the_fastest_tenth() -> None:
    assert fastest_share([1.0] * 20) == pytest.approx(0.1)
    assert fastest_share([0.0] * 19 + [3.0]) == pytest.approx(1.0)
    assert fastest_share([1, 5, 1, 3] + [1] * 16) == pytest.approx(8 / 26)
    assert fastest_share([1, 2, 1, 1, 1]) == pytest.approx(0.5 * 2 / 6)  # half a step of five
    assert fastest_share([0.0, 0.0]) is None
    speeds = np.random.default_rng(2).random(30)
    fine = np.sort(np.repeat(speeds, 100))[-300:].sum() / (100 * speeds.sum())
    assert fastest_share(speeds.tolist()) == pytest.approx(fine)

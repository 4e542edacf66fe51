"""PSNR between archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.errors import UserError
from sphere_repro.metrics.reconstruction import psnr


def archive(path: Path, images: np.ndarray) -> ImageArchive:
    write_archive(path, images, None)
    return ImageArchive(path)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(20, 230, (7, 4, 4, 3), dtype=np.uint8)


def test_mean_over_images_of_their_own_ratio(tmp_path: Path, images: np.ndarray) -> None:
    real = archive(tmp_path / "real.zip", images)
    offsets = np.arange(1, 8, dtype=np.uint8)[:, None, None, None]
    copies = archive(tmp_path / "copy.zip", images + offsets)
    expected = np.mean([20 * np.log10(255 / offset) for offset in range(1, 8)])
    for batch_size in (1, 3, 100):
        assert psnr(real, copies, batch_size=batch_size) == pytest.approx(expected, abs=1e-9)


def test_no_error_is_the_smallest_error(tmp_path: Path, images: np.ndarray) -> None:
    real = archive(tmp_path / "real.zip", images)
    smallest = images.copy()
    smallest[:, 0, 0, 0] += 1
    exact = psnr(real, archive(tmp_path / "exact.zip", images))
    assert exact == psnr(real, archive(tmp_path / "almost.zip", smallest))
    assert exact == pytest.approx(10 * np.log10(255**2 * 48))


def test_fewer_reconstructions_are_held_against_the_images_they_are_of(
    tmp_path: Path, images: np.ndarray
) -> None:
    real = archive(tmp_path / "real.zip", images)
    few = images[choose(7, 3)] + np.uint8(1)
    for batch_size in (1, 2, 256):
        found = psnr(real, archive(tmp_path / "few.zip", few), batch_size=batch_size)
        assert found == pytest.approx(20 * np.log10(255))


def test_archives_of_another_run_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    real = archive(tmp_path / "real.zip", images)
    with pytest.raises(UserError, match="pixels"):
        psnr(real, archive(tmp_path / "small.zip", images[:, :2, :2]))
    with pytest.raises(UserError, match="8 reconstructions of 7"):
        psnr(real, archive(tmp_path / "many.zip", np.concatenate([images, images[:1]])))

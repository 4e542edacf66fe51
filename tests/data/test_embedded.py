"""The embedded datasets and their prepared archives: real content, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from sphere_repro.data import embedded
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.embedded import Crop, digits, photo_patches
from sphere_repro.data.prepare import prepare
from sphere_repro.data.resizing import fit
from sphere_repro.data.sources import SOURCES
from sphere_repro.errors import UserError
from sphere_repro.provenance.hashes import file_hash

# -- digits


def test_digits_are_scikit_learns() -> None:
    images, labels = digits()
    bunch = load_digits()
    assert images.dtype == np.uint8 and images.shape == (1797, 8, 8, 3)
    assert labels.dtype == np.int64 and labels.tolist() == bunch.target.tolist()
    assert (images[..., 0] == images[..., 1]).all() and (images[..., 0] == images[..., 2]).all()
    # One level of sixteen is 15.94 steps of 255: the levels can be had back exactly.
    np.testing.assert_array_equal(np.rint(images[..., 0] / 255 * 16), bunch.images)
    assert images.min() == 0 and images.max() == 255
    assert images[bunch.images == 8].tolist() == [[128] * 3] * int((bunch.images == 8).sum())


def test_digits_have_not_changed() -> None:
    images, labels = digits()
    digest = hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes()).hexdigest()
    assert digest == "3218799b862dc4833b0dc8ffd2d63f35720c44661b1c4432f2a1742788b09d96"


# -- photo patches


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return photo_patches(16)[0]


def test_patches_are_distinct_and_reproducible(patches: np.ndarray) -> None:
    assert patches.dtype == np.uint8 and patches.shape == (4096, 16, 16, 3)
    assert photo_patches(16)[1] is None
    np.testing.assert_array_equal(photo_patches(16)[0], patches)
    assert len(np.unique(patches.reshape(4096, -1), axis=0)) == 4096


def test_patches_keep_the_photographs_distribution(patches: np.ndarray) -> None:
    photos = np.stack([load_sample_image(name) for name in embedded.PHOTOS]) / 255
    values = patches / 255
    # Crops miss the borders a little; a dataset of one photograph alone would be off by 0.2 and more.
    np.testing.assert_allclose(values.mean((0, 1, 2)), photos.mean((0, 1, 2)), atol=0.03)
    assert abs(values.std() - photos.std()) < 0.03
    uniform = (patches.reshape(4096, -1, 3).std(1).max(1) < 2).mean()
    assert 0.02 < uniform < 0.35  # sky and blurred leaves are there, and are not everything


def test_patches_are_in_random_order(patches: np.ndarray) -> None:
    first, second = (half.mean((0, 1, 2)) for half in np.split(patches / 255, 2))
    np.testing.assert_allclose(first, second, atol=0.03)


def test_patches_are_cut_from_the_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [load_sample_image(name) for name in embedded.PHOTOS]
    crops = [Crop(0, 0, 16), Crop(411, 624, 16), Crop(100, 200, 32)]
    monkeypatch.setattr(embedded, "PATCHES", 6)
    monkeypatch.setattr(embedded, "_crops", lambda *_: crops)
    got = photo_patches(16)[0].astype(float)
    for photo in photos:
        blocks = photo[100:132, 200:232].reshape(16, 2, 16, 2, 3).mean((1, 3))
        # Pillow rounds after each of its two passes, rows and columns: 1 level at most from the plain mean.
        for expected, tolerance in [(photo[:16, :16], 0), (photo[411:, 624:], 0), (blocks, 1)]:
            assert (np.abs(got - expected).max((1, 2, 3)) <= tolerance).sum() == 1


@settings(max_examples=40, deadline=None)
@given(resolution=st.integers(4, 418), seed=st.integers(0, 9))
def test_crops_are_distinct_and_inside(resolution: int, seed: int) -> None:
    crops = embedded._crops(427, 640, resolution, np.random.default_rng(seed))
    assert len(crops) == len(set(crops)) == 2048
    assert all(0 <= crop.row <= 427 - crop.side and 0 <= crop.column <= 640 - crop.side for crop in crops)
    sides = [crop.side for crop in crops]
    assert all(side % resolution == 0 for side in sides)
    shares = [sides.count(side) for side in set(sides)]
    assert max(shares) - min(shares) <= 1
    if resolution <= 100:
        assert set(sides) == {scale * resolution for scale in (1, 2, 3, 4)}


def test_patches_larger_than_the_photographs() -> None:
    with pytest.raises(UserError, match="photo-patches at 1024 pixels"):
        photo_patches(1024)


# -- resize and crop


@pytest.mark.parametrize("shape", [(8, 8), (7, 13), (13, 7), (427, 640), (100, 1)])
@pytest.mark.parametrize("pixels", [4, 8, 33, 65, 128])
def test_fit_is_square(shape: tuple[int, int], pixels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert fit(image, pixels).shape == (pixels, pixels, 3)


def test_fit_leaves_what_fits() -> None:
    image = digits()[0][0]
    np.testing.assert_array_equal(fit(image, 8), image)


def test_fit_repeats_pixels_up_to_64_and_smooths_above() -> None:
    image = digits()[0][5]
    np.testing.assert_array_equal(fit(image, 64), image.repeat(8, 0).repeat(8, 1))
    smooth = np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(fit(image, 128), smooth)


@pytest.mark.parametrize("pixels", [32, 96])
def test_fit_is_torchvisions_resize_and_crop(pixels: int) -> None:
    """Of 300 random sizes; an odd number of pixels too many is halved to the even side."""
    generator = np.random.default_rng(0)
    method = InterpolationMode.NEAREST if pixels <= 64 else InterpolationMode.BICUBIC
    expected = Compose([Resize(pixels, method), CenterCrop(pixels)])
    odd = 0
    for height, width in generator.integers(20, 300, (300, 2)):
        image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found = fit(image, pixels)
        np.testing.assert_array_equal(found, np.asarray(expected(Image.fromarray(image))), str(image.shape))
        odd += (max(height, width) * pixels // min(height, width) - pixels) % 4 == 3
    assert odd > 40  # where rounding down is another pixel


def test_fit_crops_the_centre() -> None:
    wide = np.zeros((8, 20, 3), np.uint8)
    wide[:, 6:14] = np.arange(8, dtype=np.uint8)[None, :, None]
    np.testing.assert_array_equal(fit(wide, 8), wide[:, 6:14])
    np.testing.assert_array_equal(fit(wide.swapaxes(0, 1), 8), wide[:, 6:14].swapaxes(0, 1))


# -- prepared archives


@pytest.mark.parametrize(("name", "resolution"), [("digits", None), ("digits", 16), ("photo-patches", None)])
def test_prepare(tmp_path: Path, name: str, resolution: int | None) -> None:
    dataset = Dataset(name=name, resolution=resolution)
    out = tmp_path / "data" / f"{dataset.archive}.zip"
    provenance = prepare(dataset, out, state=tmp_path)

    archive = ImageArchive(out, SOURCES[name].classes)
    assert len(archive) == SOURCES[name].images == provenance["images"]
    assert archive.resolution == dataset.pixels == provenance["resolution"]
    assert (archive.labels is None) == (SOURCES[name].classes == 0)
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8")) == provenance
    assert provenance["sha256"] == file_hash(out)
    assert provenance["source"]["licence"] == SOURCES[name].licence
    assert provenance["code"]["modules"] == ["data/"]
    assert sorted(path.name for path in out.parent.iterdir()) == [out.with_suffix(".json").name, out.name]


def test_prepare_gives_the_same_bytes_again(tmp_path: Path) -> None:
    first, second = (
        prepare(Dataset(name="digits"), tmp_path / f"{name}.zip", state=tmp_path) for name in "ab"
    )
    assert first == second
    assert sum(first["class_counts"]) == 1797 and len(first["class_counts"]) == 10


def test_prepared_digits_are_the_digits(tmp_path: Path) -> None:
    prepare(Dataset(name="digits"), tmp_path / "a.zip", state=tmp_path)
    archive = ImageArchive(tmp_path / "a.zip", 10)
    images, labels = digits()
    np.testing.assert_array_equal(archive.load(), images)
    assert archive.labels is not None
    np.testing.assert_array_equal(archive.labels, labels)


def test_prepare_beyond_the_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at most 400"):
        prepare(Dataset(name="photo-patches", resolution=512), tmp_path / "a.zip", state=tmp_path)
    assert not list(tmp_path.glob("a.*"))

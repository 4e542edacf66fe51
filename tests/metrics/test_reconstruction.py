"""How close reconstructions come to their images, against the formulas and the package of LPIPS."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.errors import UserError
from sphere_repro.metrics import reconstruction
from sphere_repro.metrics.reconstruction import closeness, window
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.training import perceptual


def archive(path: Path, images: np.ndarray) -> ImageArchive:
    write_archive(path, images, None)
    return ImageArchive(path)


def drawn(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(20, 230, (count, side, side, 3), dtype=np.uint8)


def close_copies(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images with noise of their own strength each."""
    noise = np.random.default_rng(1).normal(size=images.shape)
    noise *= 3 * (1 + np.arange(len(images)))[:, None, None, None]
    return np.clip(images + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return drawn(7, 4)


def test_mean_over_images_of_their_own_ratio(tmp_path: Path, images: np.ndarray) -> None:
    real = archive(tmp_path / "real.zip", images)
    offsets = np.arange(1, 8, dtype=np.uint8)[:, None, None, None]
    copies = archive(tmp_path / "copy.zip", images + offsets)
    expected = np.mean([20 * np.log10(255 / offset) for offset in range(1, 8)])
    for batch_size in (1, 3, 100):
        assert closeness(real, copies, batch_size=batch_size).psnr == pytest.approx(expected, abs=1e-9)


def test_no_error_is_the_smallest_error(tmp_path: Path, images: np.ndarray) -> None:
    real = archive(tmp_path / "real.zip", images)
    smallest = images.copy()
    smallest[:, 0, 0, 0] += 1
    exact = closeness(real, archive(tmp_path / "exact.zip", images))
    assert exact.psnr == closeness(real, archive(tmp_path / "almost.zip", smallest)).psnr
    assert exact.psnr == pytest.approx(10 * np.log10(255**2 * 48))
    assert exact.ssim == pytest.approx(1.0)


def test_fewer_reconstructions_are_held_against_the_images_they_are_of(
    tmp_path: Path, images: np.ndarray
) -> None:
    real = archive(tmp_path / "real.zip", images)
    few = images[choose(7, 3)] + np.uint8(1)
    assert choose(7, 3).tolist() != [0, 1, 2]
    for batch_size in (1, 2, 256):
        found = closeness(real, archive(tmp_path / "few.zip", few), batch_size=batch_size)
        assert found.psnr == pytest.approx(20 * np.log10(255))


def test_archives_of_another_run_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    real = archive(tmp_path / "real.zip", images)
    with pytest.raises(UserError, match="pixels"):
        closeness(real, archive(tmp_path / "small.zip", images[:, :2, :2]))
    with pytest.raises(UserError, match="8 reconstructions of 7"):
        closeness(real, archive(tmp_path / "many.zip", np.concatenate([images, images[:1]])))


def ssim(one: NDArray[np.uint8], other: NDArray[np.uint8], border: int) -> float:
    """Equation 13 of Wang et al. 2004 on one image (H, H, 3), by SciPy's Gaussian, without a border."""
    values = []
    for channel in range(3):
        x, y = one[..., channel].astype(float), other[..., channel].astype(float)

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(gaussian_filter(values, 1.5, truncate=3.5))

        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        found = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        values.append(found[border : len(x) - border, border : len(x) - border].mean())
    return float(np.mean(values))


@pytest.mark.parametrize(("side", "border"), [(4, 1), (8, 3), (9, 4), (16, 5), (24, 5)])
def test_ssim_is_the_formula(side: int, border: int, tmp_path: Path) -> None:
    images = drawn(5, side)
    copies = close_copies(images)
    found = closeness(archive(tmp_path / "a.zip", images), archive(tmp_path / "b.zip", copies), batch_size=2)
    each = [ssim(one, other, border) for one, other in zip(images, copies, strict=True)]
    assert found.ssim == pytest.approx(np.mean(each), abs=1e-9)
    assert found.ssim_window == 2 * border + 1 and found.ssim_count == 5
    assert 0 < min(each) < max(each) < 1


@pytest.mark.parametrize("side", [1, 2, 3, 8, 16, 31])
@pytest.mark.parametrize("at_once", [1, 700, 2**15])
def test_ssim_is_scikit_images_for_each_image(
    side: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstruction, "PIXELS_AT_ONCE", at_once)
    images = drawn(6, side)
    copies = close_copies(images)
    copies[0], copies[1] = images[0], 255 - images[1]
    expected = [
        structural_similarity(
            *pair,
            win_size=window(side),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=-1,
        )
        for pair in zip(images, copies, strict=True)
    ]
    np.testing.assert_allclose(reconstruction._ssim(images, copies), expected, rtol=0, atol=1e-12)
    assert expected[0] == pytest.approx(1) and expected[1] < 0.9 < expected[0]
    assert reconstruction._ssim(images[:0], copies[:0]).shape == (0,)


def test_the_window_is_the_usual_one_where_it_fits() -> None:
    assert [window(side) for side in (2, 3, 8, 10, 11, 12, 256)] == [1, 3, 7, 9, 11, 11, 11]


def test_of_many_images_some_are_compared_by_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstruction, "MOST_IMAGES", 3)
    images = drawn(7, 8)
    copies = close_copies(images)
    found = closeness(archive(tmp_path / "a.zip", images), archive(tmp_path / "b.zip", copies), batch_size=2)
    chosen = [ssim(images[index], copies[index], 3) for index in (0, 3, 6)]
    assert found.ssim == pytest.approx(np.mean(chosen), abs=1e-9) and found.ssim_count == 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Random weights of VGG-16 that pass for the published ones."""
    home = tmp_path_factory.mktemp("torch-home")
    file = home / "hub" / "checkpoints" / "vgg16-397923af.pth"
    file.parent.mkdir(parents=True)
    generator = torch.Generator().manual_seed(3)
    with torch.device("meta"):
        features = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
    state = {
        f"features.{name}": torch.randn(tensor.shape, generator=generator)
        * math.sqrt(2 / max(1, math.prod(tensor.shape[1:])))
        for name, tensor in features.state_dict().items()
    }
    torch.save(state, file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        patch.setattr(perceptual, "VGG16_SHA256", file_hash(file))
        yield file


def test_lpips_is_the_packages_own(weights: Path, tmp_path: Path) -> None:
    images = drawn(3, 32)
    copies = close_copies(images)
    found = closeness(archive(tmp_path / "a.zip", images), archive(tmp_path / "b.zip", copies), batch_size=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the package asks torchvision in an old way
        network = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    state = torch.load(weights, weights_only=True)
    own = network.net.state_dict()
    network.net.load_state_dict({name: state["features." + name.split(".", 1)[1]] for name in own})
    with torch.no_grad():
        distances = [
            float(network(lpips.im2tensor(one), lpips.im2tensor(other)))
            for one, other in zip(images, copies, strict=True)
        ]
    assert found.lpips == pytest.approx(np.mean(distances), rel=1e-4)
    assert found.lpips_missing == "" and max(distances) > 5 * min(distances) > 1e-4


def test_no_lpips_of_small_images(weights: Path, tmp_path: Path) -> None:
    images = drawn(2, 31)
    real = archive(tmp_path / "a.zip", images)
    found = closeness(real, real)
    assert found.lpips is None and found.lpips_missing == "not computed below 32 pixels"


def test_no_lpips_without_weights_and_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "none"))
    real = archive(tmp_path / "a.zip", drawn(2, 32))
    found = closeness(real, real)
    assert found.lpips is None
    assert found.lpips_missing.startswith("its weights are not there: vgg16-397923af.pth")
    assert not (tmp_path / "none").exists()


def test_other_weights_are_refused(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "VGG16_SHA256", "0" * 64)
    real = archive(tmp_path / "a.zip", drawn(2, 32))
    with pytest.raises(UserError, match=r"are not the published file\. Delete it, or download"):
        closeness(real, real)

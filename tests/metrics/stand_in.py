"""A stand-in for the publisher's file of Inception, which no test downloads."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from sphere_repro.metrics import inception
from sphere_repro.metrics.inception import INCEPTION_DIMENSION, PUBLISHED
from sphere_repro.provenance.hashes import file_hash


class StandIn(torch.nn.Module):
    """As the publisher's file looks: `layers`, a classifier, and a call that resizes for itself."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((2, 1024)))
        self.output = torch.nn.Linear(inputs, 1008)

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return self.layers(x).mean(1) + 7


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, inputs: int = INCEPTION_DIMENSION) -> Path:
    """Put a stand-in whose classifier has so many inputs where the publisher's file is looked for."""
    monkeypatch.setenv("SPHERE_CACHE", str(folder))
    path = folder / PUBLISHED
    path.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        torch.jit.script(StandIn(inputs)).save(str(path))
    monkeypatch.setattr(inception, "PUBLISHED_SHA256", file_hash(path))
    return path

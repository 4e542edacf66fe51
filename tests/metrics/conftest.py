"""A stand-in for the publisher's file of Inception, which no test downloads."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sphere_repro.metrics import inception


class StandIn(torch.nn.Module):
    """As the publisher's file looks: `layers`, a classifier, and a call that resizes for itself."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((2, 1024)))
        self.output = torch.nn.Linear(inputs, 1008)

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return self.layers(x).mean(1) + 7


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Puts a stand-in, with so many inputs of its classifier, where the file is looked for."""
    monkeypatch.setenv("SPHERE_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "cache" / inception.PUBLISHED
    path.parent.mkdir()

    def put(inputs: int) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            torch.jit.script(StandIn(inputs)).save(str(path))
        return path

    return put


@pytest.fixture
def published(publish: Callable[[int], Path]) -> Path:
    return publish(inception.INCEPTION_DIMENSION)

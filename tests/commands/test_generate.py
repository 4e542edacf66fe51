"""`generate`: from options to how images are drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_generation_by_hand(asked: Callable[..., tuple[Any, ...]]) -> None:
    model, out, settings, rest = asked(
        "generate", "m.safetensors", "o.zip", "--steps", "6", "--guidance", "1.4", "--position", "enc"
    )
    assert (model, out) == (Path("m.safetensors"), Path("o.zip"))
    assert settings.name == "generation-6-fixed-shared-enc1.4"
    assert rest == {"count": 64, "seed": 0, "weights": "raw", "device": "auto", "classes": []}
    *_, rest = asked("generate", "m.safetensors", "o.zip", "--class", "cat", "--class", "7")
    assert rest["classes"] == ["cat", "7"]

"""Provenance inside a PNG: where it comes from travels with the picture itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

KEY = "sphere-repro"


def described(image: np.ndarray, record: Mapping[str, Any]) -> PngImagePlugin.PngInfo:
    """The text that a PNG of `image`, uint8 (H, W, 3), carries: its record, with a hash of its pixels."""
    info = PngImagePlugin.PngInfo()
    text = json.dumps({**record, "pixels": pixel_hash(image)}, sort_keys=True)  # ASCII, as PNG's plain text
    info.add_text(KEY, text)
    return info


def read_embedded(path: Path) -> tuple[dict[str, Any], str] | None:
    """The record that a PNG carries, and the hash of its pixels as they are now; None where there is none."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            text = image.info.get(KEY)
            pixels = np.asarray(image.convert("RGB"))
        record = json.loads(text) if isinstance(text, str) else None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, RecursionError):
        return None
    return (record, pixel_hash(pixels)) if isinstance(record, dict) and "code" in record else None


def pixel_hash(image: np.ndarray) -> str:
    """SHA-256 over shape and pixels, whatever the file's compression."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()

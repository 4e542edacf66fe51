"""What an image of a prepared archive costs in each format: bytes, seconds. Usage: image_formats.py [images]

Squares of scikit-learn's two photographs (427 × 640 pixels), at random places and of 256 to 427 pixels a
side, resized to 256 as ImageNet's images are. One is full of detail, the other mostly out of focus:
photographs of a dataset lie between them. The formats take turns, so that a noisy machine is noisy for all of
them. Writes image_formats.json beside this file; the planner's bytes per pixel come from there
(src/sphere_repro/planning/archives.py).
"""

from __future__ import annotations

import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image
from sklearn.datasets import load_sample_image

PIXELS = 256
PHOTOS = ("china.jpg", "flower.jpg")
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 6},
    **{
        f"webp, method {method}": {
            **{"format": "WEBP", "lossless": True, "exact": True},
            **{"quality": 75, "method": method},
        }
        for method in (0, 1, 2, 4)
    },
    "jpeg, quality 95": {"format": "JPEG", "quality": 95, "subsampling": 0},
}


def photographs(name: str, count: int) -> list[np.ndarray]:
    """`count` squares of one photograph, uint8 (256, 256, 3)."""
    photo = load_sample_image(name)
    generator = np.random.default_rng(0)
    found = []
    for _ in range(count):
        side = int(generator.integers(PIXELS, min(photo.shape[:2]) + 1))
        top, left = (int(generator.integers(0, length - side + 1)) for length in photo.shape[:2])
        square = Image.fromarray(photo[top : top + side, left : left + side])
        found.append(np.asarray(square.resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)))
    return found


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def encoded(image: np.ndarray, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **options)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """In dB; infinite where both are the same."""
    error = float(((first.astype(float) - second) ** 2).mean())
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


def measured(count: int) -> dict[str, dict[str, Any]]:
    """Of each format: bytes per pixel by photograph, CPU time per image, the least PSNR (null: lossless)."""
    rows: dict[str, dict[str, list[float]]] = {name: {} for name in FORMATS}
    for photo in PHOTOS:
        for image in photographs(photo, count):
            for name, options in FORMATS.items():
                writing, content = seconds(lambda: encoded(image, options))  # noqa: B023
                reading, again = seconds(lambda: decoded(content))  # noqa: B023
                found = {photo: len(content), "write": writing, "read": reading, "psnr": psnr(image, again)}
                for key, value in found.items():
                    rows[name].setdefault(key, []).append(value)
    return {name: summary(row) for name, row in rows.items()}


def summary(row: dict[str, list[float]]) -> dict[str, Any]:
    least = min(row["psnr"])
    return {
        "bytes_per_pixel": {
            photo.removesuffix(".jpg"): round(statistics.mean(row[photo]) / PIXELS**2, 3) for photo in PHOTOS
        },
        "write_ms": round(1000 * statistics.median(row["write"]), 2),
        "read_ms": round(1000 * statistics.median(row["read"]), 2),
        "psnr_db": None if least == float("inf") else round(least, 1),
    }


def main(count: int) -> None:
    report = {
        "command": f"python benchmarks/image_formats.py {count}",
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "pillow": PIL.__version__,
        "images_of_each_photograph": count,
        "pixels": PIXELS,
        "formats": measured(count),
    }
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)

"""Provenance inside a PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sphere_repro.provenance.embedded import described, pixel_hash, read_embedded

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def test_a_record_comes_back_whatever_the_compression(tmp_path: Path) -> None:
    record = {"code": {"sha256": "a"}, "parameters": {"class": "Füchse, größer", "step": 3}}
    for level in (0, 9):
        Image.fromarray(IMAGE).save(
            tmp_path / "a.png", pnginfo=described(IMAGE, record), compress_level=level
        )
        found = read_embedded(tmp_path / "a.png")
        assert found == ({**record, "pixels": pixel_hash(IMAGE)}, pixel_hash(IMAGE))


def test_other_pixels_or_another_shape_have_another_hash() -> None:
    other = IMAGE.copy()
    other[0, 0, 0] += 1
    assert len({pixel_hash(IMAGE), pixel_hash(other), pixel_hash(IMAGE.reshape(2, 8, 3))}) == 3


def test_what_carries_none(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:30])
    (tmp_path / "c.png").write_text("text")
    assert [read_embedded(tmp_path / f"{name}.png") for name in "abc"] == [None] * 3

"""Every kind of picture becomes 8-bit RGB; what cannot is an error that the preparation names."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sphere_repro.data.images import DAMAGE, Arrays, Files, Images, Pieces, decode, encode, suffix_of
from sphere_repro.data.sources import Format

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_kinds(kind: str, options: dict[str, object]) -> None:
    found = decode(stored(Image.fromarray(RGB), kind, **options))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RGB)


def test_grey_is_repeated() -> None:
    grey = Image.fromarray(RGB[..., 0])
    np.testing.assert_array_equal(decode(stored(grey)), np.repeat(RGB[..., :1], 3, axis=2))
    one_bit = decode(stored(grey.convert("1")))
    assert set(np.unique(one_bit)) <= {0, 255}


def test_sixteen_bit_grey_is_scaled_not_cut_off() -> None:
    deep = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1800
    found = decode(stored(Image.fromarray(deep)))
    np.testing.assert_array_equal(found, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_a_palette() -> None:
    palette = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(decode(stored(palette)), np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    if mode == "P":
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 200, 100, 50])
        image.putpixel((1, 0), 1)
        file = stored(image, transparency=0)
        expected = [[255, 255, 255], [200, 100, 50]]
    else:
        image = Image.new(mode, (2, 1))
        colour = (40, 80, 120) if mode == "RGBA" else (40,)
        image.putpixel((0, 0), (*colour, 0))
        image.putpixel((1, 0), (*colour, 255))
        file = stored(image)
        expected = [[255, 255, 255], [40, 80, 120] if mode == "RGBA" else [40, 40, 40]]
    np.testing.assert_array_equal(decode(file)[0], expected)


def test_half_transparency_is_a_mean() -> None:
    image = Image.new("RGBA", (1, 1), (0, 100, 200, 128))
    np.testing.assert_allclose(decode(stored(image))[0, 0], [127, 177, 227], atol=1)


def test_cmyk() -> None:
    cmyk = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    np.testing.assert_allclose(decode(stored(cmyk, "JPEG")), np.full((4, 4, 3), [0, 255, 255]), atol=4)


def test_exif_turns_no_published_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(decode(stored(Image.fromarray(RGB), exif=exif)), RGB)


def test_what_is_no_picture() -> None:
    whole = stored(Image.fromarray(RGB)).getvalue()
    gif = stored(Image.fromarray(RGB).quantize(4), "GIF")
    for content in (b"", b"<html>", whole[: len(whole) // 2], gif.getvalue()):
        with pytest.raises(DAMAGE):
            decode(io.BytesIO(content))


def test_jpeg_keeps_full_colour_resolution() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, 5:6] = [255, 0, 0]  # one column: halved colour resolution would smear it over two
    found = decode(io.BytesIO(encode(red, "jpeg"))).astype(int)
    assert abs(found - red).max() < 40
    assert Image.open(io.BytesIO(encode(red, "jpeg"))).format == "JPEG"
    np.testing.assert_array_equal(decode(io.BytesIO(encode(red))), red)


@pytest.mark.parametrize(("form", "suffix"), [("png", ".png"), ("webp", ".webp")])
def test_png_and_webp_lose_nothing(form: Format, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (17, 17, 3), dtype=np.uint8)
    for image in (RGB, noise, np.zeros((1, 1, 3), np.uint8)):
        content = encode(image, form)
        np.testing.assert_array_equal(decode(io.BytesIO(content)), image)
        assert suffix_of(content) == suffix
    assert suffix_of(encode(RGB, "jpeg")) == ".jpg"


def kinds_of_images(folder: Path) -> list[Images]:
    contents = [encode(RGB), encode(RGB[::-1])]
    for index, content in enumerate(contents):
        (folder / f"{index}.png").write_bytes(content)
    (folder / "all.bin").write_bytes(b"head" + contents[0] + b"between" + contents[1])
    sizes = np.array([len(content) for content in contents])
    starts = np.array([4, 4 + sizes[0] + 7])
    return [
        Arrays(np.stack([RGB, RGB[::-1]]), None),
        Files(folder, ["0.png", "1.png"], np.array([0, 1])),
        Pieces(folder / "all.bin", ["a", "b"], starts, sizes, None),
    ]


def test_images_are_the_same_wherever_they_lie_and_can_be_sent(tmp_path: Path) -> None:
    for images in kinds_of_images(tmp_path):
        again = pickle.loads(pickle.dumps(images))
        assert len(again) == 2 and again.name(1)
        np.testing.assert_array_equal(again.read(0), RGB)
        np.testing.assert_array_equal(again.read(1), RGB[::-1])

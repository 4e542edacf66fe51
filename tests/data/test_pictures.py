"""Pictures of one's own: as every viewer shows them, and told what a file is that is none."""

from __future__ import annotations

import io
import os
import pickle
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from data import profiles
from sphere_repro.data import pictures
from sphere_repro.data.images import DAMAGE, decode
from sphere_repro.data.no_image import told, what_it_is
from sphere_repro.data.pictures import CONVERTED, FIRST, PictureError, Pictures, read_picture

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
SMOOTH = np.stack(np.meshgrid(np.arange(0, 240, 6), np.arange(0, 180, 6)), -1).astype(np.uint8)
SMOOTH = np.concatenate([SMOOTH, 255 - SMOOTH[..., :1]], -1)  # (30, 40, 3)


def stored(image: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    buffer.seek(0)
    return buffer


def refused(content: bytes) -> str:
    with pytest.raises(PictureError) as caught:
        read_picture(io.BytesIO(content))
    text = str(caught.value)
    assert "object at" not in text and "Error" not in text and "\n" not in text
    return text


# -- formats


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "PCX", "SGI", "QOI", "DIB"])
def test_lossless_formats(kind: str) -> None:
    found = read_picture(stored(Image.fromarray(RGB), kind))
    np.testing.assert_array_equal(found.pixels, RGB)
    assert found.done == ()


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 98}), ("AVIF", {}), ("JPEG2000", {})])
def test_photographic_formats(kind: str, options: dict[str, object]) -> None:
    found = read_picture(stored(Image.fromarray(SMOOTH), kind, **options))
    assert np.abs(found.pixels.astype(int) - SMOOTH).mean() < 4


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_several_and_it_is_said(kind: str) -> None:
    first, second = Image.new("RGB", (8, 6), (250, 0, 0)), Image.new("RGB", (8, 6), (0, 0, 250))
    found = read_picture(stored(first, kind, save_all=True, append_images=[second]))
    assert found.done == (FIRST,)
    np.testing.assert_allclose(found.pixels.astype(int), np.full((6, 8, 3), [250, 0, 0]), atol=6)
    assert read_picture(stored(first, kind)).done == ()


def test_a_suffix_that_is_not_the_formats_own(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(stored(Image.fromarray(RGB).quantize(256), "GIF").getvalue())
    assert Pictures(tmp_path, ["a.jpg"], None).read(0).shape == RGB.shape


def test_other_programs_are_never_started() -> None:
    drawing = stored(Image.fromarray(RGB), "EPS").getvalue()
    assert refused(drawing) == "a PostScript drawing"


# -- upright, whatever else EXIF says


def exif_of(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = turn, "maker", {0x9003: "2020"}
    return exif.tobytes()


@pytest.mark.parametrize("turn", range(1, 9))
def test_upright_as_exif_says(turn: int) -> None:
    file = stored(Image.fromarray(RGB), exif=exif_of(turn))
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue()))))
    np.testing.assert_array_equal(read_picture(file).pixels, wanted)
    assert (wanted.shape == RGB.shape) == (turn < 5)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_rubbish_in_exif_stops_nothing(kind: str) -> None:
    source, refusals = random.Random(0), 0
    for _ in range(60):
        exif = bytearray(exif_of(6))
        for _ in range(source.randint(1, 6)):
            exif[source.randrange(6, len(exif))] = source.randrange(256)
        file = stored(Image.fromarray(SMOOTH), kind, exif=bytes(exif))
        assert sorted(read_picture(file).pixels.shape) == sorted(SMOOTH.shape)
        try:
            with warnings.catch_warnings(action="ignore"):
                ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue())))
        except DAMAGE:
            refusals += 1
    assert refusals or kind == "JPEG"  # Pillow's own way stops at some of them


def test_nothing_is_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    read_picture(stored(Image.fromarray(RGB), exif=exif_of(6)[:40]))
    assert not list(recwarn)


# -- limits


def test_long_texts_beside_a_picture_stop_nothing() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 3_000_000, zip=True)
    info.add_itxt("parameters", "y" * 2_000_000, zip=True)
    file = stored(Image.fromarray(RGB), pnginfo=info)
    with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
        decode(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(read_picture(file).pixels, RGB)
    assert PngImagePlugin.MAX_TEXT_CHUNK == 1 << 20


def test_the_limit_is_memory_and_not_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    file = stored(Image.fromarray(RGB))
    with pytest.raises(Image.DecompressionBombError):
        decode(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(read_picture(file).pixels, RGB)
    assert Image.MAX_IMAGE_PIXELS == 10
    monkeypatch.setattr(pictures, "LARGE", 30)
    monkeypatch.setattr(pictures, "free_memory", lambda: 35 * pictures.PIXEL_BYTES - 1)
    assert refused(file.getvalue()).startswith("it has 7×5 pixels, which takes")
    monkeypatch.setattr(pictures, "free_memory", lambda: 35 * pictures.PIXEL_BYTES)
    file.seek(0)
    assert read_picture(file).pixels.shape == RGB.shape
    assert "memory" in refused(stored(Image.fromarray(RGB).convert("RGBA")).getvalue())  # takes twice as much


# -- what a file is that is no picture


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (bytes(5000), "nothing but zeros"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"<?xml version='1.0'?><svg></svg>", "an SVG drawing, which is not read; convert it"),
        (b"<?xml version='1.0'?><rss></rss>", "an XML text"),
        (b'{"error": "not found"}', "a JSON text"),
        ("schöne Grüße\n".encode(), "a text"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC picture, which is not read; convert it"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS, not the file itself; run git lfs pull",
        ),
        (b"\x89PNG\r\n\x1a\nrubbish", "a damaged PNG"),
        (b"\xff\xd8\xff\xe0", "a damaged JPEG"),
        (b"\x13\x37\xfe\xed" * 9, "in no known format"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_it_is_instead(content: bytes, words: str) -> None:
    assert refused(content) == words == what_it_is(content[: pictures.HEAD])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_damage_is_told_in_words(kind: str, kept: float) -> None:
    content = stored(Image.fromarray(SMOOTH), kind).getvalue()
    assert refused(content[: int(kept * len(content))]).upper().startswith(f"A DAMAGED {kind}")


def test_errors_without_words() -> None:
    assert told(KeyError("x"), "a damaged TIFF") == "a damaged TIFF"
    assert told(ValueError("cannot use <_io.BytesIO object at 0x7f00>")) == "damaged"
    assert told(OSError("broken data stream"), "a damaged JPEG") == "a damaged JPEG: broken data stream"


def test_floating_point_and_deep_numbers_are_no_colours() -> None:
    floats = stored(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF").getvalue()
    assert "floating-point" in refused(floats)
    deep = stored(Image.fromarray(np.full((4, 4), 1 << 20, np.int32)), "TIFF").getvalue()
    assert "32-bit numbers" in refused(deep)


def test_a_disk_that_fails_is_no_broken_picture() -> None:
    class Failing(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        read_picture(Failing())
    assert not isinstance(caught.value, PictureError)


# -- colour profiles


def in_srgb_by_hand(colours: np.ndarray, primaries: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Colours of a display with gamma 2.2 in sRGB, by the definition."""
    linear = (colours / 255) ** (563 / 256)
    light = linear @ np.array(primaries) @ np.linalg.inv(np.array(profiles.SRGB))
    light = light.clip(0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_display_p3_becomes_srgb(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    file = stored(Image.fromarray(SMOOTH), kind, icc_profile=profiles.display(profiles.P3), **options)
    found = read_picture(file)
    assert found.done == (CONVERTED,)
    wanted = in_srgb_by_hand(SMOOTH.astype(float), profiles.P3)
    assert np.abs(found.pixels - wanted).max() < 3 < np.abs(SMOOTH - wanted).max()


def test_transparency_and_palettes_with_a_profile() -> None:
    profile = profiles.display(profiles.P3)
    clear = Image.fromarray(SMOOTH).convert("RGBA")
    clear.putalpha(Image.fromarray(np.repeat([[0, 255]], 20, 1).repeat(30, 0).astype(np.uint8)))
    found = read_picture(stored(clear, icc_profile=profile)).pixels
    plain = read_picture(stored(Image.fromarray(SMOOTH), icc_profile=profile)).pixels
    assert (found[:, :20] == 255).all()
    np.testing.assert_array_equal(found[:, 20:], plain[:, 20:])
    palette = Image.fromarray(SMOOTH).quantize(64)
    found = read_picture(stored(palette, icc_profile=profile)).pixels
    wanted = in_srgb_by_hand(np.asarray(palette.convert("RGB"), float), profiles.P3)
    assert np.abs(found - wanted).max() < 3


def test_grey_with_a_profile_of_its_own() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(2, 0)
    found = read_picture(stored(Image.fromarray(ramp), icc_profile=profiles.grey(1.8)))
    light = (ramp / 255) ** (461 / 256)
    wanted = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert found.done == (CONVERTED,)
    np.testing.assert_allclose(found.pixels, np.repeat(wanted[..., None], 3, 2), atol=2)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_print_colours_with_a_profile_of_their_own(kind: str) -> None:
    half = Image.new("CMYK", (8, 8), (0, 0, 0, 128))  # L* = 75, light 0.483; the blackest ink has 0.184
    found = read_picture(stored(half, kind, icc_profile=profiles.printer(black=50)))
    assert found.done == (CONVERTED,)
    light = (0.483 - 0.184) / (1 - 0.184)  # the blackest becomes black
    np.testing.assert_allclose(found.pixels, 255 * (1.055 * light ** (1 / 2.4) - 0.055), atol=5)
    plain = read_picture(stored(half, kind))
    assert plain.done == ()
    np.testing.assert_allclose(plain.pixels, 127, atol=2)


def test_srgbs_own_profile_changes_nothing() -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = read_picture(stored(Image.fromarray(RGB), icc_profile=own))
    np.testing.assert_array_equal(found.pixels, RGB)
    assert found.done == ()


@pytest.mark.parametrize(
    "profile", [b"rubbish", profiles.printer(50), profiles.grey(1.0), profiles.display(profiles.P3)[:200]]
)
def test_a_profile_that_is_no_use_is_passed_over(profile: bytes) -> None:
    found = read_picture(stored(Image.fromarray(RGB), icc_profile=profile))
    np.testing.assert_array_equal(found.pixels, RGB)
    assert found.done == ()


# -- a sequence of them


def test_a_sequence_can_be_sent_and_names_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes(stored(Image.fromarray(RGB)).getvalue())
    found = pickle.loads(pickle.dumps(Pictures(tmp_path, [name], None)))
    assert found.name(0) == rf"{tmp_path}/caf\xe9.png"
    np.testing.assert_array_equal(found.read(0), RGB)

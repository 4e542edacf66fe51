"""Pictures of strangers: what is taken, what is refused in a sentence, and that nothing is written."""

from __future__ import annotations

import io
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from sphere_repro.data.parts import Form
from sphere_repro.errors import UserError
from sphere_repro.serving.uploads import MOST_BYTES, Upload, read_uploads, safe_name

FORM = Form(8)


def picture(kind: str, size: tuple[int, int] = (20, 12), **more: object) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **more)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says that it has this many pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG with a text beside it that is far longer when it is unpacked."""
    whole = picture("PNG")
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(300_000_000), 9))
    return whole[:33] + text + whole[33:]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1_000_000))
    return buffer.getvalue()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "text": (lambda: b"hello", "a text"),
    "page": (lambda: b"<!doctype html><p>", "a web page"),
    "drawing": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "zip": (zipped, "a zip archive"),
    "gif": (lambda: picture("GIF"), ": a GIF."),
    "tiff": (lambda: picture("TIFF"), ": a TIFF"),
    "bmp": (lambda: picture("BMP"), ": a BMP."),
    "bomb": (lambda: bomb(60_000, 60_000), "far more pixels than are taken"),
    "just too large": (lambda: bomb(8001, 5000), "8001×5000 pixels; 40 million are taken at most"),
    "text bomb": (text_bomb, "damaged PNG"),
    "half": (lambda: picture("PNG")[:200], "a damaged PNG"),
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_are_taken_whatever_their_names(kind: str) -> None:
    found = read_uploads([Upload("a.gif", picture(kind)), Upload("b", picture(kind, (8, 8)))], FORM)
    assert found.pixels.shape == (2, 8, 8, 3) and found.names == ("a.gif", "b")
    assert found.notes == ("a.gif: 20×12 pixels, resized to 8×8, the centre cut out",)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_told_without_being_unpacked(name: str) -> None:
    make, words = REFUSED[name]
    content = make()
    tracemalloc.start()
    with pytest.raises(UserError, match="is no image that is taken here") as told:
        read_uploads([Upload("x.png", content)], FORM)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert words in str(told.value) and "Give a PNG, JPEG or WebP" in str(told.value)
    assert peak < 20_000_000


def test_a_picture_just_within_the_limit_is_taken() -> None:
    buffer = io.BytesIO()
    Image.new("L", (8000, 5000)).save(buffer, "PNG")
    assert read_uploads([Upload("x", buffer.getvalue())], FORM).pixels.shape == (1, 8, 8, 3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 150), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_whatever_comes_is_a_picture_or_a_sentence(noise: bytes, at: int, kind: str) -> None:
    whole = picture(kind)
    try:
        found = read_uploads([Upload("x", whole[:at] + noise + whole[at + len(noise) :])], FORM)
    except UserError:
        return
    assert found.pixels.shape == (1, 8, 8, 3)


@given(st.text())
@example("\x1f-")
def test_a_name_is_one_file_of_a_line(name: str) -> None:
    found = safe_name(name)
    assert found and "/" not in found and found.isprintable() and not found.startswith("-")
    assert len(found) <= 80


def test_a_refusal_reaches_the_page_and_nothing_is_written(
    client: FlaskClient,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    spare = tmp_path_factory.mktemp("spare")
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    before = sorted(path.name for path in place.iterdir())

    def refuse(*_given: object, **_named: object) -> None:
        raise AssertionError("a temporary file was made")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    large = picture("PNG", (1500, 1000))
    assert len(large) > 4_000_000
    done = client.post("edit?classes=cat&steps=1", data={"first": (io.BytesIO(large), "large.png")})
    assert done.status_code == 200 and "1500×1000" in done.get_json()["notes"][0]
    bad = client.post("edit", data={"first": (io.BytesIO(b"PK\x03\x04"), "a.png")})
    assert bad.status_code == 400 and "a.png is no image that is taken here" in bad.get_json()["error"]
    huge = client.post("edit", data={"first": (io.BytesIO(bytes(MOST_BYTES + 1)), "a.png")})
    assert huge.status_code == 413 and "larger than the 20 MB" in huge.get_json()["error"]
    assert sorted(path.name for path in place.iterdir()) == before

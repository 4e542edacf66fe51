"""What a file is that should be an image and is none, in people's words."""

from __future__ import annotations

import re
from collections.abc import Callable

HEAD = 4096  # bytes that are looked at
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a damaged PNG"),
    (b"\xff\xd8\xff", "a damaged JPEG"),
    (b"GIF8", "a damaged GIF"),
    (b"II*\0", "a damaged TIFF, or a camera's raw file"),
    (b"MM\0*", "a damaged TIFF, or a camera's raw file"),
    (b"BM", "a damaged BMP"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript drawing"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\xff\x0a", "a JPEG XL picture, which is not read; convert it"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture, which is not read; convert it"),
    (b"\0\x05\x16\x07", "what macOS keeps beside a file, not the file itself"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; run git lfs pull"),
)
_BRANDS = {
    b"heic": "a HEIC picture, which is not read; convert it",
    b"heix": "a HEIC picture, which is not read; convert it",
    b"mif1": "a HEIF picture, which is not read; convert it",
    b"avif": "a damaged AVIF",
    b"qt  ": "a QuickTime video",
}


def what_it_is(head: bytes) -> str:
    """What a file that begins with `head` (at most `HEAD` bytes) is, if no image: `a web page`, `empty`, …"""
    if not head:
        return "empty"
    if not head.strip(b"\0"):
        return "nothing but zeros"
    for start, words in _STARTS:
        if head.startswith(start):
            return words
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a video")
    if head[:4] == b"RIFF":
        return "a damaged WebP" if head[8:12] == b"WEBP" else "a video or a sound"
    return _text(head) or "in no known format"


def told(error: Exception, what: str = "damaged") -> str:
    """What went wrong while `what` was decoded; no names of objects or types of Python's."""
    text = " ".join(str(error).split())
    spoken = isinstance(error, OSError | ValueError) and not re.search(r" object at 0x|^\[Errno", text)
    return f"{what}: {text}" if spoken and text else what


def _text(head: bytes) -> str:
    """What kind of text it is; nothing where it is none."""
    try:
        text = head.decode("utf-8", "strict" if len(head) < HEAD else "ignore")
    except UnicodeDecodeError:
        return ""
    if not all(character.isprintable() or character.isspace() for character in text):
        return ""
    start = text.lstrip("\ufeff \t\r\n")
    return next((words for is_one, words in _TEXTS if is_one(start)), "a text")


def _starts(*words: str) -> Callable[[str], bool]:
    return lambda text: text.lower().startswith(words)


_TEXTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (_starts("<!doctype html", "<html", "<head", "<body"), "a web page"),
    (lambda text: "<svg" in text, "an SVG drawing, which is not read; convert it"),
    (lambda text: "<html" in text.lower(), "a web page"),
    (_starts("<?xml", "<"), "an XML text"),
    (_starts("{", "["), "a JSON text"),
)

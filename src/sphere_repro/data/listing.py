"""Which files below a folder are images, and what else lies there.

Nothing here opens a file or imports more than the standard library, since a study looks at its folders each
time it is read.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from sphere_repro.errors import UserError

# Every kind of image that the pinned Pillow decodes by itself (tests/data/test_listing.py).
# Not: .eps .ps .wmf .emf (drawings, which need other programs), .grib .bufr .h5 .hdf .mpg .mpeg (named only).
SUFFIXES = frozenset(
    (
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".png",
            ".apng",
            ".webp",
            ".gif",
            ".tif",
            ".tiff",
            ".bmp",
            ".dib",
        ),
        *(".avif", ".avifs", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c", ".ico", ".icns", ".cur", ".psd"),
        *(".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".tga", ".icb", ".vda", ".vst", ".pcx", ".dcx", ".dds"),
        *(".qoi", ".sgi", ".rgb", ".rgba", ".bw", ".ras", ".xbm", ".xpm", ".msp", ".im", ".iim", ".pcd"),
        *(".blp", ".fit", ".fits", ".fli", ".flc", ".ftc", ".ftu", ".gbr", ".pxr"),
    )
)
# What systems and programs put beside pictures. Names that begin with a dot are left alone as well.
SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "@eadir", "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
        *("$recycle.bin", "system volume information", "#recycle", "#snapshot", "@recycle", "@tmp"),
    )
)
NO_SUFFIX, NO_FILE = "without a suffix", "no ordinary file"


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes:
        images: their paths from the folder, sorted.
        left_out: files that are no images by their names, counted by suffix; a named pipe, a socket or a
            device counts as `NO_FILE`.
    """

    images: list[str]
    left_out: Counter[str] = field(default_factory=Counter)


def listing(folder: Path) -> Listing:
    """All images below `folder`, and what is left out.

    Raises:
        UserError: `folder`, or a subfolder, cannot be read; an image is a link that leads nowhere.
    """
    images, left_out = [], Counter[str]()
    for path, why in files(folder):
        if why:
            left_out[why] += 1
        else:
            images.append(path)
    return Listing(sorted(images), left_out)


def images(folder: Path) -> Iterator[str]:
    """The images below `folder`, by their paths from there, in no order; raises as `listing`."""
    return (path for path, why in files(folder) if not why)


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below `folder` by its path from there, and why it is no image (nothing where it is one).

    Links to folders are followed, circles are not; what belongs to the system is passed over.

    Raises:
        UserError: as `listing`.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    with readable(folder):
        while waiting:
            start = waiting.pop()
            place = folder / start
            stat = place.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            for entry in entries(place):
                path = f"{start}/{entry.name}" if start else entry.name
                if entry.is_dir():
                    waiting.append(path)
                else:
                    yield path, _why_not(entry)


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in `folder` itself, without what belongs to the system."""
    with os.scandir(folder) as found:
        return [entry for entry in found if not is_system(entry.name)]


def is_system(name: str) -> bool:
    """Whether a file or folder is the system's own: hidden, or by name (`__MACOSX`, `Thumbs.db`, …)."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def is_image(entry: os.DirEntry[str]) -> bool:
    """Whether `entry` is an image by its name, and an ordinary file."""
    return _why_not(entry) == ""


def suffix_of(name: str) -> str:
    """The suffix in lower case, with its dot; empty where there is none."""
    return PurePath(name).suffix.lower()


@contextlib.contextmanager
def readable(place: Path) -> Iterator[None]:
    """Turn a refusal to read into a `UserError`: a part that cannot be read is never just fewer images."""
    try:
        yield
    except OSError as error:
        where = error.filename if error.filename is not None else place
        raise UserError(
            f"{shown(str(where))} cannot be read ({error.strerror}). Check the path, or make it readable."
        ) from error


def shown(name: str) -> str:
    """A file name that can be printed and stored, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def counted(left_out: Mapping[str, int]) -> str:
    """What was left out, in words: `3 .heic, 1 .txt`."""
    return ", ".join(f"{number} {what}" for what, number in sorted(left_out.items()))


def _why_not(entry: os.DirEntry[str]) -> str:
    suffix = suffix_of(entry.name)
    if suffix not in SUFFIXES:
        return suffix or NO_SUFFIX
    if entry.is_file():
        return ""
    entry.stat()  # raises where a link leads nowhere: that is an image which is missing
    return NO_FILE

"""What a folder of images of one's own holds, as far as a study has to know: classes, number, sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from sphere_repro.data import folder as own_folder
from sphere_repro.errors import UserError

LOOKED_AT = 300  # headers that are read, evenly spread


@dataclass(frozen=True)
class Look:
    """A folder of images.

    Attributes:
        place: as it was given.
        classes: name → number of images, in the order of the labels; empty where there are none.
        images: their number.
        short_side: median of the shorter sides, pixels.
        looked_at: images whose size was read.
        unreadable: those of them that are no image.
    """

    place: str
    classes: Mapping[str, int]
    images: int
    short_side: int
    looked_at: int
    unreadable: int

    @property
    def rarest(self) -> tuple[str, int]:
        """The class with the fewest images, and how many; of a folder without classes, all of them."""
        return min(self.classes.items(), key=lambda item: item[1]) if self.classes else ("", self.images)


def look(place: str) -> Look:
    """Look at the folder `place`; no pixel is decoded.

    Raises:
        UserError: it cannot be read, its layout is ambiguous, or no image of it can be read.
    """
    folder = Path(place).expanduser()
    classes = own_folder.class_folders(folder)
    names, labels = own_folder.image_files(folder, len(classes))
    numbers = Counter(labels or [])
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), LOOKED_AT)).round().astype(int))
    sides = [_short_side(folder / names[index]) for index in chosen]
    known = [side for side in sides if side is not None]
    if not known:
        raise UserError(f"None of {len(sides)} images of {folder} that were looked at can be read.")
    return Look(
        place=place,
        classes={name: numbers[label] for label, name in enumerate(classes)},
        images=len(names),
        short_side=int(median(known)),
        looked_at=len(sides),
        unreadable=len(sides) - len(known),
    )


def study_name(place: str) -> str:
    """A study's name after a file or folder: lower-case letters, digits and single hyphens."""
    words = re.sub(r"[^a-z0-9]+", "-", Path(place).resolve().name.lower()).strip("-")
    return words[:40].strip("-") or "images"


def _short_side(path: Path) -> int | None:
    try:
        with Image.open(path) as image:
            return min(image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None

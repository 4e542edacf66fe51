"""Given images that a model is fed with: from an archive by index, or from files of one's own.

They are prepared exactly as training images are: the short side resized, the centre cut out and, where the
dataset keeps JPEG files, compressed as those are.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphere_repro.data import folder
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.images import DAMAGE, decode, encode
from sphere_repro.data.listing import listing
from sphere_repro.data.no_image import told
from sphere_repro.data.parts import Form
from sphere_repro.data.pictures import PictureError, Pictures
from sphere_repro.data.resizing import fit
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.hashes import value_hash

STATE = Path(".state/contents")


@dataclass(frozen=True)
class Given:
    """Prepared images: `pixels` uint8 (n, H, H, 3), what each is called, and `notes` on what was changed."""

    pixels: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """n."""
        return len(self.names)

    def with_negatives(self) -> Given:
        """Each image followed by its negative, 255 - image."""
        pixels = np.stack([self.pixels, 255 - self.pixels], axis=1).reshape(-1, *self.pixels.shape[1:])
        names = [word for name in self.names for word in (name, f"{name}, negative")]
        return Given(pixels, tuple(names), self.notes)


def from_archive(archive: ImageArchive, indices: Sequence[int], form: Form, name: str) -> Given:
    """Images of a prepared archive; those of another resolution are prepared anew from what it holds.

    Args:
        archive: of a dataset.
        indices: which images.
        form: of the model's training images.
        name: of the dataset, for the images' names.

    Raises:
        UserError: there is no such image, or it is broken.
    """
    if beyond := [index for index in indices if index >= len(archive)]:
        raise UserError(
            f"There is no image {beyond[0]} in {archive.path}: it has images 0 to {len(archive) - 1}."
        )
    read = [archive.read(index) for index in indices]
    fits = archive.resolution == form.pixels
    pixels = read if fits else [_like_training(image, form) for image in read]
    size = archive.resolution
    notes = () if fits else (f"{name}: {size}×{size} pixels, resized to {form.pixels}×{form.pixels}",)
    return Given(np.stack(pixels), tuple(f"{name} {index}" for index in indices), notes)


def from_place(place: Path, form: Form) -> Given:
    """One image file, or all images below a folder in the order of their names.

    Raises:
        UserError: nothing is there, it holds no image, or one of them cannot be read.
    """
    path = place.expanduser()
    if not path.exists():
        raise UserError(f"{place} does not exist. Give an image, or a folder of images.")
    names = [path.name] if path.is_file() else listing(path).images
    if not names:
        raise UserError(f"{place} holds no image. Give an image, or a folder of images.")
    images = Pictures(path.parent if path.is_file() else path, names, None)
    return prepared((_read(images, index) for index in range(len(names))), names, form)


def prepared(images: Iterable[np.ndarray], names: Sequence[str], form: Form) -> Given:
    """Images uint8 (H, W, 3) of any sizes as training images are prepared; a note where that changes one."""
    pixels, notes = [], []
    for image, name in zip(images, names, strict=True):
        height, width = image.shape[:2]
        if (height, width) != (form.pixels, form.pixels):
            cut = "" if height == width else ", the centre cut out"
            notes.append(f"{name}: {width}×{height} pixels, resized to {form.pixels}×{form.pixels}{cut}")
        pixels.append(_like_training(image, form))
    return Given(np.stack(pixels), tuple(names), tuple(notes))


def content(place: Path, state: Path = STATE) -> str:
    """SHA-256 over the images at `place`; unchanged files are read once.

    Raises:
        UserError: they cannot be read.
    """
    path = place.expanduser()
    return folder.contents(path, state / f"inputs-{value_hash(str(path))[:16]}.json")


def planned_content(place: Path, record: Path) -> str | None:
    """`content` for the workflow; where the images are not at hand, what the sets made of them say.

    Args:
        place: an image, or a folder.
        record: of the job that drew the image sets.
    """
    if place.expanduser().exists():
        return content(place)
    try:
        found = read_json(record)["job"]["contents"][str(place)]
    except (UserError, KeyError, TypeError):
        return None
    return None if found is None else str(found)


def _read(images: Pictures, index: int) -> np.ndarray:
    try:
        return images.read(index)
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = str(error) if isinstance(error, PictureError) else told(error)
        raise UserError(f"{images.name(index)} is no image that can be read: {why}. Give another.") from error


def _like_training(image: np.ndarray, form: Form) -> np.ndarray:
    fitted = fit(image, form.pixels, form.resize)
    return (
        decode(io.BytesIO(encode(fitted, "jpeg"))) if form.format == "jpeg" else fitted
    )  # others lose nothing

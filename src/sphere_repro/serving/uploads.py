"""Images that a stranger sends: few formats, a limit on bytes and pixels, and nothing written."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sphere_repro.data.parts import Form
from sphere_repro.data.pictures import Limits, PictureError, read_picture
from sphere_repro.errors import UserError
from sphere_repro.sampling.given_images import Given, prepared

MOST_BYTES = 20_000_000  # of all that is sent at once
LIMITS = Limits(("PNG", "JPEG", "WEBP"), pixels=40_000_000)
KINDS = "PNG, JPEG or WebP"
LONGEST_NAME = 80


@dataclass(frozen=True)
class Upload:
    """A file as it came: what its sender calls it, and its bytes."""

    name: str
    content: bytes


def read_uploads(uploads: Sequence[Upload], form: Form) -> Given:
    """The images in `uploads`, prepared as the model's training images were.

    Raises:
        UserError: one of them is no image that is taken.
    """
    names = [safe_name(upload.name) for upload in uploads]
    pictures = [_read(upload, name) for upload, name in zip(uploads, names, strict=True)]
    return prepared(pictures, names, form)


def safe_name(name: str) -> str:
    """The file's own name without folders, fit for a sentence and a command."""
    own = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(each for each in own if each.isprintable())
    return shown.lstrip("-")[:LONGEST_NAME] or "image"


def _read(upload: Upload, name: str) -> np.ndarray:
    try:
        return read_picture(io.BytesIO(upload.content), LIMITS).pixels
    except PictureError as error:
        raise UserError(f"{name} is no image that is taken here: {error}. Give a {KINDS}.") from error

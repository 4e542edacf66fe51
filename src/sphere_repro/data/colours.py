"""From an image's own colours to 8-bit sRGB: modes, embedded colour profiles, transparency."""

from __future__ import annotations

import functools
import io
import itertools

import numpy as np
from PIL import Image, ImageCms

SAME = 1  # levels of 255: a profile that changes no colour by more is sRGB's own
_PROFILED = ("L", "RGB", "CMYK")  # the modes in which a profile is applied


def eight_bits(image: Image.Image) -> Image.Image:
    """`image` in a mode of 8-bit colours; 16-bit grey scaled down.

    Raises:
        ValueError: its pixels are floating-point numbers, or whole numbers of more than 16 bits.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, not 8-bit colours")
    if image.mode.startswith("I"):  # Pillow's own conversion would cut off instead of scaling
        deep = np.asarray(image)
        if deep.size and (deep.max() > 0xFFFF or deep.min() < 0):
            raise ValueError("its pixels are 32-bit numbers, not colours")
        return Image.fromarray((deep.astype(np.uint32) >> 8).astype(np.uint8))
    return image


def over_white(image: Image.Image) -> Image.Image:
    """`image` as RGB, what is transparent laid over white; its colours are taken as they are."""
    image = eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """`image` as RGB over white in sRGB, and whether an embedded colour profile changed its colours.

    A profile that cannot be read, or is for other colours than the image's, is passed over, as viewers do.
    """
    image = eight_bits(image)
    if profile is None:
        return over_white(image), False
    base, alpha = _without_alpha(image)
    transform = _transform(profile, base.mode)
    if transform is None:
        return over_white(image), False
    converted = ImageCms.applyTransform(base, transform)
    assert converted is not None  # it is None in place only
    if alpha is not None:
        converted.putalpha(alpha)
    return over_white(converted), True


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours of `image` in one of the modes with profiles, and its alpha where it has any."""
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        layer = image.convert("LA" if grey else "RGBA")
        return layer.convert("L" if grey else "RGB"), layer.getchannel("A")
    if grey or image.mode not in _PROFILED:
        return image.convert("L" if grey else "RGB"), None
    return image, None


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From `profile` to sRGB for images of `mode`; None where the profile changes nothing, or is no use."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(
            source, _srgb(), mode, "RGB", renderingIntent=ImageCms.Intent.PERCEPTUAL
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    probe = _probe(mode)
    converted = ImageCms.applyTransform(probe, transform)
    change = np.abs(np.asarray(converted, np.int16) - np.asarray(probe.convert("RGB"), np.int16))
    return transform if change.max() > SAME else None


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.cache
def _probe(mode: str) -> Image.Image:
    """Colours from all over the space."""
    levels = range(0, 256, 17 if mode == "RGB" else 51) if mode != "L" else range(256)
    bands = len(Image.new(mode, (1, 1)).getbands())
    colours = np.array(list(itertools.product(levels, repeat=bands)), np.uint8)
    return Image.frombytes(mode, (len(colours), 1), colours.tobytes())

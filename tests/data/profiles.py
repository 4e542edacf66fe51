"""Small ICC profiles (ICC.1:2001-04), built byte by byte: a display's, a grey one, a printer's."""

from __future__ import annotations

import itertools
import struct

# Columns: the primaries of Display P3 and of sRGB, adapted to D50.
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def display(primaries: tuple[tuple[float, ...], ...], gamma: float = 2.2) -> bytes:
    """An RGB display with `primaries` (XYZ of red, green, blue) and one curve."""
    tags = {f"{name}XYZ": xyz(*column) for name, column in zip("rgb", primaries, strict=True)}
    return profile("mntr", "RGB ", "XYZ ", tags | {f"{name}TRC": curve(gamma) for name in "rgb"})


def grey(gamma: float) -> bytes:
    return profile("mntr", "GRAY", "XYZ ", {"kTRC": curve(gamma)})


def printer(black: float) -> bytes:
    """A CMYK printer whose paper is white and whose inks all print grey of lightness `black` (0…100)."""
    corners = itertools.product((0, 1), repeat=4)  # C, M, Y, K
    colours = b"".join(bytes([round((black if any(inks) else 100) * 2.55), 128, 128]) for inks in corners)
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (index % 4 == 0) for index in range(9)))
    table = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + identity + 4 * ramp + colours + 3 * ramp
    return profile("prtr", "CMYK", "Lab ", {"A2B0": table})


def xyz(*values: float) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def curve(gamma: float) -> bytes:
    return struct.pack(">4s4xIH2x", b"curv", 1, round(gamma * 256))


def profile(kind: str, space: str, connection: str, tags: dict[str, bytes]) -> bytes:
    tags = {**tags, "wtpt": xyz(0.9642, 1.0, 0.8249)}
    start, directory, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        directory += struct.pack(">4sII", name.encode(), start + len(body), len(content))
        body += content
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i",
        *(start + len(body), 0x02400000, kind.encode(), space.encode(), connection.encode(), b"acsp"),
        *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)),
    )
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + directory + body

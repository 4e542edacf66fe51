"""Progress bars, and durations as people say them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")


def progress(
    items: Iterable[T],
    *,
    label: str,
    total: int | None = None,
    unit: str = "it",
    initial: int = 0,
    scale: float = 1,
) -> Any:
    """`items`, `scale` units each, with a progress bar on standard error, if that is a terminal."""
    from tqdm import tqdm

    return tqdm(
        items,
        desc=label,
        total=total,
        unit=unit,
        initial=initial,
        unit_scale=scale,
        disable=not sys.stderr.isatty(),
        leave=False,
        dynamic_ncols=True,
    )


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use: 2.5 h."""
    for size, unit in ((365.25 * 86400, "years"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 0.1 or not seconds else "< 0.1 s"

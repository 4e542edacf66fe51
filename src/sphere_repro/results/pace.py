"""How evenly a path moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TENTH = 0.1


def fastest_share(speeds: Sequence[float], part: float = TENTH) -> float | None:
    """Which share of all that a path moves lies in its fastest `part`; `part` itself where it moves evenly.

    The speed between two points is taken as even. None where the path does not move at all.
    """
    ordered = np.sort(np.asarray(speeds, dtype=np.float64))[::-1]
    total = float(ordered.sum())
    if total <= 0:
        return None
    weights = np.clip(
        part * len(ordered) - np.arange(len(ordered)), 0, 1
    )  # the last of the part counts partly
    return float(ordered @ weights) / total

"""What results say of latents against their prior, and of images that are nothing, made up for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def gap(
    area: float, se: float = 0.01, same: float = 0.5, planted: float = 0.97, near: float = 0.5
) -> dict[str, Any]:
    """How far latents are from their prior: the AUC of the first classifier, also of its two controls.

    `near` is that of the other classifier, throughout.
    """
    statistics = ("quadratic", "neighbours", "mmd", "wasserstein")
    beside = {"effect": 0.2, "null_mean": 0.5, "null_sd": 0.02, "null_q95": 0.53, "p": 0.005}

    def compared(value: float) -> dict[str, Any]:
        found = {name: {"value": value, **beside, "se": se} for name in statistics}
        return found | {"neighbours": found["neighbours"] | {"value": near}}

    samples = {"gap": compared(area), "same": compared(same), "planted": compared(planted)}
    return {"prior": "normal", "count": 1000, "dimension": 64, "permutations": 200, **samples}


def counted(empty: int, count: int) -> dict[str, Any]:
    share = empty / count
    return {"empty": empty, "count": count, "share": share, "low": max(0, share - 0.1), "high": share + 0.1}


def emptiness(
    prior: str, shares: dict[str, float], along: list[float] | None = None, noise: float = 1.0
) -> dict[str, Any]:
    """What a scores file says of images that are nothing: of its sets out of 1000, and along 100 paths."""
    measures = ("distance", "local")
    about = {"beyond": 9.0, "control": counted(50, 1000), "noise": counted(round(100 * noise), 100)}
    said: dict[str, Any] = {"control": "training", "prior": prior, "measures": dict.fromkeys(measures, about)}
    sets = {
        name: dict.fromkeys(measures, counted(round(1000 * share), 1000)) for name, share in shares.items()
    }
    path = None
    if along:
        growth = {"value": along[-1] - along[0], "se": 0.04, "paths": 100}
        found = {"shares": [counted(round(100 * share), 100) for share in along], "growth": growth}
        points = [index / (len(along) - 1) for index in range(len(along))]
        path = {"paths": 100, "points": points, "measures": dict.fromkeys(measures, found)}
    return {"emptiness": said, "sets": sets, "prior_path": path}


def add_emptiness(path: Path, said: dict[str, Any]) -> None:
    """Put what `emptiness` says into a scores file."""
    data = json.loads(path.read_text())
    for record in data["records"]:
        if record["set"] in said["sets"]:
            record["emptiness"] = said["sets"][record["set"]]
    data |= {key: value for key, value in said.items() if key != "sets"}
    path.write_text(json.dumps(data))

"""Results that say nothing of a method: images that are all alike, a loss that hardly moved, no spread.

A model that learned nothing still has a distance from the real images, and a small standard error. The
thresholds lie far from both sides, by experiment (docs/own-images.md has the table). Of 796 pictures at
32 pixels, models that had learned nothing drew sets with 0 to 1.7 % of the real variety, and their
reconstruction loss fell by 0.1 to 2.5 %; where all images were one colour, the standard error was 1e-9 of
the distance. The demo's sets have 28 % of the variety at least and standard errors above 1e-3; its losses
fell by 92 % or more.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.results.variety import Variety

ALIKE = 0.05  # share of the real images' variety (a standard deviation) below which a set's images are alike
ONE_COLOUR = 1.0  # grey levels of variety below which the real images themselves are alike
NO_SPREAD = 1e-6  # share of a distance: a real standard error is that small beyond 10^9 images only
HARDLY = 0.1  # share of its first value by which a loss must fall to have moved
ROWS = 10  # of the training log at either end whose mean is taken: single batches scatter
TERMS = ("pix_recon_l1", "pix_recon_perceptual", "loss")  # the first that counts is judged


def described(images: Variety, real: Variety) -> dict[str, float | None]:
    """The varieties of a set and of the real images as they stand in its score, in grey levels."""
    return {
        "overall": images.overall,
        "within": images.within,
        "real_overall": real.overall,
        "real_within": real.within,
    }


def doubts(score: Mapping[str, Any], model: Mapping[str, Any] | None = None) -> list[str]:
    """Why a set's score says nothing, in words; empty where it may be believed.

    Args:
        score: `frechet`, `frechet_se` and, where it was measured, `variety` (`described`).
        model: the record of the set's model, with `moved` (`moved`) where it was trained.
    """
    return [*of_variety(score.get("variety")), *_of_error(score), *_of_loss(model or {})]


def of_variety(found: Mapping[str, float | None] | None) -> list[str]:
    """Whether images are alike, by what `described` says of them."""
    if not found:
        return []
    real, within = found["real_overall"] or 0.0, found["real_within"]
    if real < ONE_COLOUR:
        return ["the real images are all alike"]
    share = (found["overall"] or 0.0) / real
    if share < ALIKE:
        return [f"its images are alike: they vary {_percent(share)} as much as the real ones"]
    if within is None or found["within"] is None or within < ONE_COLOUR:
        return []
    share = found["within"] / within
    if share < ALIKE:
        return [f"its images of one class are alike: they vary {_percent(share)} as much as the real ones"]
    return []


def moved(rows: Sequence[Mapping[str, float | str]]) -> dict[str, Any]:
    """How far training moved the reconstruction loss: its term, and the means of its first and last rows.

    Args:
        rows: of the training log, in order. Where the objective has no reconstruction, it is the whole loss.

    Raises:
        ValueError: there are none, or one lacks a number.
    """
    term = next(name for name in TERMS if name == TERMS[-1] or any(float(row.get(name, 0)) for row in rows))
    values = [float(row[term]) for row in rows]
    if not values:
        raise ValueError("it has no rows")
    count = min(ROWS, max(1, len(values) // 2))
    return {"term": term, "first": sum(values[:count]) / count, "last": sum(values[-count:]) / count}


def moved_in(log: Path) -> dict[str, Any]:
    """`moved` of a training.csv.

    Raises:
        UserError: it is no training log.
    """
    try:
        with Path(log).open(encoding="utf-8", newline="") as file:
            return moved(list(csv.DictReader(file)))
    except (OSError, ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        raise UserError(f"{log} is no training log ({error}). Train the run again.") from error


def _of_loss(model: Mapping[str, Any]) -> list[str]:
    words = unmoved(model.get("moved"))
    return [f"its model learned nothing: {words}"] if words else []


def unmoved(found: Mapping[str, Any] | None) -> str:
    """That a loss hardly moved, by what `moved` says; empty where it did, or where nobody knows."""
    if not found or found["last"] <= (1 - HARDLY) * found["first"]:
        return ""
    return (
        f"its loss {found['term']} hardly moved ({found['first']:.3g} at first, {found['last']:.3g} at last)"
    )


def _of_error(score: Mapping[str, Any]) -> list[str]:
    value, error = score["frechet"], score["frechet_se"]
    if error > NO_SPREAD * abs(value):
        return []
    return [f"its standard error is nothing ({error:.1g} of {value:.4g})"]


def model_beside(scores: Path) -> dict[str, Any]:
    """The record of the model that the scores in this folder are of; empty where there is none."""
    record = scores.with_name("model.json")
    found = read_json(record) if record.is_file() else None
    return dict(found) if isinstance(found, Mapping) else {}


def listed(found: Iterable[tuple[str, str]]) -> str:
    """'prior, posterior: why; reconstruction: why' of (set, why) pairs; empty without any."""
    groups: dict[str, list[str]] = {}
    for name, why in found:
        if why:
            groups.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in groups.items())


def sentence(found: str) -> str:
    """What stands under a figure that shows degenerate sets (`listed`); empty where it shows none."""
    return f"Degenerate, says nothing of the method: {found}." if found else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"

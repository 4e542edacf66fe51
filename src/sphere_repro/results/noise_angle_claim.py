"""The statement that the noise turns latents by the angles that its law says."""

from __future__ import annotations

import math
from typing import Any

from sphere_repro.results.statements import LARGEST_LAW_DISTANCE, Claim, claim_of
from sphere_repro.results.verdicts import Number, decide, every

WORDS = {"full": "full strength", "any": "any strength"}


def noise_angle_claim(data: dict[str, Any]) -> Claim | None:
    """Judge a uniformity result by its `spherification`; None where it has none: noise of no angle."""
    found = data.get("spherification")
    if found is None:
        return None
    distances, numbers = [], {}
    for key, words in WORDS.items():
        draws = found[key]["draws"]
        error = 1 / (2 * math.sqrt(draws))
        distances.append(Number(LARGEST_LAW_DISTANCE - found[key]["distance"], error, draws - 1))
        numbers[f"distance, {words}"] = Number(found[key]["distance"], error, draws - 1)
    low, middle, high = found["full"]["reached"]
    note = (
        f"median angle {middle:.1f}° at {found['alpha_max']:g}° of noise, {low:.0f}° to {high:.0f}° in nine "
        f"of ten cases, in {found['dimension']} dimensions"
    )
    verdict = every(decide(number) for number in distances)
    return claim_of("noise-angle-follows-law", data["run"], "", "", verdict, numbers, note, distances)

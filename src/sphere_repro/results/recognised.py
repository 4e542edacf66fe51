"""What to say of images that a classifier of the real ones does not take for the class they were drawn for.

A Fréchet distance does not see classes: a set may be near as a whole and show other classes than asked for.
The share that is recognised is read beside the classifier's accuracy on real images held out of its training,
which is the most that may be expected, and chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = "nothing"  # what a classifier sees that is hardly better than chance
FEW = 0.5  # of the held-out accuracy: a set of which less is recognised does not show its classes


def unrecognised(share: float | None, accuracy: float | None) -> str:
    """That a set does not show its classes, in words; empty where it does, and where nobody knows.

    Args:
        share: of the set's images recognised, in [0, 1].
        accuracy: the classifier's on held-out real images, in [0, 1].
    """
    if share is None or accuracy is None or share >= FEW * accuracy:
        return ""
    return (
        f"its classes are not recognised ({percent(share)} of its images, {percent(accuracy)} of real ones "
        "held out)"
    )


def accuracy_of(scores: Mapping[str, Any]) -> float | None:
    """The held-out accuracy in a scores file; None where its dataset has no classifier."""
    found = scores["classifier"]
    return None if found is None else float(found["accuracy"])


def columns(scores: Mapping[str, Any]) -> dict[str, float | str | None]:
    """What a table says of a scores file's classifier, by column; all None without one."""
    found = scores["classifier"]
    if found is None:
        return dict.fromkeys(("held_out_accuracy", "chance_accuracy", "classifier_sees"))
    return {
        "held_out_accuracy": found["accuracy"],
        "chance_accuracy": found["chance"],
        "classifier_sees": NOTHING if found["near_chance"] else found["sees"],
    }


def cells(row: Mapping[str, str]) -> tuple[str, str]:
    """A table's cells for people: the share, and the accuracy or that it is near chance; empty without."""
    if not row["held_out_accuracy"]:
        return "", ""
    accuracy = float(row["held_out_accuracy"])
    if row["classifier_sees"] == NOTHING:
        chance = percent(float(row["chance_accuracy"]))
        return "", f"{percent(accuracy)}, near chance ({chance}): no share would mean anything"
    if not row["share_recognised"]:
        return "", percent(accuracy)
    share = float(row["share_recognised"])
    return percent(share) + (", not recognised" if unrecognised(share, accuracy) else ""), percent(accuracy)


def percent(share: float) -> str:
    """'96 %'; below 10 with two digits."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"

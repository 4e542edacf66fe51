"""What a scores file says of images that are nothing (`metrics.emptiness`), of sets and along paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.results.nearest import HELD_OUT, NOISE, TRAINING, WORDS

MEASURES = ("distance", "local")
PRIOR_PATH_WORDS = "from the posterior to the prior"
HEADS = {
    "distance": "distance to the nearest training image",
    "local": "the same over that image's own fifth nearest",
}


@dataclass(frozen=True)
class Found:
    """What a scores file says.

    Attributes:
        run: whose.
        kind: of its model.
        dataset: its archive.
        metric: of the features.
        about: the measures: thresholds, controls.
        sets: set → measure → the share of its images that are empty, with its interval.
        path: the points t of the paths from the posterior (0) to the prior (1), and by measure what is found
            at each; None where none were drawn.
    """

    run: str
    kind: str
    dataset: str
    metric: str
    about: dict[str, Any]
    sets: dict[str, dict[str, dict[str, Any]]]
    path: dict[str, Any] | None

    @property
    def prior(self) -> str | None:
        """The set of prior draws (of a Sphere Encoder: of random points), if it was scored."""
        name = self.about["prior"]
        return name if name in self.sets else None

    @property
    def control(self) -> str:
        """What chance is read off, in words."""
        return WORDS[self.about["control"]]


def read_emptiness(scores: Path) -> Found | None:
    """What a scores file says of empty images; None where nothing was looked for (statistics by
    others, too few real images).

    Raises:
        UserError: the file is missing or is no scores file of today.
    """
    data = read_json(scores)
    try:
        about = data.get("emptiness")
        if about is None:
            return None
        named = {key: str(data[key]) for key in ("run", "kind", "dataset", "metric")}
        sets = {record["set"]: record["emptiness"] for record in data["records"] if "emptiness" in record}
        path = data.get("prior_path")
        assert about["control"] in (HELD_OUT, TRAINING) and "prior" in about
        for measures in (about["measures"], *sets.values(), *([path["measures"]] if path else [])):
            assert set(measures) == set(MEASURES)
        for measure in about["measures"].values():
            assert {"beyond", "control", NOISE} <= set(measure)
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        raise UserError(
            f"{scores} says nothing of empty images ({error}). Delete it and score the run again."
        ) from error
    return Found(**named, about=about, sets=sets, path=path)

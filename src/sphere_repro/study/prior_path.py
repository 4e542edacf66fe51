"""Images on the way from a model's posterior to its prior, as a study asks for them."""

from __future__ import annotations

import math

from pydantic import Field

from sphere_repro.ledger import ledger
from sphere_repro.strict import Strict

PRIOR_PATH = "prior-path"  # the set's name in paths
MOST_PATHS, MOST_POINTS = 100_000, 1000


class PriorPath(Strict):
    """Paths from a posterior draw of a training image to a draw of the prior, decoded along the way.

    Path k begins at the k-th of `data.choice.choose`'s training images, and decodes in its class.
    """

    paths: int = Field(
        100,
        ge=2,
        le=MOST_PATHS,
        description="how many, each from a training image of its own as far as there are enough",
        json_schema_extra=ledger(
            unit="paths", reason="a share of 100 is known to five points of a hundred; not in the paper"
        ),
    )
    points: int = Field(
        11,
        ge=2,
        le=MOST_POINTS,
        description="images along each, both ends among them",
        json_schema_extra=ledger(unit="images", reason="ten equal parts; not in the paper"),
    )

    @property
    def images(self) -> int:
        """All of them: path after path."""
        return self.paths * self.points

    @property
    def places(self) -> list[float]:
        """t of each point of a path: 0 at the posterior draw, 1 at the prior's."""
        return [index / (self.points - 1) for index in range(self.points)]

    @staticmethod
    def weights(t: float) -> tuple[float, float]:
        """What the ends count for at t, where coordinates are normal: cos and sin of a quarter turn.

        Their squares add up to 1, so that two independent draws of one deviation give draws of that deviation
        all along; on a straight line the middle would be √2 too narrow, a place that neither end knows. On
        the sphere the same way is a great circle, as random points of many dimensions lie 90° apart.
        """
        return math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)

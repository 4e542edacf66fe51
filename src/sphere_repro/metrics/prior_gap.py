"""How far a model's latents are from its prior, by two-sample statistics, and what these see of controls.

The aggregate posterior of a VAE is the distribution of posterior draws over the training images; its prior is
a standard normal. Latents of a Sphere Encoder are the points v of the sphere that images are encoded to,
without noise; its prior is uniform on that sphere, of radius √L. Coordinates of both priors have deviation 1,
which is the unit of lengths here.

Two controls say what the statistics are worth at this number of points and dimension: another sample of the
prior, which must not be found, and one with a planted gap, which must.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sphere_repro.metrics import two_samples

Array = NDArray[np.float64]
Prior = Literal["normal", "sphere"]

MOST = 2000  # latents that are compared: time and memory grow with their square
PLANTED = 0.5  # deviation of every other coordinate of the planted gap: no mean gives it away


def prior_gap(latents: NDArray[Any], prior: Prior, *, permutations: int, seed: int) -> dict[str, Any] | None:
    """A JSON-able record of how far latents are from a prior; None of fewer than `two_samples.FEWEST`.

    Args:
        latents: (n, L), finite; of the sphere their directions count alone. Of more than `MOST`,
            as many evenly spread.
        prior: standard normal, or uniform on the sphere of radius √L.
        permutations: random exchanges that make each null distribution.
        seed: of the prior's draws and of the exchanges.

    Returns:
        `prior`, `count` and `dimension`; `gap`, the statistics of the latents against as many draws of the
        prior; `same`, of other draws of the prior against these; `planted`, of draws whose every other
        coordinate is half as wide (`PLANTED`; projected to the sphere again).
    """
    some = np.linspace(0, len(latents) - 1, min(len(latents), MOST)).round().astype(np.int64)
    points = np.asarray(latents[some], dtype=np.float64)
    count, dimension = points.shape
    if count < two_samples.FEWEST:
        return None
    generator = np.random.default_rng([seed, 2, count, dimension])
    draws, others, planted = (generator.standard_normal((count, dimension)) for _ in range(3))
    planted[:, ::2] *= PLANTED
    if prior == "sphere":
        points, draws, others, planted = map(on_sphere, (points, draws, others, planted))
    samples = {"gap": points, "same": others, "planted": planted}
    return {
        "prior": prior,
        "count": count,
        "dimension": dimension,
        "permutations": permutations,
        **{
            name: two_samples.compare(sample, draws, permutations=permutations, seed=seed)
            for name, sample in samples.items()
        },
    }


def on_sphere(points: Array) -> Array:
    """Points (n, L) other than 0, projected to the sphere of radius √L."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points * (np.sqrt(points.shape[1]) / lengths))

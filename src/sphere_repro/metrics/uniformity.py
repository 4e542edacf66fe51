"""How uniform a cloud of points on the sphere is, judged in all its dimensions (section 5).

A random projection of almost any cloud to three dimensions looks even, so the statistics here use the
full space. Each is larger the less uniform the cloud is, and comes with the values that truly uniform clouds
of the same size and dimension take (the null distribution) and with an effect size that does not grow with
the number of points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output, write_json
from sphere_repro.machine.progress import progress
from sphere_repro.metrics import spherification
from sphere_repro.metrics.prior_gap import prior_gap
from sphere_repro.provenance.code import UNIFORMITY
from sphere_repro.provenance.record import provenance_of
from sphere_repro.sampling.latents import Latents, read_latents, read_noised
from sphere_repro.study import scoring

Array = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]

VIEWS = 4  # random projections that are kept
ROWS = 128  # of a Gram matrix at once
TESTED = ("mean_resultant_length", "anisotropy", "log_potential")


@dataclass(frozen=True)
class Cloud:
    """Points on the unit sphere of one kind."""

    key: str
    title: str
    points: Array  # (n, L), unit length
    labels: Labels  # (n,)


@dataclass(frozen=True)
class Measurement:
    """Statistics of one cloud; the jackknife standard errors are too large by √2 if it is truly uniform."""

    count: int
    dimension: int
    mean_resultant_length: float
    mean_cosine: float
    mean_cosine_se: float
    anisotropy: float
    anisotropy_se: float
    log_potential: float
    log_potential_se: float

    @property
    def rayleigh(self) -> float:
        """n·L·R̄², on large uniform clouds chi-squared with L degrees of freedom."""
        return self.count * self.dimension * self.mean_resultant_length**2


def unit(points: NDArray[Any], what: str = "points") -> Array:
    """`points` (n, L) divided by their lengths, as float64.

    Raises:
        UserError: a point is not finite or has length 0.
    """
    array: Array = np.array(points, dtype=np.float64)  # a copy: many large images are several GB
    with np.errstate(over="ignore"):  # a length beyond float64 is told as one that is not finite
        lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        bad = int(np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))[0])
        raise UserError(f"Row {bad} of {what} has no direction (zero or not finite). Make the file again.")
    array /= lengths
    return array


def mean_resultant_length(points: Array) -> float:
    """R̄ = |mean u| of unit vectors (n, L): 1 for a single direction, about 1/√n for a uniform cloud."""
    return float(np.linalg.norm(points.mean(axis=0)))


def rayleigh(points: Array) -> float:
    """Rayleigh's statistic n·L·R̄² of unit vectors (n, L); its mean is L on a uniform cloud."""
    return float(points.size) * mean_resultant_length(points) ** 2


def anisotropy(points: Array) -> float:
    """L times the mean squared cosine between different unit vectors (n, L).

    It estimates L·Tr(S²) of the scatter matrix S without that trace's bias of 1/n: 1 where all axes are used
    alike, L where all points lie on one line. L/anisotropy is the number of axes that the cloud really uses.
    """
    return measure(points).anisotropy


def log_potential(points: Array) -> float:
    """Log mean Gaussian potential exp(-2|u - v|²) over different unit vectors (n, L), in [-8, 0].

    Source: Wang and Isola, Understanding Contrastive Representation Learning, 2020 (uniformity, t = 2).
    """
    return measure(points).log_potential


def measure(points: Array) -> Measurement:
    """All statistics of unit vectors (n, L), n at least 3, from one Gram matrix."""
    return _measure_gram(points @ points.T, points.shape[1])


def uniform_points(count: int, dimension: int, generator: np.random.Generator) -> Array:
    """Independent uniform points (count, dimension) on the unit sphere."""
    return unit(generator.standard_normal((count, dimension)))


def null_distribution(count: int, dimension: int, draws: int, seed: int) -> dict[str, Array]:
    """Values of the tested statistics on `draws` uniform clouds: name → (draws,).

    The draws depend on seed, count and dimension only, whatever is compared with them.
    """
    generator = np.random.default_rng([seed, count, dimension])
    values: dict[str, list[float]] = {name: [] for name in TESTED}
    for _ in range(draws):
        found = _tested(_uniform_up_to_rotation(count, dimension, generator), dimension)
        for name in TESTED:
            values[name].append(found[name])
    return {name: np.array(column) for name, column in values.items()}


def compare(found: Measurement, null: Mapping[str, Array]) -> dict[str, Any]:
    """A JSON-able record: each statistic beside its null distribution.

    `p` is the rank of the value among the null draws, (1 + number at least as large)/(1 + draws);
    `standardised` is the distance from the null's mean in null standard deviations. Effect sizes that do not
    grow with the number of points: `mean_cosine` (0 on a uniform cloud, the squared length of the mean
    direction) and `anisotropy` (1 on a uniform cloud).
    """
    record: dict[str, Any] = {"count": found.count, "dimension": found.dimension}
    for name in TESTED:
        value, draws = getattr(found, name), null[name]
        record[name] = {
            "value": value,
            "null_mean": float(draws.mean()),
            "null_sd": float(draws.std(ddof=1)),
            "null_q95": float(np.quantile(draws, 0.95)),
            "standardised": float((value - draws.mean()) / draws.std(ddof=1)),
            "p": float((1 + np.count_nonzero(draws >= value)) / (1 + len(draws))),
        }
    record["mean_cosine"] = {"value": found.mean_cosine, "se": found.mean_cosine_se}
    record["anisotropy"]["se"] = found.anisotropy_se
    record["log_potential"]["se"] = found.log_potential_se
    record["effective_dimension"] = found.dimension / max(1.0, found.anisotropy)  # never above L
    record["rayleigh"] = {
        "value": found.rayleigh,
        "null_mean": found.dimension,
        "p_chi_squared": float(stats.chi2.sf(found.rayleigh, found.dimension)),
    }
    return record


def project(points: Array, seed: int, views: int = VIEWS) -> NDArray[np.float32]:
    """Random projections (section 5) of unit vectors (n, L) to points (views, n, 3) on S².

    Each view is one Gaussian matrix, drawn one after another: further views leave the first as it is.
    """
    generator = np.random.default_rng([seed, points.shape[1]])
    matrices = (generator.standard_normal((points.shape[1], 3)) for _ in range(views))
    return np.stack([unit(points @ matrix) for matrix in matrices]).astype(np.float32)


def examine(cloud: Cloud, classes: int, null_draws: int, seed: int, nulls: dict[Any, Any]) -> dict[str, Any]:
    """Statistics of a cloud as a whole and of each class; `nulls` keeps null distributions for other clouds.

    Classes with fewer than 5 points are left out. With `classes` 0 or 1 there is only the whole.
    """

    def judged(points: Array) -> dict[str, Any]:
        shape = points.shape
        if shape not in nulls:
            nulls[shape] = null_distribution(shape[0], shape[1], null_draws, seed)
        return compare(measure(points), nulls[shape])

    groups = []
    for label in range(classes) if classes > 1 else ():
        members = cloud.points[cloud.labels == label]
        if len(members) >= scoring.FEWEST:
            groups.append({"class": label, **judged(members)})
    return {
        "key": cloud.key,
        "title": cloud.title,
        "dimension": cloud.points.shape[1],
        "overall": judged(cloud.points),
        "classes": groups,
    }


def uniformity(
    latents: Path,
    out: Path,
    *,
    run: str,
    classes: int,
    settings: scoring.Uniformity,
    seed: int,
    baseline: Path | None = None,
    baseline_run: str | None = None,
    alpha_max: float | None = None,
) -> None:
    """Judge a run's latents against three controls; write `out` (JSON) and projected points beside it (.npz).

    Clouds, in this order: the run's latents, the baseline's latents (where given), the raw pixels of the same
    images (values in [-1, 1], not centred) and true uniform points of the latents' dimension; all points are
    brought to unit length. `prior_gap` says how far the run's latents, and the baseline's, are from the prior
    that each model is sampled from.

    Args:
        latents: latents.npz of the run, as `encode_set` writes it with the same settings.
        classes: number of classes; 0 examines the images as one group.
        settings: numbers of points, and of the true uniform clouds that make each null distribution.
        baseline: latents.npz of the VAE that the run is compared with, and `baseline_run`, its name.
        alpha_max: largest noise angle in degrees: the angles that the latents reach are held against their
            law (`spherification`); None: they are not.

    Raises:
        UserError: a file is missing, broken or of the wrong form, or was made for another count or dataset.
    """
    inputs = {"latents": latents} | ({"baseline": baseline} if baseline else {})
    nulls: dict[Any, Any] = {}
    records: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    files = {name: read_latents(path, settings, classes) for name, path in inputs.items()}
    angles = None if alpha_max is None else read_noised(latents, alpha_max)
    clouds = _clouds(files["latents"], files.get("baseline"), run, baseline_run, seed)
    for cloud in progress(clouds, label="uniformity", unit="cloud", total=len(inputs) + 2):
        records.append(examine(cloud, classes, settings.null_draws, seed, nulls))
        arrays[cloud.key] = project(cloud.points, seed)
        arrays[f"{cloud.key}_labels"] = cloud.labels
    with atomic_output(out.with_suffix(".npz")) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
    parameters = {"classes": classes, "seed": seed, **settings.model_dump()}
    origin = provenance_of(parameters, inputs=inputs, code=UNIFORMITY)
    names = files["latents"].class_names
    named = {"class_names": list(names)} if names and classes else {}
    result = {"run": run, "baseline_run": baseline_run, **parameters, **named, "clouds": records}
    result["prior_gap"] = {
        name: prior_gap(
            found.latents,
            "sphere" if name == "latents" else "normal",
            permutations=settings.null_draws,
            seed=seed,
        )
        for name, found in progress(files.items(), label="prior gap", unit="model", total=len(files))
    }
    if angles is not None:
        result["spherification"] = spherification.judge(angles, files["latents"].latents.shape[1])
    write_json(out, result | {"provenance": origin})


def _clouds(
    own: Latents, baseline: Latents | None, run: str, baseline_run: str | None, seed: int
) -> Iterator[Cloud]:
    points = unit(own.latents, f"latents in {own.path}")
    shape = points.shape
    yield Cloud("latents", f"latents of {run}", points, own.labels)
    if baseline is not None:
        points = unit(baseline.latents, f"latents in {baseline.path}")
        title = f"latents of {baseline_run or 'the baseline'}"
        yield Cloud("baseline", title, points, baseline.labels)
    points = unit(own.pixels, f"pixels in {own.path}")
    yield Cloud("pixels", "raw pixels, not centred", points, own.labels)
    generator = np.random.default_rng([seed, 1])  # its own stream: never one of the null's clouds
    yield Cloud("uniform", "true uniform points", uniform_points(shape[0], shape[1], generator), own.labels)


def _uniform_up_to_rotation(count: int, dimension: int, generator: np.random.Generator) -> Array:
    """Uniform points of S^(dimension-1), in a rotated frame of at most `count` axes.

    Beyond `count` dimensions the Gram matrix needs no more than its Bartlett factor: the cost is that of
    `count` dimensions, and the distribution is exact.
    """
    if dimension <= count:
        return uniform_points(count, dimension, generator)
    factor = np.tril(generator.standard_normal((count, count)), -1)
    np.fill_diagonal(factor, np.sqrt(generator.chisquare(dimension - np.arange(count))))
    return unit(factor)


def _measure_gram(gram: Array, dimension: int) -> Measurement:
    count = len(gram)
    cosine, cosine_se = _pair_mean(gram)
    square, square_se = _pair_mean(gram**2)
    potential, potential_se = _pair_mean(np.exp(4 * gram - 4))  # exp(-2|u-v|²), |u-v|² = 2 - 2cos
    return Measurement(
        count=count,
        dimension=dimension,
        mean_resultant_length=float(np.sqrt(max(0.0, (1 + (count - 1) * cosine) / count))),
        mean_cosine=cosine,
        mean_cosine_se=cosine_se,
        anisotropy=dimension * square,
        anisotropy_se=dimension * square_se,
        log_potential=float(np.log(potential)),
        log_potential_se=potential_se / potential,
    )


def _tested(points: Array, dimension: int) -> dict[str, float]:
    """The tested statistics of unit vectors (n, axes) alone, as `_measure_gram` has them.

    Of the symmetric Gram matrix no more than half is made, in blocks of rows that caches hold.
    """
    count, squares, potentials = len(points), 0.0, 0.0
    for start in range(0, count, ROWS):
        block = points[start : start + ROWS]
        for others, twice in ((block, 1), (points[start + len(block) :], 2)):
            gram = block @ others.T
            squares += twice * float(np.vdot(gram, gram))
            gram *= 4
            gram -= 4
            potentials += twice * float(np.exp(gram, out=gram).sum())
    pairs = count * (count - 1)
    return {
        "mean_resultant_length": mean_resultant_length(points),
        "anisotropy": dimension * (squares - count) / pairs,  # a point with itself adds 1 to both sums
        "log_potential": float(np.log((potentials - count) / pairs)),
    }


def _pair_mean(kernel: Array) -> tuple[float, float]:
    """Mean of a symmetric kernel over different points, and its jackknife standard error."""
    count = len(kernel)
    rows = (kernel.sum(axis=1) - np.diagonal(kernel)) / (count - 1)
    return float(rows.mean()), float(2 * rows.std(ddof=1) / np.sqrt(count))

"""Several trainings of one run: their scores together, and the error of what compares different trainings.

Two trainings of one recipe differ by far more than the images of one of them say (docs/numbers.md). So a
difference between trainings has the deviation between trainings as its error, by Welch's t, and with it the
sampling error. That one is partly in the deviation already, which makes the error too large rather than too
small, as does that trainings of the same number share their seed.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.results.scores import RunScores, SetScore, read_scores
from sphere_repro.results.verdicts import Number
from sphere_repro.study.replicates import replicate_of, run_of

LINE = 110  # characters of a figure's caption
ALONE = "one training each: undecided (runs.NAME.replicates trains several)"


@dataclass(frozen=True)
class Trained:
    """A number of one run: its mean over the run's trainings, and what moves it.

    Attributes:
        value: the mean.
        sampling: standard error of that mean by the images alone.
        freedom: degrees of freedom of `sampling`.
        count: trainings.
        deviation: sample standard deviation between them; None of a single one.
        doubt: why the number says nothing.
    """

    value: float
    sampling: float
    freedom: float
    count: int = 1
    deviation: float | None = None
    doubt: str = ""

    @property
    def number(self) -> Number:
        """The mean with its whole error; of a single training with the sampling error alone."""
        sampling = [(self.sampling**2, self.freedom)]
        if self.deviation is None:
            return Number(self.value, self.sampling, self.freedom, self.doubt)
        between = [(self.deviation**2 / self.count, self.count - 1.0)]
        return Number(self.value, *_error(between, sampling), self.doubt)


def across(first: Trained, second: Trained) -> Number | None:
    """first - second, of different trainings; None where the deviation between trainings is not known.

    Both sides have several trainings: Welch's error and degrees of freedom. One side has a single training:
    the deviation of the other side is taken for it, so that its variance is s²(1 + 1/n) with n - 1 degrees of
    freedom (the interval in which another training would lie).
    """
    if first.deviation is not None and second.deviation is not None:
        between = [(side.deviation**2 / side.count, side.count - 1.0) for side in (first, second)]  # type: ignore[operator]
    else:
        known = next((side for side in (first, second) if side.deviation is not None), None)
        if known is None or known.deviation is None:
            return None
        between = [(known.deviation**2 * (1 + 1 / known.count), known.count - 1.0)]
    sampling = [(side.sampling**2, side.freedom) for side in (first, second)]
    return Number(first.value - second.value, *_error(between, sampling))


def _error(
    between: Sequence[tuple[float, float]], sampling: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Standard error and degrees of freedom of a sum of parts, each (variance, degrees of freedom).

    The freedom is that of the part between trainings (Welch and Satterthwaite). That of the sampling is left
    out: where two trainings happen to lie near together, the whole error would look well known.
    """
    total = sum(variance for variance, _ in (*between, *sampling))
    spread = sum(variance**2 / freedom for variance, freedom in between)
    least = min(freedom for _, freedom in between)
    found = sum(variance for variance, _ in between) ** 2 / spread if spread > 0 else least
    return math.sqrt(total), found


def words(*sides: tuple[str, Trained]) -> str:
    """What to say of the trainings behind a comparison of runs by name."""
    single = [name for name, side in sides if side.deviation is None]
    several = [(name, side) for name, side in sides if side.deviation is not None]
    if not several:
        return ALONE
    told = ", ".join(f"{side.count} trainings of {name}" for name, side in several)
    if not single:
        return told
    return (
        f"{told}, one of {', '.join(single)}: the deviation between the former is taken for what has one "
        "training"
    )


def over(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean of one number of each training, and their sample standard deviation; None of a single one."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, None
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def grouped(runs: Iterable[RunScores]) -> list[list[RunScores]]:
    """The trainings of each run, in the order of the runs, the first training first.

    Runs of one name in other studies, on other datasets or by other measures are other runs.

    Raises:
        UserError: one training is there twice, or trainings of one run were not scored in the same way.
    """
    found: dict[tuple[str, ...], list[RunScores]] = {}
    for run in runs:
        place = run.path.parent.parent.as_posix()
        found.setdefault((run_of(run.run), place, run.dataset, run.metric), []).append(run)
    groups = [sorted(group, key=lambda run: replicate_of(run.run)[1]) for group in found.values()]
    for group in groups:
        for one, other in itertools.pairwise(group):
            _refuse_unlike(one, other)
    return groups


def _refuse_unlike(one: RunScores, other: RunScores) -> None:
    if one.run == other.run:
        raise UserError(f"{one.path} and {other.path} are both of the training {one.run}. Name one of them.")
    sets = [{record.set: record.count for record in run.records} for run in (one, other)]
    if sets[0] != sets[1]:
        raise UserError(
            f"{one.path} and {other.path} are of two trainings of one run, but of other sets or numbers of "
            "images. Score both in the same study."
        )


def means(runs: Iterable[RunScores]) -> list[RunScores]:
    """One for each run: of several trainings, their mean.

    Raises:
        UserError: trainings of one run were not scored in the same way.
    """
    return [mean_of(group) for group in grouped(runs)]


def mean_of(trainings: Sequence[RunScores]) -> RunScores:
    """The scores of a run: each set's mean over the trainings, its sampling error, and the deviation."""
    first, *others = trainings
    if not others:
        return first
    sets = [[run.find(record.set) for run in trainings] for record in first.records]
    records = tuple(_mean([score for score in found if score]) for found in sets)
    return replace(first, run=run_of(first.run), records=records)


def _mean(scores: Sequence[SetScore]) -> SetScore:
    value, deviation = over([score.frechet for score in scores])
    return replace(
        scores[0],
        frechet=value,
        frechet_se=error_of_mean([score.frechet_se for score in scores]),
        kid=_known([score.kid for score in scores]),
        kid_se=None if scores[0].kid_se is None else error_of_mean([score.kid_se or 0.0 for score in scores]),
        psnr=_known([score.psnr for score in scores]),
        share_recognised=_known([score.share_recognised for score in scores]),
        trainings=len(scores),
        deviation=deviation,
        doubt=_told([score.doubt for score in scores]),
        unrecognised=_told([score.unrecognised for score in scores]),
    )


def _told(words: Sequence[str]) -> str:
    """What is to be said of the trainings, by their numbers; empty where there is nothing."""
    return "; ".join(f"training {number}: {each}" for number, each in enumerate(words) if each)


def error_of_mean(errors: Sequence[float]) -> float:
    """Standard error of the mean of independent numbers, by theirs."""
    return math.sqrt(sum(error**2 for error in errors)) / len(errors)


def _known(values: Sequence[float | None]) -> float | None:
    """Their mean; None where one is missing."""
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if len(found) == len(values) else None


def read_means(score_files: Iterable[Path | str]) -> list[RunScores]:
    """The scores of every run, of several trainings their mean, as figures show them.

    Raises:
        UserError: a file is missing or broken, or trainings of one run were not scored in the same way.
    """
    return means(read_scores(path) for path in score_files)


def in_words(runs: Iterable[RunScores]) -> str:
    """What a figure says below its error bars, each line of it led by a break; empty without replicates."""
    several = {run.run: run.records[0].trainings for run in runs if run.records[0].trainings > 1}
    if not several:
        return ""
    told = ", ".join(f"{name} ({count})" for name, count in several.items())
    sentence = f"Of several trainings their mean ± the standard deviation between them: {told}."
    return "".join(f"\n{line}" for line in textwrap.wrap(sentence, LINE))


def in_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float | int | None]]:
    """What each row of the table says of all trainings of its run."""
    distances: dict[tuple[str, ...], dict[int, float]] = {}  # by training: a row that is there twice is one
    for row in rows:
        distances.setdefault(same_set(row), {})[row["replicate"]] = row["frechet"]
    found: list[dict[str, float | int | None]] = []
    for row in rows:
        each = [*distances[same_set(row)].values()]
        mean, deviation = over(each)
        found.append({"trainings": len(each), "frechet_mean": mean, "frechet_deviation": deviation})
    return found


def same_set(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What rows of one set, measured in the same way, share over the trainings of one run."""
    return tuple(str(row[key]) for key in ("study", "run", "set", "metric", "reference_split"))

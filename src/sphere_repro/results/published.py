"""The claim that a published number is reached, for every set of the table that has one.

How far another training would move such a number is known only of runs with several trainings: the published
ones come from one training each, without an error. So reached means within a tolerance, an assumption that is
stated in the claim. It is above what the published digits leave open (at most 1.6 %, for an Inception Score
of 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.results.statements import TOLERANCE, Claim, claim_of
from sphere_repro.results.tables import read_table
from sphere_repro.results.trainings import Trained, across, error_of_mean, over, same_set
from sphere_repro.results.verdicts import Number, decide, difference
from sphere_repro.study.scoring import Score

NAME = "published-number-reached"
Row = Mapping[str, str]


def published_claims(table: Path) -> list[Claim]:
    """One claim for each published distance and each published Inception Score of the table.

    The published value is taken to have the standard error of a measured one, since it was drawn in the same
    way; that of an Inception Score is the deviation of its parts over the root of their number. A table does
    not say how many jackknife groups there were: the usual number is taken. Of several trainings the mean is
    compared, and the published value, of one training, counts with the deviation between them as well.

    Raises:
        UserError: the file is missing or is not the table of `tables.fid_table`.
    """
    try:
        sets: dict[tuple[str, ...], dict[str, Row]] = {}
        for row in read_table(table):
            sets.setdefault(same_set(row), {})[row["replicate"]] = row
        return [claim for rows in sets.values() for claim in _of_set([*rows.values()])]
    except ValueError as error:  # words where a number belongs
        raise UserError(f"Table {table} holds a number that is none ({error}). Make it again.") from error


def _of_set(rows: Sequence[Row]) -> Iterator[Claim]:
    """The claims on one set, whose rows are those of the trainings."""
    row = rows[0]
    if row["published_frechet"]:
        freedom = Score().jackknife_groups - 1
        errors = [float(each["frechet_se"]) for each in rows]
        measured = _measured(rows, "frechet", errors, freedom)
        yield _claim(row, row["metric"], measured, float(row["published_frechet"]), lower_is_better=True)
    if row["published_inception_score"]:
        parts = int(row["inception_score_splits"])
        errors = [float(each["inception_score_sd"]) / math.sqrt(parts) for each in rows]
        measured = _measured(rows, "inception_score", errors, parts - 1)
        metric = f"inception-score-{row['metric'].removeprefix('fid-inception-')}"
        yield _claim(row, metric, measured, float(row["published_inception_score"]), lower_is_better=False)


def _measured(rows: Sequence[Row], key: str, errors: Sequence[float], freedom: int) -> Trained:
    value, deviation = over([float(row[key]) for row in rows])
    doubt = "; ".join(dict.fromkeys(row["degenerate"] for row in rows if row["degenerate"]))
    return Trained(value, error_of_mean(errors), freedom, len(rows), deviation, doubt)


def _claim(row: Row, metric: str, measured: Trained, published: float, *, lower_is_better: bool) -> Claim:
    sampling = measured.sampling * math.sqrt(measured.count)  # of one training, as the published one is
    theirs = Trained(published, sampling, measured.freedom)
    apart = across(measured, theirs) or difference(measured.number, theirs.number)
    lag = apart.value if lower_is_better else -apart.value
    excess = Number(TOLERANCE * published - lag, apart.se, apart.freedom)
    several = f"; mean of {measured.count} trainings" if measured.count > 1 else ""
    return claim_of(
        NAME,
        row["run"],
        row["dataset"],
        metric,
        decide(excess),
        {"measured": measured.number, "measured minus published": apart},
        f"{row['set']}: published {published:g} ({row['published_source']}){several}",
        [excess],
    )

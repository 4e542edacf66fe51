"""The claim that a published number is reached, for every row of the table that has one.

How far another training would move such a number is not known: the published ones come from one training
each, without an error. So reached means within a tolerance, an assumption that is stated in the claim. It is
above what the published digits leave open (at most 1.6 %, for an Inception Score of 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.results.statements import TOLERANCE, Claim, claim_of
from sphere_repro.results.tables import read_table
from sphere_repro.results.verdicts import Number, decide
from sphere_repro.study.scoring import Score

NAME = "published-number-reached"


def published_claims(table: Path) -> list[Claim]:
    """One claim for each published distance and each published Inception Score of the table.

    The published value is taken to have the standard error of the measured one, since it was drawn in the
    same way; that of an Inception Score is the deviation of its parts over the root of their number. A table
    does not say how many jackknife groups there were: the usual number is taken.

    Raises:
        UserError: the file is missing or is not the table of `tables.fid_table`.
    """
    try:
        return [claim for row in read_table(table) for claim in _of_row(row)]
    except ValueError as error:  # words where a number belongs
        raise UserError(f"Table {table} holds a number that is none ({error}). Make it again.") from error


def _of_row(row: Mapping[str, str]) -> Iterator[Claim]:
    if row["published_frechet"]:
        freedom = Score().jackknife_groups - 1
        measured = Number(float(row["frechet"]), float(row["frechet_se"]), freedom, row["degenerate"])
        yield _claim(row, row["metric"], measured, float(row["published_frechet"]), lower_is_better=True)
    if row["published_inception_score"]:
        parts = int(row["inception_score_splits"])
        se = float(row["inception_score_sd"]) / math.sqrt(parts)
        measured = Number(float(row["inception_score"]), se, parts - 1, row["degenerate"])
        metric = f"inception-score-{row['metric'].removeprefix('fid-inception-')}"
        yield _claim(row, metric, measured, float(row["published_inception_score"]), lower_is_better=False)


def _claim(
    row: Mapping[str, str], metric: str, measured: Number, published: float, *, lower_is_better: bool
) -> Claim:
    difference = Number(measured.value - published, math.sqrt(2) * measured.se, measured.freedom)
    lag = difference.value if lower_is_better else -difference.value
    excess = Number(TOLERANCE * published - lag, difference.se, difference.freedom)
    return claim_of(
        NAME,
        row["run"],
        row["dataset"],
        metric,
        decide(excess),
        {"measured": measured, "measured minus published": difference},
        f"{row['set']}: published {published:g} ({row['published_source']})",
        [excess],
    )

"""What a study varies, as a table for each axis: the paper's loss terms, hard cases, and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sphere_repro.errors import UserError
from sphere_repro.results.scores import RunScores, SetScore, judged_set, set_label
from sphere_repro.results.table_formats import Cell, Line, Measured, Table

Published = Mapping[tuple[str, str, str], str]  # run, set, metric → distance


def of_ablation(axis: str, runs: Sequence[RunScores], rows: Sequence[Mapping[str, str]]) -> Table:
    """A line for each value of `axis`, the baseline first; the sets of the paper's scheme that each run has.

    Sets are those of the guidance by which ablations are judged. Of several trainings the mean is shown, and
    the deviation between them.

    Args:
        axis: as the runs' `ablation` names it.
        runs: scores of the study's runs, of several trainings the mean; the first is the baseline.
        rows: of the table of all scores, which say what is published of a set.

    Raises:
        UserError: no run varies `axis`.
    """
    varied = [(run.ablation, run) for run in runs if run.ablation and run.ablation.axis == axis]
    if not varied:
        raise UserError(f"No run varies '{axis}': there is no table of it. Name the scores of all runs.")
    named = [(varied[0][0].baseline, runs[0]), *((ablation.value, run) for ablation, run in varied)]
    published = {(row["run"], row["set"], row["metric"]): row["published_frechet"] for row in rows}
    judged = judged_set(runs[0])
    sets = _sets(runs[0], judged.guidance if judged else "", [run for _, run in varied])
    lines = [_line(value, run, sets, published) for value, run in named]
    guided = f", guidance {judged.guidance}" if judged and judged.guidance else ""
    what = axis.replace("-", " ").capitalize()
    return Table(f"{what}: distance ± one standard error, fixed strength, shared noise{guided}.", lines)


def _sets(baseline: RunScores, guidance: str, others: Sequence[RunScores]) -> list[SetScore]:
    """The baseline's sets of the paper's scheme and one guidance that another run has too, by steps."""
    same = [
        score
        for score in baseline.records
        if score.steps
        and score.default_scheme
        and score.guidance == guidance
        and any(run.find(score.set) for run in others)
    ]
    return sorted(same, key=lambda score: score.steps or 0)


def _line(value: str, run: RunScores, sets: Sequence[SetScore], published: Published) -> Line:
    line: dict[str, Cell] = {"value": value, "run": run.run, "measure": run.metric}
    for wanted in sets:
        if (score := run.find(wanted.set)) is None:
            continue
        head = set_label(f"generation-{wanted.steps}")
        line[head] = Measured(f"{score.frechet:.6g}", f"{score.frechet_se:.6g}")
        if score.deviation is not None:
            line[f"{head}, deviation of {score.trainings} trainings"] = Measured(f"{score.deviation:.6g}")
        line[f"{head}, published"] = published.get((run.run, wanted.set, run.metric), "")
    return line

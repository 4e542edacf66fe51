"""The table of all scores: one CSV for machines, the same as Markdown for people.

Its distance column is called `frechet`, not FID: `metric` says what was measured, and only distances of
Inception's features are FIDs. A published number stands in a row only where it was measured in the same way
on the same model (`expected`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import write_json, write_text
from sphere_repro.results import recognised
from sphere_repro.results.expected import Expected, load_expected
from sphere_repro.results.table_rows import published, rows_of
from sphere_repro.results.trainings import in_table
from sphere_repro.study.replicates import name_of

COLUMNS = (
    "study", "run", "replicate", "dataset", "model", "set", "kind", "steps", "strength", "noise",
    "guidance_scale", "guidance_position", "metric", "extractor", "resize", "count", "reference_split",
    "reference_count", "frechet", "frechet_se", "trainings", "frechet_mean", "frechet_deviation", "kid",
    "kid_se", "inception_score", "inception_score_sd", "inception_score_splits", "precision", "recall",
    "density", "coverage", "psnr", "ssim", "ssim_window", "ssim_count", "lpips", "lpips_missing",
    "share_recognised", "held_out_accuracy", "chance_accuracy", "classifier_sees", "floor", "floor_count",
    "published_frechet", "published_inception_score", "published_source", "degenerate", "code",
    "code_changed",
)  # fmt: skip
VALUES = (
    "frechet",
    "frechet_se",
    "kid",
    "kid_se",
    "inception_score",
    "inception_score_sd",
    "precision",
    "recall",
    "density",
    "coverage",
    "psnr",
    "ssim",
    "lpips",
    "share_recognised",
)
HEADS = {
    "run": "---", "replicate": "--:", "set": "---", "images": "--:", "measure": "---", "distance": "--:",
    "mean ± deviation of trainings": "--:", "floor": "--:", "KID × 1000": "--:", "IS (sd of parts)": "--:",
    "precision, recall": "---", "PSNR, dB": "--:", "SSIM (window)": "--:", "LPIPS": "--:",
    "share recognised": "--:", "held-out accuracy": "--:",
    "published": "--:", "degenerate": "---",
}  # fmt: skip
SEVERAL = ("replicate", "mean ± deviation of trainings")  # columns of studies that train a run several times
WHERE_KNOWN = (
    *SEVERAL,
    "IS (sd of parts)",
    "precision, recall",
    "LPIPS",
    "share recognised",
    "held-out accuracy",
    "published",
    "degenerate",
)  # columns that a table may lack
MANIFOLD = ("precision", "recall")
SIGNIFICANT_DIGITS = 6
OWN_REFERENCE = "train"  # the split that our own reference is made of (metrics.reference)


def fid_table(score_files: list[Path], out: Path, expected: Path | None = None) -> None:
    """Write one CSV row per scored set: files in the order given, sets in the order of each file.

    A run that was scored with several extractors has the rows of each; metric, extractor and resize tell them
    apart. `inception_score` is the mean over `inception_score_splits` parts, `inception_score_sd` their
    standard deviation; all three are empty where the extractor has no such score. `floor` is what as many
    images of a perfect model would score (`results.floor`), by two halves of `floor_count` real images.
    `precision`, `recall`, `density` and `coverage` are empty where others made the statistics, and comparable
    between sets of one size only (`metrics.neighbours`). `psnr`, `ssim` (with a window of `ssim_window`
    pixels) and `lpips` are of reconstructions, the latter two means over `ssim_count` of them;
    `lpips_missing` says why `lpips` is empty (`metrics.reconstruction`). `share_recognised` is the share of
    a set's images that a classifier of the real ones puts in their class, `held_out_accuracy` its accuracy on
    real images held out of its training, `chance_accuracy` that of always naming the commonest class,
    `classifier_sees` what it looks at (`metrics.recognition`): features, pixels, or nothing, where it is
    hardly better than chance. The share is empty then, and for sets without classes.

    A run that was trained several times has the rows of each training, numbered by `replicate` from 0. Each
    says of the set how many `trainings` there are, the mean of their distances and its sample standard
    deviation between them, which is empty for a single one.

    `degenerate` says why a row's numbers say nothing (`results.degenerate`); it is empty where they may be
    believed.

    `reference_split` names the file where others made the statistics (`score.reference`): their images are
    not counted, and there is no floor and no kernel distance.

    The study is the name of the folder over the run's. `code` is the hash of the code that trained the model,
    from the `model.json` beside the scores, empty where there is none; `code_changed` says which code is
    another today: `training`, `sampling`, both, or neither (empty). Numbers have six significant digits; what
    has no meaning for a set is empty.

    Args:
        score_files: JSON of `metrics.score`, each beside its run's records.
        out: the CSV.
        expected: the published numbers; none: their columns are empty.

    Raises:
        UserError: a file is missing or is no scores file, or the published numbers are broken.
    """
    known = Expected(models=()) if expected is None else load_expected(expected)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = [row | published(known, row, path) for path in score_files for row in rows_of(path)]
    for row, several in zip(rows, in_table(rows), strict=True):
        writer.writerow({key: _cell(value) for key, value in (row | several).items()})
    write_text(out, text.getvalue())


def metrics(score_files: list[Path], out: Path) -> None:
    """Write the same numbers as nested JSON: run → set → measure → value, for tools that compare versions.

    Each training of a run stands under its own name.

    The measure's own name is a key, so that a distance in other features, or from statistics that others
    made, cannot be read as another.

    Raises:
        UserError: a file is missing or is no scores file.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in score_files:
        for row in rows_of(path):
            values = {key: row[key] for key in VALUES if row[key] is not None}
            rounded = {key: float(_cell(value)) for key, value in values.items()}
            found.setdefault(name_of(row["run"], row["replicate"]), {}).setdefault(row["set"], {})[
                _measure(row)
            ] = rounded
    write_json(out, found)


def markdown_table(table: Path) -> str:
    """The CSV as a GitHub-flavoured Markdown table: value ± standard error, the measure named in every row.

    The Inception Score, LPIPS, what is recognised, the published numbers, what is degenerate and what is
    known of several trainings have a column only where any row has it.

    Raises:
        UserError: the file is missing or is not the table of `fid_table`.
    """
    rows = read_table(table)
    cells = [_cells_for_people(row) for row in rows]
    heads = [head for head in HEADS if head not in WHERE_KNOWN or any(found[head] for found in cells)]
    lines = [heads, *([found[head] for head in heads] for found in cells)]
    top, *body = ("| " + " | ".join(line) + " |" for line in lines)
    alignments = "|" + "|".join(HEADS[head] for head in heads) + "|"
    return "\n".join([top, alignments, *body, *_code_note(rows)]) + "\n"


def _cells_for_people(row: Mapping[str, str]) -> dict[str, str]:
    """A row's cells by the heads of their columns."""
    score, published_score = row["inception_score"], row["published_inception_score"]
    share, accuracy = recognised.cells(row)
    reported = [row["published_frechet"], f"IS {published_score}" if published_score else ""]
    several = row["trainings"] != "1"
    return {
        "run": row["run"],
        "replicate": row["replicate"] if several else "",
        "set": row["set"],
        "images": row["count"],
        "measure": _measure(row),
        "distance": with_error(row["frechet"], row["frechet_se"]),
        "mean ± deviation of trainings": (
            f"{with_error(row['frechet_mean'], row['frechet_deviation'])} ({row['trainings']})"
            if several
            else ""
        ),
        "floor": rounded(row["floor"]),
        "KID × 1000": with_error(row["kid"], row["kid_se"], 1000.0),
        "IS (sd of parts)": f"{float(score):.4g} ({float(row['inception_score_sd']):.2g})" if score else "",
        "precision, recall": ", ".join(f"{float(row[key]):.2f}" for key in MANIFOLD if row[key]),
        "PSNR, dB": f"{float(row['psnr']):.2f}" if row["psnr"] else "",
        "SSIM (window)": f"{float(row['ssim']):.3f} ({row['ssim_window']} px)" if row["ssim"] else "",
        "LPIPS": f"{float(row['lpips']):.3f}" if row["lpips"] else "",
        "share recognised": share,
        "held-out accuracy": accuracy,
        "published": ", ".join(filter(None, reported)),
        "degenerate": row["degenerate"],
    }


def _measure(row: Mapping[str, Any]) -> str:
    """The metric, and where others made the statistics, their file."""
    split = row["reference_split"]
    return str(row["metric"]) if split == OWN_REFERENCE else f"{row['metric']} to {split}"


def _code_note(rows: list[dict[str, str]]) -> list[str]:
    """A paragraph on the runs whose code has changed since, where there are any."""
    changed = dict.fromkeys(
        f"{name_of(row['run'], int(row['replicate']))} ({row['code_changed']})"
        for row in rows
        if row["code_changed"]
    )
    return ["", f"Made by code that has changed since: {', '.join(changed)}."] if changed else []


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{SIGNIFICANT_DIGITS}g}" if isinstance(value, float) else str(value)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table that `fid_table` wrote, their cells as text, by column.

    Raises:
        UserError: the file is missing, is no such table, or was cut short.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except FileNotFoundError as error:
        raise UserError(f"Table {path} does not exist. Make it first, or check the path.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"Table {path} is not readable CSV ({error}). Make it again.") from error
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise UserError(f"Table {path} has other columns than this package writes. Make it again.")
    if any(None in row or None in row.values() for row in rows):
        raise UserError(
            f"Table {path} has a row of another length: it was edited or cut short. Make it again."
        )
    return rows


def with_error(value: str, error: str, factor: float = 1.0) -> str:
    """'132.0 ± 2.1': the error with two significant digits, the value to the same place."""
    if not value:
        return ""
    if not error or float(error) == 0:
        return rounded(value, factor)
    spread = float(error) * factor
    places = max(0, 1 - int(f"{spread:e}".split("e")[1]))
    return f"{float(value) * factor:.{places}f} ± {spread:.{places}f}"


def rounded(value: str, factor: float = 1.0) -> str:
    """'12.7': three significant digits; empty where the cell is."""
    return f"{float(value) * factor:.3g}" if value else ""

"""The few numbers and verdicts that a reader wants first, as Markdown; the whole table is in `tables`."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.results.recognised import percent
from sphere_repro.results.tables import read_table, rounded, with_error

Row = Mapping[str, str]
NO_BREAK = "\u00a0"
HEADS = (
    "run",
    "reconstruction",
    "1 step",
    "{steps} steps",
    "best scheme",
    "prior",
    "posterior",
    "floor",
    "recognised",
)


def headline_table(table: Path) -> str:
    """One row per run of a table that `fid_table` wrote: its distances ± standard error, by kind of set.

    The many steps are those at which most schemes were drawn, the paper's (fixed strength, shared noise)
    among them; of equals the most steps. The best scheme is the nearest of all with as many steps. A table
    scored with several measures gets one block for each. A run with several trainings has their mean and the
    deviation between them.

    Raises:
        UserError: the file is missing or is not the table of `fid_table`.
    """
    rows = read_table(table)
    blocks = [
        _block(measure, [row for row in rows if row["metric"] == measure])
        for measure in dict.fromkeys(row["metric"] for row in rows)
    ]
    return "\n\n".join(blocks) + "\n"


def verdict_table(claims: Path, table: Path) -> str:
    """One row per claim, one column per dataset, the verdicts in the cells.

    Args:
        claims: the CSV of `claims`.
        table: the CSV of `fid_table`; it says the dataset of a run where a claim names none.

    Raises:
        UserError: a file is missing or is not what it should be, or they are about different runs.
    """
    datasets = {row["run"]: row["dataset"] for row in read_table(table)}
    verdicts: dict[str, dict[str, list[str]]] = {}
    for row in _read_claims(claims):
        dataset = row["dataset"] or datasets.get(row["run"])
        if dataset is None:
            raise UserError(f"{claims} is about the run '{row['run']}', and {table} is not. Make both again.")
        verdicts.setdefault(row["text"], {}).setdefault(dataset, []).append(row["verdict"])
    columns = list(dict.fromkeys(datasets.values()))
    body = [
        [text, *("<br>".join(dict.fromkeys(found.get(name, ()))) for name in columns)]
        for text, found in verdicts.items()
    ]
    return _markdown(["the paper's statement", *columns], body, "---") + "\n"


def _block(measure: str, rows: Sequence[Row]) -> str:
    """The rows of one measure, under a line that names it; the first training's speak for all."""
    rows = [row for row in rows if row["replicate"] == "0"]
    steps = _most_compared(rows)
    runs = dict.fromkeys(row["run"] for row in rows)
    cells = [_cells([row for row in rows if row["run"] == run], str(steps)) for run in runs]
    heads = [head.format(steps=steps) for head in HEADS]
    shown = [place for place in range(len(heads)) if any(line[place] for line in cells)]
    words = f"Distance `{measure}` ± one standard error; lower is better."
    if any(_several(row) for row in rows):
        words += " With (n): mean of n trainings ± the standard deviation between them."
    body = [[line[place] for place in shown] for line in cells]
    return f"{words}\n\n{_markdown([heads[place] for place in shown], body, '--:')}"


def _most_compared(rows: Sequence[Row]) -> int:
    """The steps, above 1, of which there are most schemes beside the paper's; 1 where it has no more."""
    schemes: dict[int, set[tuple[str, ...]]] = {}
    for row in rows:
        if row["kind"] == "generation" and int(row["steps"]) > 1:
            schemes.setdefault(int(row["steps"]), set()).add(_scheme(row))
    usual = [steps for steps, found in schemes.items() if ("fixed", "shared") in found]
    return max(usual, key=lambda steps: (len(schemes[steps]), steps), default=1)


def _cells(rows: Sequence[Row], steps: str) -> list[str]:
    """A run's cells, in the order of HEADS; empty where it has no such set."""
    many = [row for row in rows if row["kind"] == "generation" and row["steps"] == steps]
    usual = [row for row in many if _scheme(row) == ("fixed", "shared")]
    best = min(many, key=lambda row: float(row["frechet_mean"]), default=None)
    one = [row for row in rows if row["kind"] == "generation" and row["steps"] == "1"]
    return [
        rows[0]["run"],
        _first(row for row in rows if row["kind"] == "reconstruction"),
        _first(one),
        _first(usual) if steps != "1" else "",
        f"{_distance(best)}<br>{', '.join(_scheme(best))}" if best and steps != "1" else "",
        _first(row for row in rows if row["kind"] == "prior"),
        _first(row for row in rows if row["kind"] == "posterior"),
        rounded(rows[0]["floor"]),
        _recognised(rows, usual or one),
    ]


def _recognised(rows: Sequence[Row], drawn: Sequence[Row]) -> str:
    """The share recognised of the paper's scheme, of a VAE's prior, and of real images held out."""
    chosen = [*drawn, *(row for row in rows if row["kind"] == "prior")]
    if not chosen or not chosen[0]["share_recognised"]:
        return ""
    share, accuracy = (percent(float(chosen[0][key])) for key in ("share_recognised", "held_out_accuracy"))
    return f"{share} of {accuracy}".replace(" %", f"{NO_BREAK}%")


def _scheme(row: Row) -> tuple[str, str]:
    return row["strength"], row["noise"]


def _first(rows: Iterable[Row]) -> str:
    """The distance of the first row, which a study with several guidances names first; empty without one."""
    return next((_distance(row) for row in rows), "")


def _distance(row: Row) -> str:
    if _several(row):
        spread = with_error(row["frechet_mean"], row["frechet_deviation"])
        return f"{spread} ({row['trainings']})".replace(" ", NO_BREAK)
    return with_error(row["frechet"], row["frechet_se"]).replace(" ", NO_BREAK)


def _several(row: Row) -> bool:
    """Whether the run was trained several times."""
    return int(row["trainings"]) > 1


def _read_claims(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"Claims {path} cannot be read ({error}). Make them again.") from error
    if not rows or not {"run", "dataset", "verdict", "text"} <= rows[0].keys():
        raise UserError(f"Claims {path} holds no claims of this package. Make them again.")
    return rows


def _markdown(heads: Sequence[str], body: Sequence[Sequence[str]], alignment: str) -> str:
    rule = "|" + "|".join(["---", *[alignment] * (len(heads) - 1)]) + "|"
    top, *rest = ("| " + " | ".join(line) + " |" for line in (heads, *body))
    return "\n".join([top, rule, *rest])

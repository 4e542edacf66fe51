"""A table of numbers with errors, as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from sphere_repro.results.tables import rounded, with_error


@dataclass(frozen=True)
class Measured:
    """A number with its standard error, both as the table of all scores has them; empty where it has none."""

    value: str
    se: str = ""


Cell = str | Measured
Line = Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """What a table shows, in the words under its heading, and its lines."""

    title: str
    lines: Sequence[Line]


def as_csv(table: Table) -> str:
    """Values and standard errors in columns of their own, as many digits as the results have."""
    text = io.StringIO()
    heads = _heads(table)
    with_se = {head for head in heads for line in table.lines if _se(line.get(head, ""))}
    columns = [column for head in heads for column in ([head, f"{head} se"] if head in with_se else [head])]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for line in table.lines:
        values = {head: cell.value if isinstance(cell, Measured) else cell for head, cell in line.items()}
        writer.writerow(values | {f"{head} se": _se(line.get(head, "")) for head in with_se})
    return text.getvalue()


def as_markdown(table: Table) -> str:
    """The title, and the lines under their heads; columns that are empty throughout are left out."""
    heads = _filled(table)
    lines = [
        heads,
        ["---"] * len(heads),
        *([_words(line.get(head, "")) for head in heads] for line in table.lines),
    ]
    return f"{table.title}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def as_latex(table: Table) -> str:
    """A tabular for a paper that loads booktabs; columns that are empty throughout are left out."""
    heads = _filled(table)
    frame = pd.DataFrame(
        [[_words(line.get(head, "")) for head in heads] for line in table.lines], columns=heads
    )
    body: str = frame.to_latex(index=False, escape=True)
    return f"% {table.title}\n" + body.replace("±", "$\\pm$").replace("é", "\\'e")


def _heads(table: Table) -> list[str]:
    return list(dict.fromkeys(head for line in table.lines for head in line))


def _filled(table: Table) -> list[str]:
    return [head for head in _heads(table) if any(_words(line.get(head, "")) for line in table.lines)]


def _se(cell: Cell) -> str:
    return cell.se if isinstance(cell, Measured) else ""


def _words(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return with_error(cell.value, cell.se) if cell.se else rounded(cell.value)

"""Tables of results as the page shows them: numbers with their errors for people, raw values to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sphere_repro.results.result_tree import read_rows
from sphere_repro.results.tables import rounded, with_error

ERROR = " se"  # a column of this ending is the standard error of the one before


@dataclass(frozen=True)
class Cell:
    """What is shown, and what a column is sorted by: the number, or else the words."""

    text: str
    key: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table file: heads and rows of equal length; columns that are empty throughout are left out."""

    name: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def read_table(path: Path) -> Table:
    """A CSV of `sphere-repro paper-tables`.

    Raises:
        UserError: it cannot be read.
    """
    found = read_rows(path)
    names = list(found[0]) if found else []
    errors = {name for name in names if name.endswith(ERROR) and name.removesuffix(ERROR) in names}
    heads = [name for name in names if name not in errors and any(row[name] for row in found)]
    rows = [[_cell(row[head], row.get(f"{head}{ERROR}", "")) for head in heads] for row in found]
    return Table(path.stem, heads, rows)


def _cell(value: str, error: str) -> Cell:
    try:
        number = float(value)
    except ValueError:
        return Cell(value, value)
    if error:
        return Cell(with_error(value, error), value, numeric=True)
    whole = number.is_integer() and abs(number) < 1e12  # counts are shown whole
    return Cell(f"{int(number)}" if whole else rounded(value), value, numeric=True)

"""Tables for people: numbers with their errors, raw values to sort by."""

from __future__ import annotations

from pathlib import Path

import pytest

from sphere_repro.errors import UserError
from sphere_repro.overview.tables import Cell, read_table


def test_an_error_stands_with_its_number_and_empty_columns_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("run,images,distance,distance se,IS,p se\ndigits,1797,41.3607,0.816484,,0.5\n")
    table = read_table(path)
    assert (table.name, list(table.heads)) == ("scores", ["run", "images", "distance", "p se"])
    assert list(table.rows[0]) == [
        Cell("digits", "digits"),
        Cell("1797", "1797", numeric=True),
        Cell("41.36 ± 0.82", "41.3607", numeric=True),
        Cell("0.5", "0.5", numeric=True),
    ]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("a,b\n1\n")
    with pytest.raises(UserError, match="is damaged"):
        read_table(path)
    with pytest.raises(UserError, match="is no table"):
        read_table(tmp_path)

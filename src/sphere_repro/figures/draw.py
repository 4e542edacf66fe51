"""Any figure of the catalogue, by name.

A module of a kind has two functions: `figure(inputs, subject)` draws from named result files, and
`numbers(inputs)` is the table of the numbers behind it, which lies beside it and stands in its notebook.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from matplotlib.figure import Figure
from pandas import DataFrame

from sphere_repro.errors import UserError, nearest
from sphere_repro.figures import style
from sphere_repro.machine.files import write_text
from sphere_repro.study.catalogue import KINDS


def draw(kind: str, inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """The figure of kind `kind`, a row of the catalogue.

    Args:
        kind: e.g. samples.
        inputs: result files by the names that the catalogue gives them.
        subject: what the title names, e.g. the run.

    Raises:
        UserError: no such figure, or an input is missing or broken.
    """
    found: Figure = _module(kind).figure(inputs, subject)
    return found


def numbers(kind: str, inputs: Mapping[str, Path]) -> DataFrame:
    """The numbers behind the same figure, as a table.

    Raises:
        UserError: no such figure, or an input is missing or broken.
    """
    found: DataFrame = _module(kind).numbers(inputs)
    return found


def _module(kind: str) -> ModuleType:
    if kind not in KINDS:
        raise UserError(f"No figure is called '{kind}'{nearest(kind, KINDS)}.")
    return importlib.import_module(f"sphere_repro.figures.{kind.replace('-', '_')}")


def write(kind: str, inputs: Mapping[str, Path], drawn: Figure, out: Path) -> list[Path]:
    """Write a drawn figure as PNG to `out`, and beside it a PDF and the numbers behind it as CSV.

    Returns:
        The three files.

    Raises:
        UserError: no such figure, or an input is missing or broken.
    """
    table = out.with_suffix(".csv")
    write_text(table, numbers(kind, inputs).to_csv())
    return [*style.save(drawn, out), table]


def page(kind: str, inputs: Mapping[str, Path], subject: str = "") -> str:
    """The page of the same kind of figure, as HTML that needs no other file.

    Raises:
        UserError: no such figure, it has no page, or an input is missing or broken.
    """
    pages = [name for name, row in KINDS.items() if row.page]
    if kind not in pages:
        raise UserError(f"No figure called '{kind}' has a page{nearest(kind, pages)}.")
    module = importlib.import_module(f"sphere_repro.figures.{kind.replace('-', '_')}")
    return str(module.page(inputs, subject))


def need(inputs: Mapping[str, Path], key: str) -> Path:
    """The file called `key`.

    Raises:
        UserError: it is not among `inputs`.
    """
    if key not in inputs:
        raise UserError(f"This figure needs {key}=PATH.")
    return inputs[key]


def titled(title: str, subject: str) -> str:
    """A title that names its subject, where there is one."""
    return f"{title}: {subject}" if subject else title

"""A figure of a run's results as its notebook shows it, without a kernel, which takes seconds to start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from figures.test_notebooks import read, source
from sphere_repro.figures.draw import write
from sphere_repro.study.catalogue import Figure


def assert_shown(figure: Figure, folder: Path, out: Path) -> None:
    """Run a notebook's cells in this process, and write the figure's files: `out` is the picture shown.

    Args:
        figure: of the catalogue.
        folder: the checkout whose results are read.
        out: the PNG to write.
    """
    shown: list[Any] = []
    notebook, space = read(figure.kind), {"subject": figure.subject, "inputs": dict(figure.inputs)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", shown.append)
        patch.chdir(folder)
        exec(source(notebook, "figure"), space)
        write(figure.kind, {key: Path(path) for key, path in figure.inputs.items()}, space["figure"], out)
        exec(source(notebook, "table"), space)
    assert [picture.data for picture in shown] == [out.read_bytes()], figure.name
    assert len(out.with_suffix(".csv").read_text().splitlines()) > 1, figure.name

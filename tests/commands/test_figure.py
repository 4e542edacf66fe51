"""`figure`: its files by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sphere_repro.errors import UserError


def test_figures_and_their_files(asked: Callable[..., tuple[Any, ...]]) -> None:
    given = asked(
        "figure", "samples", "real=a.zip", "x=odd=name.zip", "--subject", "digits", "--out", "o.png"
    )
    inputs = {"real": Path("a.zip"), "x": Path("odd=name.zip")}
    assert given == ("samples", inputs, "digits", Path("o.png"), None)
    given = asked("figure", "samples", "--out", "o.png", "--notebook", "a.ipynb", "--executed", "b.ipynb")
    assert given == ("samples", {}, "", Path("o.png"), (Path("a.ipynb"), Path("b.ipynb")))
    for item in ("real", "=a.zip", "real="):
        with pytest.raises(UserError, match="not of the form KEY=PATH"):
            asked("figure", "samples", item, "--out", "o.png")

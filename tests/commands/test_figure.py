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
    assert given == ("samples", {"real": Path("a.zip"), "x": Path("odd=name.zip")}, "digits", Path("o.png"))
    for item in ("real", "=a.zip", "real="):
        with pytest.raises(UserError, match="not of the form KEY=PATH"):
            asked("figure", "samples", item, "--out", "o.png")

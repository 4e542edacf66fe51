"""The files of a command: no output over an input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sphere_repro.errors import UserError


def test_a_link_to_an_input_is_that_input(asked: Callable[..., tuple[Any, ...]], tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "link.zip").symlink_to("model.safetensors")
    with pytest.raises(UserError, match="both --model and --out"):
        asked("generate", "model.safetensors", "link.zip")

"""Shared by all tests of commands: what a command line hands on to what computes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sphere_repro import cli


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Any, ...]]:
    """What a command would hand to the function of its verb."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[Any, ...]:
        found: list[tuple[Any, ...]] = []
        options = cli.parser().parse_args(arguments)
        verb = cli.verbs()[options.verb]

        def record(*given: Any, **named: Any) -> str:
            found.append((*given, named) if named else given)
            return "done"

        monkeypatch.setattr(sys.modules[verb.run.__module__], verb.name, record)
        assert cli.run(verb, options) == "done"
        return found[0]

    return run

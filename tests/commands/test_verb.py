"""Option values that several verbs read alike."""

from __future__ import annotations

import argparse

import pytest

from sphere_repro.commands.verb import at_most


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "11", "٣٣"])
def test_whole_numbers(text: str) -> None:
    read = at_most(10)
    assert read("1") == 1 and read("10") == 10
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 10"):
        read(text)

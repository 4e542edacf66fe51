"""What each verb tells the command line of itself, and a reader of whole numbers."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sphere_repro.errors import UserError

DEVICE = "auto, cpu, cuda, cuda:1, … (default auto)"
MORE_MEMORY = "Use a machine with more of it."


@dataclass(frozen=True)
class Verb:
    """One verb: how it is called, and how it is carried out.

    `run` takes the parsed options and returns the line that says what was done ("" says nothing); it may set
    `options.status`, the exit status of a verb that raised nothing (0).
    """

    name: str
    text: str  # one line of help
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], str]
    torch: bool = True  # whether it computes with torch, whose threads are then set before it runs
    device: str = DEVICE  # help of --device
    beside: tuple[str, ...] = ()  # suffixes of what it writes beside --out under the same name
    out_of_memory: str = MORE_MEMORY  # what then helps
    takes_turns: bool = False  # whether an interrupted one asks Slurm for another turn


def at_most(most: int) -> Callable[[str], int]:
    """A reader of whole numbers from 1 to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = 0
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}, not '{text}'")
        return value

    return read


def need_extra(verb: str, extra: str, modules: Sequence[str]) -> None:
    """Complain where a verb cannot work without an optional part of the environment.

    Args:
        verb: its name, for the message.
        extra: the part, as pyproject.toml calls it.
        modules: what of it the verb imports.

    Raises:
        UserError: one of `modules` is not installed.
    """
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        raise UserError(
            f"{verb} needs {' and '.join(missing)}, not installed here: install the extra `{extra}` "
            f"(make env has it, or pip install '.[{extra}]' in the checkout)."
        )

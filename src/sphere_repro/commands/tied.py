"""`sphere-repro tied`: run a command that ends with its parent."""

from __future__ import annotations

import argparse
import os

from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", nargs=argparse.REMAINDER)


def run(o: argparse.Namespace) -> str:
    """Become the command; the wish to end with the parent stays with the process."""
    if not o.command:
        raise UserError("tied needs a command.")
    os.execvp(o.command[0], o.command)


VERB = Verb("tied", "run a command that ends with its parent", add_options, run, torch=False)

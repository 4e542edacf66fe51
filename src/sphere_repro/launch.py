"""Whether this process is one of several that train together."""

import os
from collections.abc import Sequence

from sphere_repro.errors import UserError
from sphere_repro.recipe import Execution


def is_worker() -> bool:
    return "RANK" in os.environ


def launch(arguments: Sequence[str], execution: Execution) -> int:
    raise UserError(f"start {execution.processes} processes with torchrun -m sphere_repro {arguments[0]} …")

"""Job files: what the workflow holds a result against, a small file for each result.

It holds the job as a line of JSON; where no result of that very job lies there, a second line says so and
since when, so that no checksum taken before can match.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import write_text


def keep(path: Path, job: str, *, stands: bool, found: bool) -> None:
    """Have the file say whether a result of `job` stands: it is then older than everything, else new.

    Args:
        path: the job file.
        job: the job as a line of JSON.
        stands: whether the result that lies there was made by this very job, and may stay.
        found: whether a result lies there at all.
    """
    present = path.read_text(encoding="utf-8") if path.is_file() else ""
    if stands:
        if present != job:
            write_text(path, job)
        os.utime(path, (1, 1))
    elif found or not present.startswith(f"{job}\n"):
        write_text(path, f"{job}\nno result of this job at {time.time_ns()}\n")


def read(path: Path) -> tuple[str, bool]:
    """The job, as JSON, and whether a result of it stood when the file was written.

    Raises:
        UserError: there is no such file.
    """
    try:
        job, *more = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no job file ({error}). The workflow writes it: run snakemake.") from error
    return job, not more

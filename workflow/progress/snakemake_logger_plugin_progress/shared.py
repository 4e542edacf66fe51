"""What studies share is made by one run at a time; others wait for no more than that.

`workflow/scripts/run.py` takes the lock and becomes Snakemake, which this is a part of.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

RULES = ("download", "fetch", "prepare")  # their results belong to no study
LOCK = Path(".state/locks/data.lock")
DESCRIPTOR = "SPHERE_REPRO_DATA_LOCK"


def let_go() -> None:
    """Free the lock, where this process holds it: jobs inherit the number of the file, and not the file."""
    number = os.environ.pop(DESCRIPTOR, None)
    if number is None:
        return
    try:
        is_ours = os.path.samestat(os.fstat(int(number)), LOCK.stat())
        if is_ours:  # whatever other process has the open file from this one
            fcntl.flock(int(number), fcntl.LOCK_UN)
    except (OSError, ValueError):  # no such file here, or a file system without locks
        pass

"""What this process is to others: a child of the workflow, one of several workers."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_alone = False
LOST = 75  # exit status of one of several that ends because another has: EX_TEMPFAIL of sysexits.h


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends: no job outlives the workflow (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before we asked
        raise KeyboardInterrupt


def tell_at_once() -> None:
    """From now on this process tells of its end at once: it alone knows why."""
    global _alone
    _alone = True


def waits_for_leader() -> bool:
    """Whether a mistake is most likely every worker's, so that the leader tells it and this process waits."""
    return os.environ.get("RANK", "0") != "0" and not _alone


def is_worker() -> bool:
    """Whether this process is one of several that train together, started by a launcher."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ

"""How this process gets its memory from the system."""

from __future__ import annotations

import ctypes
import os
import platform

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of glibc's malloc.h
LARGEST = 32 * 2**20  # bytes: the most that glibc takes as a threshold on 64 bits
KEPT = 2**30  # bytes at the top of the heap that stay with the process
PAD = 64 * 2**20


def keep_freed_memory() -> bool:
    """Have glibc keep what tensors free instead of giving it back to the system; whether it does.

    A step of training frees and asks for the same blocks as the one before. By glibc's own rules each of them
    comes as fresh pages, which the system has to clear. All three settings go together: to set one of them
    alone makes glibc stop adapting the others, which is slower than none. Where a person has set any in the
    environment, theirs count. Nothing happens where there is no glibc.
    """
    if platform.libc_ver()[0] != "glibc" or _set_by_hand():
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_THRESHOLD, LARGEST), (_TRIM_THRESHOLD, KEPT), (_TOP_PAD, PAD))
    return all(mallopt(key, value) for key, value in settings)


def _set_by_hand() -> bool:
    return "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(
        name.startswith("MALLOC_") for name in os.environ
    )

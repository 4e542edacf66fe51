"""What a job tells people: a sentence on standard error, a line in its log."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

# Set by workflow/scripts/run.py: a folder in which the jobs of one run of the workflow leave what was said.
TOLD = "SPHERE_REPRO_TOLD"
# What this process has said, or the one that started it: workers inherit it from their launcher.
SAID = "SPHERE_REPRO_SAID"


def notice(sentence: str) -> None:
    """Tell on standard error, in one line, of something odd that stops nothing."""
    sys.stderr.write(f"sphere-repro: {' '.join(sentence.split())}\n")


def notice_once(key: str, sentence: str) -> None:
    """As `notice`, once for each `key`: in this process and its children, and in one run of the workflow.

    Args:
        key: letters, digits and hyphens.
    """
    said = os.environ.get(SAID, "").split()
    if key in said:
        return
    os.environ[SAID] = " ".join([*said, key])
    if _is_first(key):
        notice(sentence)


def note(line: str, log: Path | None) -> None:
    """Append one line to the job's log file, with the time; a log that cannot be written stops nothing.

    Bytes of a file name that are no UTF-8 are written as \\udc80 to \\udcff.
    """
    if log is None or not line:
        return
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(f"{stamp} {line}\n")
    except OSError as error:
        print(f"sphere-repro: the log {log} cannot be written ({error.strerror}).", file=sys.stderr)


def print_anything() -> None:
    """Let standard output take what its encoding has not, escaped, as standard error always does.

    File names need not be UTF-8, and a terminal need not know α.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not a text stream of Python's own
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _is_first(key: str) -> bool:
    """Whether no other job of this run of the workflow has come by before."""
    folder = os.environ.get(TOLD)
    if not folder:
        return True
    try:
        os.close(os.open(Path(folder, key), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    except OSError:  # the folder is gone: better twice than not at all
        return True
    return True

"""What a job tells people: a sentence on standard error, a line in its log."""

from __future__ import annotations

import sys
import time
from pathlib import Path


def notice(sentence: str) -> None:
    """Tell on standard error, in one line, of something odd that stops nothing."""
    sys.stderr.write(f"sphere-repro: {' '.join(sentence.split())}\n")


def note(line: str, log: Path | None) -> None:
    """Append one line to the job's log file, with the time; a log that cannot be written stops nothing."""
    if log is None or not line:
        return
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as handle:
            handle.write(f"{stamp} {line}\n")
    except OSError as error:
        print(f"sphere-repro: the log {log} cannot be written ({error.strerror}).", file=sys.stderr)

"""The record beside a result: its origin, the job that made it, when, how long, and its files' seals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphere_repro.machine import gpus
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.provenance.stamps import known_hash

if TYPE_CHECKING:
    import torch

    from sphere_repro.strict import Strict


def timed(
    work: Callable[[torch.device], Mapping[str, Any] | None],
    job: Strict,
    out: Path,
    inputs: Mapping[str, Path],
    *,
    code: tuple[str, ...],
    device: str,
    label: str,
) -> str:
    """Run `work`, which says what it made (`count` images), on the chosen device; write its record.

    Returns:
        The line that says how many there are and how long they took; empty, and without a record, where
        `work` only helped others (None).
    """
    with gpus.device(device) as chosen:
        started = time.time()
        made = work(chosen)
        if made is None:
            return ""
        facts = {**made, "sha256": known_hash(out)}
    origin = provenance_of(plain(job), inputs=inputs, code=code, device=str(chosen), **facts)
    write(job, started, origin, [out])
    return f"{label}: {facts['count']} images in {time.time() - started:.1f} s"


def write(job: Strict, started: float, origin: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Write the record of a job beside the first of its files."""
    record = {**origin, "job": plain(job), **times(started)}
    out = files[0]
    write_record(out.with_suffix(".json"), record, [path for path in files if path.parent == out.parent])


def stamp(record: Path, job: Strict, started: float, files: Sequence[Path] = ()) -> float:
    """Add the job, its times and the seals to a record that its maker wrote; return the seconds it took.

    The workflow holds `job` against the study, so that old results never pass for new ones.
    """
    found = times(started)
    write_record(record, read_json(record) | {"job": plain(job)} | found, files)
    return float(found["seconds"])


def plain(job: Strict) -> dict[str, Any]:
    """A record of the study as JSON would hold it."""
    return job.model_dump(mode="json")


def times(started: float) -> dict[str, Any]:
    """When it was started (UTC), given in seconds of the epoch, and the seconds since."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
    return {"started": at, "seconds": round(time.time() - started, 3)}

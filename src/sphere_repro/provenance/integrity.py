"""Whether a result is still what was made: each record keeps the hashes of its files and of itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_json
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.provenance.stamps import known_hash


def write_record(path: Path, record: Mapping[str, Any], files: Iterable[Path] = ()) -> None:
    """Write a result's record with its seals: `files`, path → SHA-256 of the files it describes, and `seal`.

    Args:
        path: the JSON to write, atomically.
        record: what it says.
        files: files in the folder of `path`, or below it, that were made together with it.
    """
    found = {key: value for key, value in record.items() if key != "seal"}
    found["files"] = {file.relative_to(path.parent).as_posix(): known_hash(file) for file in files}
    write_json(path, found | {"seal": value_hash(found)})


def recorded_content(record: Path) -> str | None:
    """The hash of what came from outside, as the record of what was made of it tells; None where it does not.

    Args:
        record: JSON that holds its job.
    """
    try:
        found = read_json(record)["job"]["content"]
    except (UserError, KeyError, TypeError):
        return None
    return None if found is None else str(found)


def refuse_edited(path: Path) -> None:
    """Complain of a record that was edited, or that describes a file which was edited or cut short.

    Only a file that is newer than its record is read, and the record is then made newer than it: an unchanged
    file is read at most once. Missing files, and records without seals, are nobody's mistake.

    Raises:
        UserError: names the file and what to do.
    """
    record = read_json(path)
    if not isinstance(record, dict):
        return
    seal = record.pop("seal", None)
    if seal is not None and seal != value_hash(record):
        raise UserError(
            f"{path} was edited after it was made: its seal is broken. Restore it with dvc checkout {path}, "
            "or delete it, and what it describes is made again."
        )
    written = path.stat().st_mtime_ns
    newer = {}
    for name, recorded in record.get("files", {}).items():
        file = path.parent / name
        if file.is_file() and file.stat().st_mtime_ns > written:
            newer[file] = recorded
    for file, recorded in newer.items():
        if (now := known_hash(file)) != recorded:
            raise UserError(
                f"{file} is not the file that was made: it was edited or cut short (SHA-256 {recorded[:12]} "
                f"in {path.name}, {now[:12]} now). Restore it with dvc checkout {file}, or delete it, and it "
                "is made again."
            )
    if newer:
        latest = max(file.stat().st_mtime_ns for file in newer)
        with contextlib.suppress(OSError):  # somebody else's or not to be written: it is read again next time
            os.utime(path, ns=(latest, latest))

"""`sphere-repro table`: gather scores into one CSV."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from sphere_repro.commands.records import times
from sphere_repro.commands.verb import Verb
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scores", type=Path, nargs="+", help="score files in the order of the rows")
    parser.add_argument("--out", type=Path, required=True, help="CSV to write")
    parser.add_argument("--metrics", type=Path, help="JSON of the same numbers to write")
    parser.add_argument("--expected", type=Path, help="published numbers to show, params/expected.yaml")


def run(o: argparse.Namespace) -> str:
    return table(o.scores, o.out, o.metrics, o.expected)


def table(
    scores: Sequence[Path], out: Path, metrics: Path | None = None, expected: Path | None = None
) -> str:
    """Gather score files into one CSV, beside the published numbers, and into one JSON of metrics."""
    from sphere_repro.results import tables

    started = time.time()
    tables.fid_table(list(scores), out, expected)
    if metrics is not None:
        tables.metrics(list(scores), metrics)
    inputs = {str(path): path for path in (*scores, *([expected] if expected else []))}
    origin = provenance_of({}, inputs=inputs, code=code.TABLE, sha256=file_hash(out))
    files = [path for path in (out, metrics) if path is not None and path.parent == out.parent]
    write_record(out.with_suffix(".json"), origin | times(started), files)
    return f"table: {len(scores)} score files in {out}"


VERB = Verb("table", "gather scores into one CSV", add_options, run, torch=False, beside=(".json",))

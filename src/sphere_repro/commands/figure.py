"""`sphere-repro figure`: draw a figure from result files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from sphere_repro.commands.files import pairs
from sphere_repro.commands.records import times
from sphere_repro.commands.verb import Verb
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", help="samples, posterior-hole, uniformity, distance-by-steps, training-curves or ablations"
    )
    parser.add_argument(
        "inputs", nargs="*", metavar="KEY=PATH", help="result files by name, e.g. real=data/…zip"
    )
    parser.add_argument("--subject", default="", help="what the title names, e.g. the run")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")


def run(o: argparse.Namespace) -> str:
    return figure(o.name, pairs(o), o.subject, o.out)


def figure(name: str, inputs: Mapping[str, Path], subject: str, out: Path) -> str:
    """Draw one figure from result files."""
    from sphere_repro.figures import catalogue, style

    started = time.time()
    style.save(catalogue.draw(name, inputs, subject), out)
    origin = provenance_of({"figure": name}, inputs=inputs, code=code.FIGURE, sha256=file_hash(out))
    write_record(out.with_suffix(".json"), origin | times(started), [out])
    return f"figure {name}: {out}"


VERB = Verb("figure", "draw a figure from result files", add_options, run, torch=False, beside=(".json",))

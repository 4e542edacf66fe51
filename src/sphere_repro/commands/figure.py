"""`sphere-repro figure`: draw a figure from result files."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from sphere_repro.commands.files import pairs
from sphere_repro.commands.records import times
from sphere_repro.commands.verb import Verb
from sphere_repro.machine.files import write_text
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.study.catalogue import KINDS


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help=f"one of the catalogue: {', '.join(KINDS)}")
    parser.add_argument(
        "inputs", nargs="*", metavar="KEY=PATH", help="result files by name, e.g. real=data/…zip"
    )
    parser.add_argument("--subject", default="", help="what the title names, e.g. the run")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write; a PDF lies beside it")


def run(o: argparse.Namespace) -> str:
    return figure(o.name, pairs(o), o.subject, o.out)


def figure(name: str, inputs: Mapping[str, Path], subject: str, out: Path) -> str:
    """Draw one figure from result files; beside the PNG a PDF, and the numbers behind it as CSV."""
    from sphere_repro.figures import style
    from sphere_repro.figures.draw import draw, numbers

    started = time.time()
    drawn, table = draw(name, inputs, subject), out.with_suffix(".csv")
    write_text(table, numbers(name, inputs).to_csv())
    pictures = style.save(drawn, out)
    origin = provenance_of({"figure": name}, inputs=inputs, code=code.FIGURE, sha256=file_hash(out))
    write_record(out.with_suffix(".json"), origin | times(started), [*pictures, table])
    return f"figure {name}: {out}"


VERB = Verb(
    "figure",
    "draw a figure from result files",
    add_options,
    run,
    torch=False,
    beside=(".json", ".csv", ".pdf"),
)

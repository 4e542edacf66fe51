"""`sphere-repro page`: write a figure's page for the browser from result files."""

from __future__ import annotations

import argparse
import time
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
    pages = ", ".join(name for name, kind in KINDS.items() if kind.page)
    parser.add_argument("name", help=f"a figure that has one: {pages}")
    parser.add_argument(
        "inputs", nargs="*", metavar="KEY=PATH", help="result files by name, e.g. result=…json"
    )
    parser.add_argument("--subject", default="", help="what the title names, e.g. the run")
    parser.add_argument("--out", type=Path, required=True, help="HTML file to write; it needs no other file")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.figures.draw import page

    started, inputs = time.time(), pairs(o)
    write_text(o.out, page(o.name, inputs, o.subject))
    origin = provenance_of({"page": o.name}, inputs=inputs, code=code.FIGURE, sha256=file_hash(o.out))
    write_record(o.out.with_suffix(".json"), origin | times(started), [o.out])
    return f"page {o.name}: {o.out}"


VERB = Verb("page", "write a figure's page for the browser", add_options, run, torch=False, beside=(".json",))

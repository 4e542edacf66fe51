"""`sphere-repro paper-tables`: the paper's tables from this study's results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from sphere_repro.commands.records import times
from sphere_repro.commands.verb import Verb
from sphere_repro.provenance import code
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.study.paper_tables import FORMATS


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="+", help="scores-ARCHIVE, schemes, guidance, posterior-hole, uniformity, image-sets"
    )
    parser.add_argument("--table", type=Path, required=True, help="the table of all scores, fid_table.csv")
    parser.add_argument("--uniformity", type=Path, nargs="*", default=[], help="JSON files of uniformity")
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="records of image sets")
    parser.add_argument("--out", type=Path, required=True, help="record to write; the tables lie beside it")


def run(o: argparse.Namespace) -> str:
    return paper_tables(o.names, o.table, o.uniformity, o.out, o.images)


def paper_tables(
    names: Sequence[str], table: Path, uniformity: Sequence[Path], out: Path, images: Sequence[Path] = ()
) -> str:
    """Write each table as CSV, Markdown and LaTeX beside `out`, their record."""
    from sphere_repro.results.paper_tables import paper_tables as write

    started = time.time()
    write(table, uniformity, names, out.parent, images)
    made = [out.with_name(f"{name}.{suffix}") for name in names for suffix in FORMATS]
    inputs = {str(path): path for path in (table, *uniformity, *images)}
    origin = provenance_of({"tables": list(names)}, inputs=inputs, code=code.TABLE)
    write_record(out, origin | times(started), made)
    return f"paper-tables: {len(names)} tables beside {out}"


VERB = Verb("paper-tables", "the paper's tables from this study's results", add_options, run, torch=False)

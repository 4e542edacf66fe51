"""`sphere-repro paper-tables`: the paper's tables from this study's results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands.records import times
from sphere_repro.commands.verb import Verb
from sphere_repro.provenance import code
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.study.paper_tables import FORMATS

if TYPE_CHECKING:
    from sphere_repro.results.paper_tables import Sources


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="+",
        help="scores-ARCHIVE, schemes, guidance, ablation-AXIS, cost, posterior-hole, uniformity, "
        "memorisation, image-sets",
    )
    parser.add_argument("--table", type=Path, required=True, help="the table of all scores, fid_table.csv")
    parser.add_argument("--uniformity", type=Path, nargs="*", default=[], help="JSON files of uniformity")
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="records of image sets")
    parser.add_argument(
        "--scores",
        type=Path,
        nargs="*",
        default=[],
        help="of every run: cost, ablation-AXIS, memorisation",
    )
    parser.add_argument("--rivals", type=Path, help="other methods' published numbers, for cost")
    parser.add_argument("--out", type=Path, required=True, help="record to write; the tables lie beside it")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.results.paper_tables import Sources

    sources = Sources(o.table, o.uniformity, o.images, o.scores, o.rivals)
    return paper_tables(o.names, sources, o.out)


def paper_tables(names: Sequence[str], sources: Sources, out: Path) -> str:
    """Write each table as CSV, Markdown and LaTeX beside `out`, their record."""
    from sphere_repro.results.paper_tables import paper_tables as write
    from sphere_repro.results.scores import model_record

    started = time.time()
    write(sources, names, out.parent)
    made = [out.with_name(f"{name}.{suffix}") for name in names for suffix in FORMATS]
    models = [record for path in sources.scores if (record := model_record(path)).is_file()]
    read = [sources.table, *sources.uniformity, *sources.images, *sources.scores, *models]
    inputs = {str(path): path for path in (*read, *([sources.rivals] if sources.rivals else []))}
    origin = provenance_of({"tables": list(names)}, inputs=inputs, code=code.TABLE)
    write_record(out, origin | times(started), made)
    return f"paper-tables: {len(names)} tables beside {out}"


VERB = Verb("paper-tables", "the paper's tables from this study's results", add_options, run, torch=False)

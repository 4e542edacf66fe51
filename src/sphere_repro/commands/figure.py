"""`sphere-repro figure`: draw a figure from result files, and run its notebook."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands.files import pairs
from sphere_repro.commands.records import times
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.study.catalogue import KINDS

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help=f"one of the catalogue: {', '.join(KINDS)}")
    parser.add_argument(
        "inputs", nargs="*", metavar="KEY=PATH", help="result files by name, e.g. real=data/…zip"
    )
    parser.add_argument("--subject", default="", help="what the title names, e.g. the run")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write; a PDF lies beside it")
    parser.add_argument(
        "--notebook", type=Path, help="the figure's notebook: run it, and take the figure from it"
    )
    parser.add_argument("--executed", type=Path, help="where the executed notebook is written")


def run(o: argparse.Namespace) -> str:
    if (o.notebook is None) != (o.executed is None):
        raise UserError(
            "figure needs --notebook and --executed together: the source, and where it is written."
        )
    return figure(o.name, pairs(o), o.subject, o.out, (o.notebook, o.executed) if o.notebook else None)


def figure(
    name: str,
    inputs: Mapping[str, Path],
    subject: str,
    out: Path,
    notebook: tuple[Path, Path] | None = None,
    kernel: AsyncKernelManager | None = None,
) -> str:
    """Draw one figure from result files; beside the PNG a PDF, and the numbers behind it as CSV.

    With a `notebook`, source and executed, the figure is the one that it shows; `kernel` runs it, if given.
    """
    started = time.time()
    read = dict(inputs)
    if notebook:
        from sphere_repro.figures import notebook as notebooks

        notebooks.run(name, inputs, subject, out, notebook, kernel)
        read["notebook"] = notebook[0]
    else:
        from sphere_repro.figures.draw import draw, write

        write(name, inputs, draw(name, inputs, subject), out)
    origin = provenance_of({"figure": name}, inputs=read, code=code.FIGURE, sha256=file_hash(out))
    files = [out, out.with_suffix(".pdf"), out.with_suffix(".csv")]
    write_record(out.with_suffix(".json"), origin | times(started), files)
    return f"figure {name}: {out}"


VERB = Verb(
    "figure",
    "draw a figure from result files",
    add_options,
    run,
    torch=False,
    beside=(".json", ".csv", ".pdf"),
)

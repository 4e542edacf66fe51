"""`sphere-repro compare`: hold two results of one study against each other."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb

DISAGREE = 1  # exit status


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", help="results, reference/NAME, a table, or a revision (REV, REV:FOLDER)")
    parser.add_argument("here", help="the same, held against it")
    parser.add_argument("--strict", action="store_true", help="each number, verdict and bit must be the same")
    parser.add_argument(
        "--deviations", type=Path, help="how far trainings lie apart (default: as the reference says)"
    )
    parser.add_argument(
        "--out", type=Path, help="JSON to write, .csv and .md beside; ends with status 0 then"
    )


def run(o: argparse.Namespace) -> str:
    from sphere_repro.results import reproduction
    from sphere_repro.results.comparison import compare
    from sphere_repro.results.deviations import known_deviations
    from sphere_repro.results.result_tree import read_tree
    from sphere_repro.results.revisions import folder_of

    with folder_of(o.reference) as first, folder_of(o.here) as second:
        reference, here = read_tree(first), read_tree(second)
        found = compare(reference, here, known_deviations(reference, here, o.deviations))
        agree = found.identical if o.strict else found.reproduced
        if o.out is not None:
            reproduction.write(found, reproduction.About(o.reference, o.here, here.study), o.out)
        elif not agree:
            o.status = DISAGREE
        return "\n".join([f"{reproduction.headline(found)}.", *reproduction.sentences(found)])


VERB = Verb(
    "compare",
    "did I reproduce it? two results of one study held against each other (status 1: they disagree)",
    add_options,
    run,
    torch=False,
    beside=(".csv", ".md"),
)

"""`sphere-repro overview`: one page of a study's results, beside them."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="a finished study's tables and figures, e.g. results")
    parser.add_argument("--configfile", default="", help="the study's file, for the commands that it shows")
    parser.add_argument("--without-notebooks", action="store_true", help="leave the notebooks as they are")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.overview.page import write_overview
    from sphere_repro.results.result_tree import read_tree

    study = read_tree(o.folder).study
    written = write_overview(o.folder, study, o.configfile, notebooks=not o.without_notebooks)
    return f"overview: {written}"


VERB = Verb(
    "overview", "one page of a study's results: index.html beside them", add_options, run, torch=False
)

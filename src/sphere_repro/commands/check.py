"""`sphere-repro check`: check a study file and list its jobs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.planning.outside import refuse_missing
    from sphere_repro.study.config import load_study

    study = load_study(o.study)
    refuse_missing(study)
    lines = [f"{o.study}: study '{study.study}', {len(study.runs)} runs"]
    lines += [
        f"  {name}: {run.dataset.archive}, {run.model.kind}"
        f"{f' of {run.released}' if run.released else ''}, sets {', '.join(run.sets)}"
        for name, run in study.runs.items()
    ]
    return "\n".join(lines)


VERB = Verb("check", "check a study file and list its jobs", add_options, run, torch=False)

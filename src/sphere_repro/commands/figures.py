"""`sphere-repro figures`: draw several figures from result files with their notebooks, in one process."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands.figure import figure
from sphere_repro.commands.job import json_object
from sphere_repro.commands.verb import Verb

if TYPE_CHECKING:
    from sphere_repro.study.figures_job import FiguresJob


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--job", required=True, help="what each is drawn of, as JSON (what the workflow passes)"
    )
    parser.add_argument(
        "--notebooks", type=Path, default=Path("notebooks"), help="folder of their notebooks' sources"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        required=True,
        help="to write figures/NAME.png, … and notebooks/NAME.ipynb into",
    )


def run(o: argparse.Namespace) -> str:
    from sphere_repro.strict import parse
    from sphere_repro.study.figures_job import FiguresJob

    return figures(
        parse(FiguresJob, json_object(o.job, "--job"), "the job of 'figures'"), o.notebooks, o.folder
    )


def figures(job: FiguresJob, notebooks: Path, folder: Path) -> str:
    """Draw each figure of the job as `figure` does with its notebook; one kernel runs all of these.

    Each is whole when the next begins.
    """
    from sphere_repro.figures.notebook import one_kernel

    started = time.time()
    with one_kernel() as kernel:
        for each in job.figures:
            notebook = notebooks / f"{each.kind}.ipynb", folder / "notebooks" / f"{each.name}.ipynb"
            inputs = {name: Path(path) for name, path in each.inputs.items()}
            figure(each.kind, inputs, each.subject, folder / "figures" / f"{each.name}.png", notebook, kernel)
    return f"figures: {len(job.figures)} in {folder}, drawn in {time.time() - started:.1f} s"


VERB = Verb("figures", "draw several figures from result files", add_options, run, torch=False)

"""`sphere-repro check`: check a study file and list its jobs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.data.summary import own_images
    from sphere_repro.machine.devices import free_memory
    from sphere_repro.planning.outside import refuse_missing
    from sphere_repro.planning.reach import reaches, warnings
    from sphere_repro.study import sense
    from sphere_repro.study.config import load_study

    study = load_study(o.study)
    refuse_missing(study)
    found = reaches(study, Path())
    trained = {item.run: item for item in found}
    lines = [f"{o.study}: study '{study.study}', {len(study.runs)} runs"]
    for name, run in study.runs.items():
        lines.append(
            f"  {name}: {run.dataset.archive}, {run.model.kind}"
            f"{f' of {run.released}' if run.released else ''}, sets {', '.join(run.sets)}"
        )
        shown = [each.set for each in run.sampling.image_sets]
        lines += [f"    image sets: {', '.join(shown)}"] if shown else []
        lines += [f"    training: {trained[name]}"] if name in trained else []
    lines += [f"  doubtful: {sentence}." for sentence in sense.doubts(study, free_memory())]
    lines += own_images(run.dataset for run in study.runs.values())
    return "\n".join([*lines, *warnings(found)])


VERB = Verb("check", "check a study file and list its jobs", add_options, run, torch=False)

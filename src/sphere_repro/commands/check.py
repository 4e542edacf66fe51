"""`sphere-repro check`: check a study file and list its jobs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands.verb import Verb

if TYPE_CHECKING:
    from sphere_repro.study.config import Run


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.data.summary import own_images
    from sphere_repro.machine.devices import free_memory
    from sphere_repro.planning.lengthened import lengthened
    from sphere_repro.planning.outside import refuse_missing
    from sphere_repro.planning.reach import reaches, warnings
    from sphere_repro.study import sense
    from sphere_repro.study.config import load_study
    from sphere_repro.study.replicates import is_replicate

    study = load_study(o.study)
    refuse_missing(study)
    found = reaches(study, Path())
    trained = {item.run: item for item in found}
    first = {name: run for name, run in study.runs.items() if not is_replicate(name)}
    lines = [f"{o.study}: study '{study.study}', {len(first)} runs"]
    for name, run in first.items():
        lines.append(
            f"  {name}: {run.dataset.archive}, {run.model.kind}{_made_of(run)}, sets {', '.join(run.drawn)}"
        )
        shown = [each.set for each in run.sampling.image_sets]
        lines += [f"    image sets: {', '.join(shown)}"] if shown else []
        lines += [f"    {run.replicates} trainings: {_names(name, run)}"] if run.replicates > 1 else []
        lines += [f"    training: {trained[name]}"] if name in trained else []
        earlier = lengthened(study, name, trained[name].images) if name in trained else None
        lines += [f"    {earlier}"] if earlier else []
        lines += _to_fetch(run)
    lines += [f"  doubtful: {sentence}." for sentence in sense.doubts(study, free_memory())]
    lines += own_images(run.dataset for run in study.runs.values())
    return "\n".join([*lines, *warnings(found)])


def _to_fetch(run: Run) -> list[str]:
    """That files are still to be had, before hours of work wait for them."""
    if run.model.kind != "pretrained-vae" or run.model.pretrained.local:
        return []
    wanted = run.model.pretrained
    return (
        []
        if wanted.record.is_file()
        else [f"    not fetched yet: sphere-repro fetch brings it to {wanted.place}"]
    )


def _made_of(run: Run) -> str:
    """What a model that is not trained is made of, and whether that may change."""
    if run.model.kind != "pretrained-vae":
        return f" of {run.released}" if run.released else ""
    wanted = run.model.pretrained
    if wanted.local or wanted.pinned:
        return f" of {wanted}"
    return f" of {wanted} (no commit: what it means is decided when it is first fetched)"


def _names(name: str, run: Run) -> str:
    """The names of a run's trainings."""
    from sphere_repro.study.replicates import name_of

    return ", ".join(name_of(name, number) for number in range(run.replicates))


VERB = Verb("check", "check a study file and list its jobs", add_options, run, torch=False)

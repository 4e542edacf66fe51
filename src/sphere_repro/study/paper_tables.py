"""Which of the paper's tables a study has results for, and their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the help of the command line reads FORMATS, and loads nothing heavy
    from sphere_repro.study.files import StudyFiles

FORMATS = ("csv", "md", "tex")
ABLATION = "ablation-"  # before the name of an axis


def table_names(files: StudyFiles) -> list[str]:
    """Their names, in the order of the paper: `results.paper_tables` says what stands in each."""
    drawn = [generation for run in files.study.runs.values() for generation in run.sampling.generations]
    there = {
        "schemes": any(generation.steps > 1 for generation in drawn),
        "guidance": any(generation.guidance.scale > 1 for generation in drawn),
        **dict.fromkeys((f"{ABLATION}{axis}" for axis in _axes(files)), True),
        "cost": bool(files.spheres),
        "posterior-hole": bool(files.paired),
        "uniformity": bool(files.judged),
        "posterior-gap": bool(files.judged),
        "prior-emptiness": any(files.study.runs[run].ablation is None for run in files.held_against_real),
        "memorisation": bool(files.held_against_training),
        "image-sets": bool(files.judged_images),
    }
    return [*(f"scores-{archive}" for archive in files.archives), *(name for name in there if there[name])]


def _axes(files: StudyFiles) -> list[str]:
    """What the runs of a study of ablations vary."""
    varied = [run.ablation.axis for run in files.study.runs.values() if run.ablation is not None]
    return list(dict.fromkeys(varied))


def paper_table_files(files: StudyFiles, place: str) -> list[str]:
    """Every table in every format, under `place`/tables."""
    return [f"{place}/tables/{name}.{suffix}" for name in table_names(files) for suffix in FORMATS]

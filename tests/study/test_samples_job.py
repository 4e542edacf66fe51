"""Which runs have all their sample sets drawn in one job."""

from __future__ import annotations

from typing import Any

from conftest import ROOT
from sphere_repro.study import samples_job
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import StudyFiles

DEMO, PAPER = (load_study(ROOT / f"params/{name}.yaml") for name in ("demo", "paper"))


def together(study: Study, **sampling: Any) -> list[str]:
    """Runs whose sets are drawn together where the digits' sampling says something else."""
    raw = study.model_dump(mode="json", exclude_unset=True)
    raw["runs"]["digits"]["sampling"] |= sampling
    return StudyFiles(Study.model_validate(raw)).together


def test_small_sets_are_drawn_together_and_those_of_the_paper_are_not() -> None:
    assert StudyFiles(DEMO).together == [*DEMO.runs]
    assert StudyFiles(PAPER).together == []


def test_large_sets_are_jobs_of_their_own() -> None:
    assert together(DEMO, count=100_000) == [name for name in DEMO.runs if name != "digits"]


def test_another_number_of_processes_makes_no_other_jobs() -> None:
    assert together(DEMO, processes=2) == together(DEMO) == [*DEMO.runs]


def test_what_a_pretrained_autoencoder_computes_nobody_knows() -> None:
    (name, *_) = [name for name, run in PAPER.runs.items() if run.model.kind == "pretrained-vae"]
    run = PAPER.runs[name]
    small = run.sampling.model_copy(update={"count": 1})
    assert not samples_job.drawn_together(run.model_copy(update={"sampling": small}))


def test_every_set_of_a_run_has_its_job() -> None:
    found = samples_job.samples_job(DEMO, "digits")
    wanted = [
        step.job for step in StudyFiles(DEMO).steps() if (step.rule, step.subject) == ("sample", "digits")
    ]
    assert list(found) == wanted and len(found) == len(DEMO.runs["digits"].drawn)

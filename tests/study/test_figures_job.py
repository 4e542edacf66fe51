"""Which figures are drawn by one job, and how it is told of them."""

from __future__ import annotations

import pytest

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.strict import parse
from sphere_repro.study import catalogue
from sphere_repro.study.catalogue import Figure
from sphere_repro.study.config import load_study
from sphere_repro.study.figures_job import LONGEST, FiguresJob, drawn_together, figures_job
from sphere_repro.study.files import StudyFiles

DEMO = catalogue.wanted(StudyFiles(load_study(ROOT / "params/demo.yaml")))


def a_figure(kind: str, subject: str = "", files: int = 1) -> Figure:
    return Figure(
        kind, subject, {f"run-{n}": f"results/some-study/run-{n}/scores.json" for n in range(files)}, ""
    )


def test_those_of_one_run_and_those_of_the_study_are_drawn_together() -> None:
    found = drawn_together(DEMO.values())
    assert found.keys() == {"digits", "photo-patches", ""}
    assert all(each.subject == subject for subject, figures in found.items() for each in figures)
    assert {each.name for figures in found.values() for each in figures} == DEMO.keys()


def test_a_single_one_and_those_of_too_many_files_are_jobs_of_their_own() -> None:
    many = [a_figure(kind, files=500) for kind in ("cost", "ablations", "distance-by-steps")]
    assert len(figures_job(many).as_text()) > LONGEST > len(figures_job(many[:1]).as_text())
    assert drawn_together([a_figure("samples", "digits"), *many]) == {}


def test_the_order_of_inputs_is_kept_as_some_figures_show_it() -> None:
    backwards = Figure("cost", "", {"z": "1", "a": "2"}, "")
    job = figures_job([backwards, a_figure("samples", "digits")])
    assert [*FiguresJob.model_validate_json(job.as_text()).figures[0].inputs] == ["z", "a"]
    assert [each.name for each in job.figures] == ["cost", "samples-digits"]


@pytest.mark.parametrize(
    ("job", "told"), [({}, "figures"), ({"figures": []}, "figures"), ({"figure": 1}, "figure")]
)
def test_a_job_that_is_none_is_told(job: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse(FiguresJob, job, "--job")

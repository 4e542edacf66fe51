"""Runs that start from another model's weights: which may, and the job that follows."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from sphere_repro.study import jobs
from sphere_repro.study.config import Study
from sphere_repro.study.files import Outside, StudyFiles
from sphere_repro.study.init_from import is_place

TINY = {"width": 32, "layers": 1, "heads": 2}
RUN: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "model": {"encoder": TINY, "decoder": TINY},
    "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
    "training": {"epochs": 20},
}
VAE = RUN | {"model": RUN["model"] | {"kind": "vae"}, "loss": {"pix_recon_perceptual": 0}}
HUB = {"dataset": {"name": "digits"}, "model": {"kind": "pretrained-vae", "source": "owner/name"}}


def study(**runs: Any) -> Study:
    return Study.model_validate({"study": "test", "runs": copy.deepcopy(runs)})


def train_step(of: Study, run: str, outside: Outside | None = None) -> Any:
    steps = StudyFiles(of, outside or Outside()).steps()
    return next(step for step in steps if step.rule == "train" and step.subject == run)


@pytest.mark.parametrize(
    ("text", "place"),
    [("digits", False), ("digits_r1", False), ("./digits", True), ("a.safetensors", True), ("~/x", True)],
)
def test_a_path_has_a_slash_or_ends_as_weights_do(text: str, place: bool) -> None:
    assert is_place(text) == place


def test_the_job_waits_for_the_other_runs_model() -> None:
    found = study(more=RUN | {"init_from": "a"}, a=RUN)
    step = train_step(found, "more")
    assert step.reads["init"] == "results/test/a/model.safetensors"
    assert step.job.init_from.run == "a" and step.job.init_from.path == step.reads["init"]
    plain = train_step(found, "a")
    assert "init" not in plain.reads and "init_from" not in plain.job.model_dump()


def test_all_trainings_of_a_run_start_from_the_first_of_the_other() -> None:
    found = study(a=RUN | {"replicates": 2}, more=RUN | {"init_from": "a", "replicates": 2})
    for name in ("more", "more_r1"):
        assert train_step(found, name).job.init_from.run == "a"
    assert train_step(found, "more_r1").job.seed != train_step(found, "more").job.seed


def test_a_model_from_elsewhere_is_part_of_the_job_by_its_content() -> None:
    found = study(a=RUN | {"init_from": "models/a.safetensors"})
    texts = {
        jobs.as_text(train_step(found, "a", Outside(beginnings={"a": content})).job)
        for content in (None, "abc", "def")
    }
    assert len(texts) == 3
    step = train_step(found, "a")
    assert "init" not in step.reads and step.job.init_from.run is None


def test_it_is_another_course_than_that_of_drawn_weights() -> None:
    found = study(a=RUN, b=RUN | {"init_from": "a"}, c=RUN | {"init_from": "./a.pth"})
    courses = [jobs.train_job(found, name).course | {"run": ""} for name in "abc"]
    assert all(courses.count(each) == 1 for each in courses)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ({"a": RUN | {"init_from": "a"}}, "runs.a.init_from: a starts from a; one must start otherwise"),
        (
            {"a": RUN | {"init_from": "b"}, "b": RUN | {"init_from": "c"}, "c": RUN | {"init_from": "a"}},
            "runs.a.init_from: a starts from b, which starts from c, which starts from a",
        ),
        (
            {"a": RUN | {"init_from": "digts"}, "digits": RUN},
            "no run is called 'digts'; did you mean 'digits'?; a path has a slash, as ./digts",
        ),
        ({"a": RUN | {"init_from": "b"}, "b": HUB}, "'b' is a pretrained-vae, which has other networks"),
        ({"a": RUN | {"init_from": "b"}, "b": VAE}, "'b' is another one: kind is vae there, but sphere here"),
        (
            {
                "a": RUN | {"init_from": "b"},
                "b": RUN | {"dataset": {"name": "photo-patches", "resolution": 16}},
            },
            "image_size is 16 there, but 8 here",
        ),
        (
            {"a": RUN | {"init_from": "b"}, "b": RUN | {"model": RUN["model"] | {"conditional": False}}},
            "classes is 0 there, but 10 here",
        ),
        ({"a": RUN, "b": HUB | {"init_from": "a"}}, "init_from has no meaning for a pretrained-vae"),
        (
            {"a": RUN, "b": RUN | {"init_from": "a", "released": "x.pth"}},
            "init_from has no meaning for a released checkpoint",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(runs: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        study(**runs)
    assert words in str(caught.value)


def test_a_run_may_start_from_a_released_one() -> None:
    found = study(a=RUN | {"released": "x.pth"}, b=RUN | {"init_from": "a"})
    assert train_step(found, "b").reads["init"] == "results/test/a/model.safetensors"


def test_a_run_that_leads_into_a_circle_but_is_not_in_it_does_not_hang() -> None:
    with pytest.raises(ValidationError, match=r"runs\.b\.init_from: b starts from c"):
        study(a=RUN | {"init_from": "b"}, b=RUN | {"init_from": "c"}, c=RUN | {"init_from": "b"})

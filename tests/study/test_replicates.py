"""Replicates: further trainings are jobs of their own, and everything else stays as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conftest import ROOT
from sphere_repro import seeds
from sphere_repro.errors import UserError
from sphere_repro.strict import parse
from sphere_repro.study import catalogue, jobs
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import Step, StudyFiles
from sphere_repro.study.image_job import images_job
from sphere_repro.study.replicates import is_replicate, name_of, replicate_of, run_of, seed_of


@pytest.fixture
def raw() -> dict[str, Any]:
    """The smoke study as plain data."""
    return load_study(ROOT / "params/smoke.yaml").model_dump(mode="json", exclude_unset=True)


def changed(raw: dict[str, Any], run: str = "digits", **keys: Any) -> dict[str, Any]:
    """The study with keys of a run set."""
    found = copy.deepcopy(raw)
    found["runs"][run] |= keys
    return found


def steps(raw: dict[str, Any]) -> dict[str, Step]:
    return {step.name: step for step in StudyFiles(parse(Study, raw, "here")).steps()}


@pytest.mark.parametrize(
    ("run", "number", "name"), [("a", 0, "a"), ("a-b", 1, "a-b_r1"), ("r1", 12, "r1_r12")]
)
def test_names_say_the_run_and_the_number(run: str, number: int, name: str) -> None:
    assert name_of(run, number) == name
    assert replicate_of(name) == (run, number) and run_of(name) == run
    assert is_replicate(name) == (number > 0)


@pytest.mark.parametrize("name", ["digits_r1", "digits_r0", "a_r12"])
def test_no_run_of_a_study_has_the_name_of_a_replicate(raw: dict[str, Any], name: str) -> None:
    raw["runs"][name] = raw["runs"]["digits"]
    with pytest.raises(UserError, match=f"'{name}' is no name"):
        parse(Study, raw, "here")


def test_nobody_builds_on_a_replicate(raw: dict[str, Any]) -> None:
    more = changed(changed(raw, replicates=2), "digits-vae", baseline_of="digits_r1")
    with pytest.raises(UserError, match="no run is called 'digits_r1'"):
        parse(Study, more, "here")


def test_several_trainings_only_add_jobs(raw: dict[str, Any]) -> None:
    """The first training keeps its names, its parameters and its files; so does everything else."""
    once, thrice = steps(raw), steps(changed(raw, replicates=3))
    assert {name: thrice[name] for name in once} == once
    more = {name: step for name, step in thrice.items() if name not in once}
    assert {step.subject for step in more.values()} == {"digits_r1", "digits_r2"}
    kinds = [step.rule for step in more.values() if step.subject == "digits_r2"]
    assert kinds == ["train", *["sample"] * 4, "score"]  # latents are not judged


def test_trainings_differ_in_their_seed_alone(raw: dict[str, Any]) -> None:
    study = parse(Study, changed(raw, replicates=2), "here")
    first, second = (jobs.train_job(study, name).model_dump() for name in ("digits", "digits_r1"))
    assert {key for key in first if first[key] != second[key]} == {"run", "seed"}
    assert (first["seed"], second["seed"]) == ((0,), (0, "replicate", 1))
    for derive in (
        lambda name: jobs.sample_job(study, name, "generation-1"),
        lambda name: jobs.score_job(study, name, "efficientnet-lite0"),
    ):
        first, second = (derive(name).model_dump() for name in ("digits", "digits_r1"))
        assert {key for key in first if first[key] != second[key]} == {"run", "seed"}


def test_seeds_of_trainings_are_independent() -> None:
    found = {seeds.derive(*seed_of(seed, number), "weights") for seed in (0, 1) for number in range(5)}
    assert len(found) == 10


def test_a_runs_name_is_no_part_of_its_seed(raw: dict[str, Any]) -> None:
    """One recipe under four names was four models, 0.15 apart where the error said 0.01."""
    raw["runs"] |= {name: copy.deepcopy(raw["runs"]["digits"]) for name in ("b", "c", "d")}
    study = parse(Study, raw, "here")
    for derive in (
        lambda name: jobs.train_job(study, name),
        lambda name: jobs.sample_job(study, name, "generation-4-fixed-shared"),
        lambda name: jobs.encode_job(study, name),
        lambda name: jobs.score_job(study, name, "efficientnet-lite0"),
    ):
        assert (
            len(
                {
                    jobs.as_text(derive(name).model_copy(update={"run": "x"}))
                    for name in study.runs
                    if study.runs[name].model.kind == "sphere"
                }
            )
            == 1
        )


def test_a_run_may_have_a_seed_of_its_own(raw: dict[str, Any]) -> None:
    study = parse(Study, changed(raw, seed=7, replicates=2), "here")
    assert jobs.train_job(study, "digits").seed == (7,)
    assert jobs.train_job(study, "digits_r1").seed == (7, "replicate", 1)
    assert jobs.sample_job(study, "digits", "generation-1").seed == (7,)
    assert jobs.train_job(study, "digits-vae").seed == (0,)


def test_a_study_with_replicates_survives_being_written(raw: dict[str, Any]) -> None:
    study = parse(Study, changed(raw, replicates=3), "here")
    written = study.model_dump(mode="json", exclude_unset=True)
    assert list(written["runs"]) == ["digits", "digits-vae"]
    assert parse(Study, written, "here") == study


def test_figures_show_the_first_training_and_compare_all(raw: dict[str, Any]) -> None:
    once, twice = (
        StudyFiles(parse(Study, each, "here"))
        for each in (raw, changed(changed(raw, replicates=2), "digits-vae", replicates=2))
    )
    assert catalogue.wanted(twice).keys() == catalogue.wanted(once).keys()
    for name, figure in catalogue.wanted(twice).items():
        read = " ".join(figure.inputs.values())
        assert ("_r1" in read) == (figure.kind in ("distance-by-steps", "refinement")), name
    assert (twice.judged, twice.encoded, twice.paired) == (once.judged, once.encoded, once.paired)
    scores = ["digits", "digits-vae", "digits_r1", "digits-vae_r1"]
    assert list(twice.scores()) == scores and len(twice.made_by()) == 2 * len(once.made_by())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"replicates": 0}, "runs.digits.replicates"),
        ({"replicates": 101}, "runs.digits.replicates"),
        ({"replicates": 2, "released": "a.pth"}, "replicates has no meaning for a released checkpoint"),
        ({"seed": -1}, "runs.digits.seed"),
    ],
)
def test_what_cannot_be(raw: dict[str, Any], keys: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(Study, changed(raw, **keys), "here")


def test_image_sets_follow_the_runs_seed_and_not_its_name(raw: dict[str, Any]) -> None:
    raw["runs"]["digits"]["sampling"] |= {"interpolations": [{"name": "a", "points": 5}]}
    raw["runs"] |= {"b": copy.deepcopy(raw["runs"]["digits"])}
    study = parse(Study, changed(raw, "b", seed=7), "here")
    assert [images_job(study, name).seed for name in ("digits", "b")] == [(0,), (7,)]

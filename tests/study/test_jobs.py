"""Jobs: each knows what it needs and nothing more, and says it in the same words every time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from conftest import ROOT
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.sources import SOURCES
from sphere_repro.strict import Strict
from sphere_repro.study import jobs
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.image_job import images_job
from sphere_repro.study.prior_path import PRIOR_PATH
from sphere_repro.study.recipe import Execution
from sphere_repro.study.scoring import Score

STUDIES = ("smoke", "demo", "paper", "ablations", "ablations-small", "holes", "holes-small")
DERIVE: dict[str, Callable[[Study], Strict]] = {
    "prepare": lambda study: jobs.prepare_job(study.runs["digits"]),
    "train": lambda study: jobs.train_job(study, "digits"),
    "sample": lambda study: jobs.sample_job(study, "digits", "generation-4-fixed-shared"),
    "reconstruct": lambda study: jobs.sample_job(study, "digits", "reconstruction"),
    "encode": lambda study: jobs.encode_job(study, "digits"),
    "reference": lambda study: jobs.reference_job(study, study.runs["digits"], "efficientnet-lite0"),
    "score": lambda study: jobs.score_job(study, "digits", "efficientnet-lite0"),
    "uniformity": lambda study: jobs.uniformity_job(study, "digits"),
}


@pytest.fixture
def raw() -> dict[str, Any]:
    """The smoke study as plain data."""
    return load_study(ROOT / "params" / "smoke.yaml").model_dump(mode="json", exclude_unset=True)


def texts(raw: dict[str, Any]) -> dict[str, str]:
    study = Study.model_validate(raw)
    return {name: jobs.as_text(derive(study)) for name, derive in DERIVE.items()}


@pytest.mark.parametrize("name", DERIVE)
def test_a_job_survives_being_written(raw: dict[str, Any], name: str) -> None:
    job = DERIVE[name](Study.model_validate(raw))
    text = jobs.as_text(job)
    assert type(job).model_validate(json.loads(text)) == job
    assert jobs.as_text(type(job).model_validate(json.loads(text))) == text
    assert "\n" not in text and text.isascii()
    keys = list(json.loads(text))
    assert keys == sorted(keys)


def test_a_text_without_what_is_as_always() -> None:
    assert jobs.as_text(Execution(), defaults=False) == "{}"
    assert jobs.as_text(Execution(processes=2, grids=10), defaults=False) == '{"processes":2}'


CHANGES: list[tuple[tuple[str, ...], Any, set[str]]] = [
    (("seed",), 9, {"train", "sample", "reconstruct", "encode", "score", "uniformity"}),
    (("runs", "digits", "training", "epochs"), 2, {"train"}),
    (("runs", "digits", "execution", "checkpoint_seconds"), 2, set()),
    (("runs", "digits", "loss", "lat_con"), 0.5, {"train"}),
    (("runs", "digits", "model", "encoder", "layers"), 2, {"train"}),
    (("runs", "digits", "sampling", "count"), 80, {"sample", "reconstruct"}),
    (("runs", "digits", "sampling", "batch_size"), 8, {"sample", "reconstruct"}),
    (("runs", "digits", "sampling", "weights"), "ema", {"sample", "reconstruct", "encode"}),
    (("runs", "digits-vae", "training", "epochs"), 2, set()),
    (("runs", "digits-vae", "sampling", "count"), 80, set()),
    (("score", "kid_subsets"), 7, {"reference", "score"}),
    (("uniformity", "count"), 77, {"encode", "uniformity"}),
    (("uniformity", "null_draws"), 33, {"uniformity"}),
    (("figures",), ["samples"], set()),
]


@pytest.mark.parametrize(("path", "value", "reached"), CHANGES, ids=[".".join(path) for path, *_ in CHANGES])
def test_a_change_reaches_the_jobs_that_use_it_and_no_other(
    raw: dict[str, Any], path: tuple[str, ...], value: Any, reached: set[str]
) -> None:
    changed = copy.deepcopy(raw)
    place = changed
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    before, after = texts(raw), texts(changed)
    assert {name for name in DERIVE if before[name] != after[name]} == reached


def test_another_generation_leaves_the_first_ones_alone(raw: dict[str, Any]) -> None:
    changed = copy.deepcopy(raw)
    changed["runs"]["digits"]["sampling"]["generations"] = [{"steps": 4}, {"steps": 1}, {"steps": 2}]
    before, after = texts(raw), texts(changed)
    assert {name for name in DERIVE if before[name] != after[name]} == {"score"}


def test_only_images_of_ones_own_have_their_content_in_the_job() -> None:
    from sphere_repro.data.dataset import Dataset

    assert jobs.as_text(jobs.PrepareJob(dataset=Dataset(name="digits"))) == (
        '{"dataset":{"name":"digits","resolution":null}}'
    )
    own = Dataset.model_validate({"folder": "cats", "name": "cats", "resolution": 8, "classes": 0})
    texts = [jobs.as_text(jobs.PrepareJob(dataset=own, content=content)) for content in ("a", "b")]
    assert texts[0] != texts[1] and '"content":"a"' in texts[0] and '"folder":"cats"' in texts[0]


@pytest.mark.parametrize("name", STUDIES)
def test_every_set_of_the_projects_studies_has_a_job(name: str) -> None:
    from conftest import ROOT

    study = load_study(ROOT / "params" / f"{name}.yaml")
    for run_name, run in study.runs.items():
        for set_name in run.drawn:
            job = jobs.sample_job(study, run_name, set_name)
            assert (job.generation is not None) == set_name.startswith("generation")
            assert job.generation is None or job.generation.name == set_name
            assert job.prior_path == (run.sampling.prior_path if set_name == PRIOR_PATH else None)
            assert job.prior_path is None or job.count == job.prior_path.images
        scored = jobs.score_job(study, run_name, study.score.extractor)
        assert scored.sets == run.drawn and scored.kind == run.model.kind
        assert scored.prior_path == run.sampling.prior_path
        assert set(scored.generations) == {s for s in run.sets if s.startswith("generation")}
        if run.is_trained:
            assert jobs.train_job(study, run_name).architecture == run.architecture
        elif run.model.kind == "pretrained-vae":
            assert jobs.pretrained_job(study, run_name).pretrained == run.model.pretrained


def test_the_architecture_of_a_job_is_the_datasets(raw: dict[str, Any]) -> None:
    job = jobs.train_job(Study.model_validate(raw), "digits")
    assert job.architecture.image_size == SOURCES["digits"].native_resolution
    assert job.architecture.classes == SOURCES["digits"].classes


def test_the_generator_is_a_part_of_what_draws_and_said_where_it_is_not_torchs(raw: dict[str, Any]) -> None:
    def drawing(study: Study) -> list[Strict]:
        own = [jobs.train_job(study, "digits"), jobs.encode_job(study, "digits")]
        return [*own, jobs.sample_job(study, "digits", "reconstruction"), images_job(study, "digits")]

    before = [job.model_dump(mode="json") for job in drawing(Study.model_validate(raw))]
    assert not any("random" in job for job in before)
    raw["runs"]["digits"]["random"] = "philox"
    after = [job.model_dump(mode="json") for job in drawing(Study.model_validate(raw))]
    assert after == [job | {"random": "philox"} for job in before]


def test_baselines(raw: dict[str, Any]) -> None:
    study = Study.model_validate(raw)
    assert jobs.baseline(study, "digits") == "digits-vae"
    assert jobs.baseline(study, "digits-vae") is None
    assert jobs.uniformity_job(study, "digits").baseline == "digits-vae"


def test_another_extractor_changes_nothing_else() -> None:
    score, digits = Score(kid_subsets=7, batch_size=3), Dataset(name="digits")
    other = jobs.scored_by(score, "efficientnet-lite0", digits)
    assert other.extractor == "efficientnet-lite0"
    assert other.model_dump(exclude={"extractor"}) == score.model_dump(exclude={"extractor"})
    back = jobs.scored_by(other, "inception", digits)
    assert back.model_dump() == jobs.scored_by(score, "inception", digits).model_dump()


def test_an_imagenet_that_was_prepared_as_jpeg_is_another_job() -> None:
    """The study says nothing else; the archive's name is the same. Archives of the other datasets stay."""
    run = load_study(ROOT / "params" / "paper.yaml").runs["imagenet-large"]
    job = jobs.prepare_job(run)
    once = {"dataset": run.dataset.model_dump(mode="json")}
    assert job.model_dump(mode="json") == once | {"format": "webp"}
    assert jobs.PrepareJob.model_validate(json.loads(jobs.as_text(job))) == job
    with pytest.raises(ValueError, match="format is png, but imagenet is stored as webp"):
        jobs.PrepareJob.model_validate(once)
    digits = jobs.PrepareJob(dataset=Dataset(name="digits"))
    assert "format" not in digits.model_dump(mode="json")

"""Which runs have curves to draw, what these figures read, and that the gallery is of the demo's model."""

from __future__ import annotations

import pytest

from conftest import ROOT
from sphere_repro.study import catalogue, curves, jobs
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.replicates import run_of


def of(name: str) -> StudyFiles:
    return StudyFiles(load_study(ROOT / f"params/{name}.yaml"))


def test_a_curve_takes_two_numbers_of_steps_of_one_scheme() -> None:
    assert curves.refined(of("demo")) == ["digits", "photo-patches"]
    assert curves.refined(of("smoke")) == []  # one and four
    assert "cifar10-base" in curves.refined(of("paper"))


def test_guidance_takes_two_guided_sets_of_as_many_steps() -> None:
    assert curves.guided(of("demo")) == []
    assert curves.guided(of("gallery")) == ["digits"]
    assert curves.guided(of("ablations-small")) == ["baseline"]
    assert curves.guided(of("paper")) == ["cifar10-base"]


def test_sets_of_another_guidance_are_not_read() -> None:
    found = catalogue.figures(of("gallery"))["refinement-digits"].inputs
    assert len(found) == 37 + 3 + 1 and "scores" in found
    assert not any("combo" in name or "dec" in name for name in found)
    guided = catalogue.figures(of("paper"))["refinement-cifar10-base"].inputs
    assert all(name.endswith("combo1.2") for name in guided if name != "scores")


def test_every_training_is_read_and_the_first_ones_images() -> None:
    found = catalogue.figures(of("ablations"))["refinement-baseline"].inputs
    assert {"scores", "scores_r1", "scores_r2"} <= found.keys()
    assert not any("_r1/samples" in path for path in found.values())


def test_the_angle_is_read_from_the_models_own_records() -> None:
    files = of("ablations-small")
    found = catalogue.figures(files)["noise-angle"].inputs
    runs = ["baseline", "angle-75", "angle-83", "angle-85", "angle-87"]
    assert [*found] == [*runs, *(f"model.{run}" for run in runs)]
    assert "noise-angle" not in catalogue.figures(of("demo"))
    several = catalogue.figures(of("ablations"))["noise-angle"].inputs
    assert "angle-75_r2" in several and "model.angle-75_r2" not in several
    assert "reconstruction-alone" not in several


@pytest.mark.parametrize(("name", "sphere"), [("holes", "animal-faces-base"), ("holes-small", "sphere")])
def test_a_trade_off_is_of_vaes_and_what_stands_beside_them(name: str, sphere: str) -> None:
    files = of(name)
    found = catalogue.figures(files)[f"trade-off-{sphere}"].inputs
    roles = [key.partition(".")[0] for key in found]
    assert [roles.count(role) for role in ("sphere", "spherified", "autoencoder", "vae", "model")] == [
        3, 1, 1, 7, 7,
    ]  # fmt: skip
    assert f"sphere.{sphere}_r2" in found and "spherified.spherified" in found
    weights = {files.study.runs[run].loss.kl for run in files.first}
    assert len(weights - {0}) == 7 and max(weights) / min(weights - {0}) >= 1e5


def test_one_weight_is_no_trade_off() -> None:
    for name in ("demo", "paper", "ablations"):
        assert curves.weighed(of(name)) == []


@pytest.mark.parametrize("name", ["holes", "holes-small"])
def test_models_of_a_trade_off_differ_in_nothing_but_their_kind_and_weight(name: str) -> None:
    runs = {run: each for run, each in of(name).study.runs.items() if each.ablation is None}
    shapes = {
        each.architecture.model_copy(update={"kind": "sphere"}).model_dump_json() for each in runs.values()
    }
    lengths = {(each.recipe.epochs, each.recipe.batch_size, each.dataset) for each in runs.values()}
    assert len(shapes) == len(lengths) == 1
    vaes = [each for each in runs.values() if each.model.kind != "sphere"]
    same = {each.loss.model_copy(update={"kl": 0.0}).model_dump_json() for each in vaes}
    assert len(same) == 1 and len({each.recipe.model_dump_json() for each in vaes}) == 1


def test_trainings_of_other_lengths_have_their_latents_measured_but_not_judged() -> None:
    files = of("evening")
    others = ["digits-half", "digits-quarter", "digits-tenth"]
    assert curves.of_other_length(files) == others
    assert files.measured == [*files.judged, *others] and not set(others) & set(files.judged)
    assert set(files.measured) <= set(files.encoded)
    found = catalogue.figures(files)["training-length"].inputs
    runs = ["digits", *others]
    wanted = [f"{part}.{run}" for part in ("curves", "latents") for run in runs]
    assert [*found] == [*runs, *wanted]
    assert "training-length" not in catalogue.figures(of("demo"))


def test_the_evening_is_the_demos_recipe_for_longer() -> None:
    demo, evening = load_study(ROOT / "params/demo.yaml"), load_study(ROOT / "params/evening.yaml")
    for name, run in demo.runs.items():
        ours, theirs = jobs.train_job(evening, name), jobs.train_job(demo, name)
        assert ours.training.epochs >= 10 * theirs.training.epochs
        longer = {"epochs": theirs.training.epochs, "warmup_epochs": theirs.training.warmup_epochs}
        assert ours.model_copy(update={"training": ours.training.model_copy(update=longer)}) == theirs, run


def test_the_replicates_are_the_demos_runs() -> None:
    demo = load_study(ROOT / "params/demo.yaml")
    replicates = load_study(ROOT / "params/demo-replicates.yaml")
    assert {run_of(name) for name in replicates.runs} == set(demo.runs)
    assert len(replicates.runs) == 5 * len(demo.runs)
    for name, run in demo.runs.items():
        assert jobs.train_job(replicates, name) == jobs.train_job(demo, name)
        assert replicates.runs[name].sampling == run.sampling
    assert (replicates.score, replicates.uniformity) == (demo.score, demo.uniformity)


def test_the_gallery_is_of_the_demos_model() -> None:
    """The same jobs: the same model to the last bit, and the same images of sets that both draw."""
    demo, gallery = load_study(ROOT / "params/demo.yaml"), load_study(ROOT / "params/gallery.yaml")
    assert jobs.train_job(demo, "digits") == jobs.train_job(gallery, "digits")
    name = "generation-4-linear-shared"
    ours = jobs.sample_job(gallery, "digits", name)
    assert ours.model_copy(update={"count": 1797}) == jobs.sample_job(demo, "digits", name)

"""Which runs have curves to draw, what these figures read, and that the gallery is of the demo's model."""

from __future__ import annotations

from conftest import ROOT
from sphere_repro.study import catalogue, curves, jobs
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles


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


def test_the_gallery_is_of_the_demos_model() -> None:
    """The same jobs: the same model to the last bit, and the same images of sets that both draw."""
    demo, gallery = load_study(ROOT / "params/demo.yaml"), load_study(ROOT / "params/gallery.yaml")
    assert jobs.train_job(demo, "digits") == jobs.train_job(gallery, "digits")
    name = "generation-4-linear-shared"
    ours = jobs.sample_job(gallery, "digits", name)
    assert ours.model_copy(update={"count": 1797}) == jobs.sample_job(demo, "digits", name)

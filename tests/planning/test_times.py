"""Time limits of long jobs: the planner's estimate, a factor, a least and a most; and what jobs do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.machine.devices import DEVICES
from sphere_repro.metrics import control_images, memorisation, recognition
from sphere_repro.planning import needs, perceptual_cost, times, work
from sphere_repro.planning.archives import archive_bytes
from sphere_repro.planning.need import Need
from sphere_repro.planning.plan import Plan
from sphere_repro.planning.times import Asked, Limits, read_limits
from sphere_repro.planning.work import Work, work_of
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.objective import Perceptual

PAPER = load_study(ROOT / "params/paper.yaml")
SMOKE = load_study(ROOT / "params/smoke.yaml")
LIMITS = Limits(device="a100-80gb", factor=3, least_hours=1, most_hours=24)
LONG = ("prepare", "train", "sample", "encode", "reference", "score")
IMAGES = {
    "cifar10-32px": 50_000, "animal-faces-256px": 16_130, "oxford-flowers-256px": 8189,
    "imagenet-256px": 1_281_167, "digits-8px": 1797,
}  # fmt: skip


def changed(study: Study, run: str, **settings: Any) -> Study:
    raw = study.model_dump(mode="json", exclude_unset=True)
    raw["runs"][run].setdefault("sampling", {}).update(settings)
    return Study.model_validate(raw)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Need]]:
    """What the planner says of each job, by study and record."""
    folder = tmp_path_factory.mktemp("nothing")
    return {one.study: {need.record: need for need in needs.needs(one, folder)} for one in (SMOKE, PAPER)}


@pytest.mark.parametrize("study", [SMOKE, PAPER], ids=["smoke", "paper"])
def test_long_jobs_do_what_the_planner_says(study: Study, planned: dict[str, dict[str, Need]]) -> None:
    """FLOPs of every job, counted without torch, against those of the planner."""
    compared = 0
    for step in StudyFiles(study).steps():
        if step.rule not in LONG or step.record not in planned[study.study]:
            continue
        need = planned[study.study][step.record]
        found = work_of(step, study, IMAGES[work.run_of(step, study).dataset.archive])
        assert found.flops == pytest.approx(need.flops, rel=0.01), step.name
        assert (found.tf32, found.devices) == (need.tf32, need.devices), step.name
        assert found.half == pytest.approx(need.half, rel=0.01), step.name
        compared += 1
    assert compared > 10


@pytest.mark.parametrize("pixels", [16, 32, 256])
@pytest.mark.parametrize("without", [{}, {"lpips_weight": 0}, {"convnext_weight": 0}])
def test_perceptual_networks_are_counted_again(pixels: int, without: dict[str, float]) -> None:
    for network in ("lpips-convnext", *(() if without else ("efficientnet-lite1",))):
        settings = Perceptual.model_validate({"network": network, **without})
        for terms in (1, 2):
            counted = perceptual_cost.perceptual_flops(settings, pixels, terms)
            assert work.perceptual_flops(settings, pixels, terms) == pytest.approx(counted, rel=0.01)


def test_a_classifier_is_made_of_as_many_images_as_the_planner_says() -> None:
    assert work.JUDGED == recognition.MOST_IMAGES
    found = (work.PLANTED, work.NOISE_IMAGES, work.CONTROLS, work.COMPARED_SIDE)
    few = (control_images.PLANTED, control_images.NOISE_IMAGES)
    named = (*few, memorisation.MOST_CONTROLS, control_images.SIDE)
    assert found == named


def test_paths_to_the_prior_take_features_and_a_search_and_no_distance() -> None:
    few, many = (changed(SMOKE, "digits-vae", prior_path={"paths": n, "points": 10}) for n in (10, 110))
    found = []
    for study in (few, many):
        step = next(one for one in StudyFiles(study).steps() if one.name.startswith("score-digits-vae"))
        found.append(work_of(step, study, 1797))
    run, dimension = SMOKE.runs["digits-vae"], work.EXTRACTORS["efficientnet-lite0"].dimension
    taken = work.extracting("efficientnet-lite0", 1000, run)
    assert found[1].flops - found[0].flops == taken.flops
    searched = 2 * 128 * 1000 * dimension / work.PROCESSOR
    assert found[1].handled - found[0].handled == pytest.approx(taken.handled + searched)


def test_a_limit_is_a_factor_times_the_estimate_within_bounds() -> None:
    gpu = DEVICES["a100-80gb"]

    def of(hours: float) -> int:
        return LIMITS.minutes(Work(flops=int(hours * 3600 * gpu.float32 * times.UTILISATION)))

    assert of(0) == 60  # ten minutes to begin, times 3, is less than an hour
    assert of(1) == pytest.approx(3 * 60 + 30, abs=1)
    assert of(100) == 24 * 60
    shared = Work(flops=int(4 * 3600 * gpu.float32 * times.UTILISATION), devices=4)
    assert LIMITS.minutes(shared) == pytest.approx(3 * 60 + 30, abs=1)
    read = Work(handled=3600.0 * 8, processors=8)
    assert LIMITS.minutes(read) == pytest.approx(3 * 60 + 30, abs=1)


def test_lower_precision_takes_less_time() -> None:
    gpu = DEVICES["a100-80gb"]
    assert gpu.tf32 == 156e12
    found = [
        times.seconds_on(gpu, Work(flops=312 * 10**12, **kind))
        for kind in ({}, {"tf32": 312 * 10**12}, {"half": 312 * 10**12})
    ]
    assert found == pytest.approx([16, 2, 1])
    old = DEVICES["v100"]  # neither: its float32 rate
    assert times.seconds_on(old, Work(flops=10**12, tf32=10**12)) == pytest.approx(1 / 15.7)


def limit(study: Study, name: str, folder: Path, limits: Limits = LIMITS) -> int:
    asked = Asked(study, limits, folder)
    (step,) = [step for step in StudyFiles(study).steps() if step.name == name]
    return asked.minutes(step)


def test_imagenet_has_the_time_it_takes(tmp_path: Path, planned: dict[str, dict[str, Need]]) -> None:
    """By the planner XL at 4 steps takes 31 h on an A100: four GPUs or bfloat16 bring it within a day."""
    name = "sample-imagenet-xlarge.generation-4-fixed-shared-combo1.4"
    assert limit(PAPER, name, tmp_path) == 24 * 60  # and another turn
    (need,) = [
        one
        for one in planned["paper"].values()
        if (one.run, one.subject) == ("imagenet-xlarge", "generation-4-fixed-shared-combo1.4")
    ]
    hours = Plan("paper", DEVICES["a100-80gb"], 0.35, [need], []).seconds(need) / 3600
    assert hours > 24
    for settings, share in (({"processes": 8}, 8), ({"precision": "bfloat16"}, 16)):
        found = limit(changed(PAPER, "imagenet-xlarge", **settings), name, tmp_path)
        assert 60 * 3 * hours / share < found < 60 * 3 * hours / share + 240


def test_small_jobs_have_the_least(tmp_path: Path) -> None:
    for step in StudyFiles(SMOKE).steps():
        if step.rule in LONG:
            assert Asked(SMOKE, LIMITS, tmp_path).minutes(step) == 60


def test_disk_of_a_set_is_its_archive_and_its_parts(
    tmp_path: Path, planned: dict[str, dict[str, Need]]
) -> None:
    (step,) = [one for one in StudyFiles(PAPER).steps() if one.name == "sample-imagenet-large.generation-1"]
    asked = Asked(PAPER, LIMITS, tmp_path).disk_mb(step)
    assert asked == pytest.approx(2 * archive_bytes(50_000, 256) / 1e6, abs=1)
    (need,) = [
        one
        for one in planned["paper"].values()
        if (one.run, one.subject) == ("imagenet-large", "generation-1")
    ]
    assert need.disk + need.working == pytest.approx(asked * 1e6, rel=1e-3)


def test_where_nobody_knows_how_many_images_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> int:
        raise UserError("known once it is prepared")

    monkeypatch.setattr(times, "image_count", unknown)
    assert limit(SMOKE, "train-digits", tmp_path) == 24 * 60


def test_prepared_images_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "data/prepared/digits-8px.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"images": 10**9}))
    assert limit(SMOKE, "prepare-digits-8px", tmp_path) == 24 * 60
    calls: list[object] = []
    original: Callable[..., int] = times.image_count
    monkeypatch.setattr(times, "image_count", lambda *given: calls.append(given) or original(*given))
    asked = Asked(SMOKE, LIMITS, tmp_path)
    for step in StudyFiles(SMOKE).steps():
        if step.rule in LONG:
            asked.minutes(step)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("device: h10\nfactor: 3\nleast_hours: 1\nmost_hours: 24", "no 'h10' is known; did you mean .*h100"),
        ("device: h100\nfactor: 0\nleast_hours: 1\nmost_hours: 24", "factor"),
        ("device: h100\nfactor: 1\nleast_hours: 3\nmost_hours: 2", "least_hours 3 is more than most_hours 2"),
        ("device: h100\nfactor: 1\nleast_hours: 3", "most_hours is missing"),
        ("device: [", "not readable YAML"),
    ],
)
def test_limits_that_make_no_sense(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "limits.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_limits(tmp_path / "limits.yaml")
    with pytest.raises(UserError, match="not readable"):
        read_limits(tmp_path / "missing.yaml")


def test_the_profiles_limits() -> None:
    assert read_limits(ROOT / "profiles/slurm/limits.yaml") == LIMITS


def test_the_workflow_need_not_load_torch_to_ask_for_time() -> None:
    code = "import sys, sphere_repro.planning.times; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "src")})

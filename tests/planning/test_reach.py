"""Steps and scaled rates, and whether both are far below what is known to work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.planning import plan, reach
from sphere_repro.planning.counts import image_count
from sphere_repro.study.config import Run, load_study
from sphere_repro.study.schedule import schedule


def found(study: str) -> dict[str, reach.Reach]:
    return {
        item.run: item for item in reach.reaches(load_study(ROOT / f"params/{study}.yaml"), Path("/none"))
    }


def test_known_recipes_are_those_of_the_studies() -> None:
    studies = {(item.steps, item.rate) for name in ("paper", "demo") for item in found(name).values()}
    assert {(known.steps, known.rate) for known in reach.KNOWN} <= studies
    least = min(item.product for name in ("paper", "demo") for item in found(name).values())
    assert reach.LEAST.product == pytest.approx(least)


@pytest.mark.parametrize("study", ["paper", "demo", "ablations", "ablations-small", "holes-small"])
def test_known_studies_are_not_warned_of(study: str) -> None:
    assert reach.warnings(found(study).values()) == []


def test_steps_and_rate_are_those_of_the_training() -> None:
    for name, run in load_study(ROOT / "params/demo.yaml").runs.items():
        images = image_count(run, Path("/none"))
        wanted = schedule(run.training, images // run.training.batch_size)
        item = reach.reach(name, run, images)
        assert (item.steps, item.rate) == (wanted.total_steps, wanted.maximum)


def own(tmp_path: Path, **training: object) -> Run:
    for index in range(48):
        place = tmp_path / "own" / f"class-{index % 3}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), index, dtype=np.uint8)).save(place / f"{index}.png")
    loss = {"pix_recon_perceptual": 0, "pix_con_perceptual": 0}
    dataset = {"folder": str(tmp_path / "own"), "resolution": 8}
    return Run.model_validate({"dataset": dataset, "loss": loss, "training": training})


def test_own_images_are_counted_as_they_lie(tmp_path: Path) -> None:
    run = own(tmp_path, epochs=6, warmup_epochs=1, batch_size=16)
    assert image_count(run, tmp_path) == 48
    item = reach.reach("own", run, 48)
    assert str(item) == "18 steps of 16 images, rate 6.25e-06 (0.0001 · 16/256)"
    assert item.far_below and "far below every recipe that is known to work" in item.warning
    archive = tmp_path / "own.zip"
    write_archive(archive, np.zeros((5, 8, 8, 3), dtype=np.uint8), None)
    zipped = run.model_copy(update={"dataset": type(run.dataset)(zip=str(archive))})
    assert image_count(zipped, tmp_path) == 5


def test_a_batch_larger_than_the_images_leaves_no_step(tmp_path: Path) -> None:
    item = reach.reach("own", own(tmp_path, epochs=20, batch_size=64), 48)
    assert item.steps == 0 and item.far_below


def test_a_high_rate_or_many_steps_are_enough(tmp_path: Path) -> None:
    few = own(tmp_path, epochs=200, warmup_epochs=1, batch_size=16, learning_rate=2.4e-2)
    assert not reach.reach("few", few, 48).far_below
    many = own(tmp_path, epochs=20_000, batch_size=16)
    assert not reach.reach("many", many, 48).far_below


def study_of_own(tmp_path: Path) -> Path:
    own(tmp_path, epochs=20)
    path = tmp_path / "own.yaml"
    path.write_text(
        "study: own\nruns:\n  stamps:\n    dataset: {folder: "
        f"{tmp_path / 'own'}, resolution: 8}}\n"
        "    loss: {pix_recon_perceptual: 0, pix_con_perceptual: 0}\n"
        "    model: {encoder: {width: 32, layers: 1, heads: 2}, decoder: {width: 32, layers: 1, heads: 2}}\n"
        "    training: {epochs: 6, warmup_epochs: 1, batch_size: 16}\n"
        "    sampling: {count: 20}\n"
        "score: {extractor: efficientnet-lite0}\n"
    )
    return path


def test_check_and_plan_show_both_and_warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = study_of_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = cli.verbs()["check"].run(cli.parser().parse_args(["check", str(path)]))
    assert "    training: 18 steps of 16 images, rate 6.25e-06 (0.0001 · 16/256)" in text
    assert "stamps: 18 steps at a rate of 6.25e-06 are far below every recipe" in text
    made = plan.plan(load_study(path), "h100", folder=tmp_path)
    assert "training stamps: 18 steps of 16 images" in plan.as_text(made)
    assert "far below every recipe" in plan.as_text(made)
    assert '"far_below": true' in plan.as_json(made)


def test_check_of_a_good_study_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = str(ROOT / "params/demo.yaml")
    text = cli.verbs()["check"].run(cli.parser().parse_args(["check", demo]))
    assert "training: 1680 steps of 32 images, rate 0.006 (0.048 · 32/256)" in text
    assert "far below" not in text

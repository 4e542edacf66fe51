"""What a study may say of image sets, and where their images come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.planning import image_needs
from sphere_repro.planning.needs import needs
from sphere_repro.planning.outside import outside, outside_paths, refuse_missing
from sphere_repro.strict import parse
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.image_job import images_job
from sphere_repro.study.places import Places, record_of

SMOKE = load_study(ROOT / "params" / "smoke.yaml")
EDIT = {"name": "a", "dataset": "digits", "indices": [0, 5]}


def study(run: str = "digits", **sampling: Any) -> Study:
    """The smoke study with image sets of one run alone."""
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    for each in raw["runs"].values():
        for key in ("edits", "crossovers", "interpolations", "reconstructions"):
            each["sampling"].pop(key, None)
    raw["runs"][run]["sampling"] |= sampling
    return parse(Study, raw, "the study")


def test_a_run_without_image_sets_has_no_job_for_them() -> None:
    files = StudyFiles(study())
    assert files.shown == []
    assert not [step for step in files.steps() if step.rule == "images"]


def test_one_job_draws_all_sets_of_a_run() -> None:
    chosen = study(edits=[EDIT], interpolations=[{"name": "a"}], reconstructions=[EDIT | {"indices": [3]}])
    (step,) = [step for step in StudyFiles(chosen).steps() if step.rule == "images"]
    assert step.makes == ("results/smoke/digits/images.json", "results/smoke/digits/images")
    assert step.record == "results/smoke/digits/images.json"
    assert step.name == "images-digits"
    assert step.reads["data"] == ["data/prepared/digits-8px.zip"]
    job = images_job(chosen, "digits")
    assert [each.set for each in job.sets] == ["edit-a", "interpolation-a", "reconstruction-a"]
    assert job.archives == {"edit-a": "digits-8px", "reconstruction-a": "digits-8px"}


def test_records_of_files_and_of_folders() -> None:
    assert record_of("a.b/c.zip") == "a.b/c.json"
    assert record_of("a.b/c") == "a.b/c.json"


@pytest.mark.parametrize(
    ("run", "sets", "said"),
    [
        ("digits", {"edits": [EDIT | {"dataset": "digit"}]}, "no run of this study is on 'digit'; did you"),
        ("digits", {"edits": [EDIT | {"indices": [0, 1797]}]}, "has images 0 to 1796"),
        ("digits", {"edits": [EDIT | {"classes": [10]}]}, "class 10; the classes are 0 to 9"),
        ("digits", {"edits": [EDIT | {"steps": 0}]}, "steps"),
        ("digits", {"edits": [EDIT | {"inputs": "here"}]}, "either dataset"),
        ("digits", {"edits": [{"name": "a"}]}, "either dataset"),
        ("digits", {"edits": [{"name": "a", "dataset": "digits"}]}, "a dataset needs them"),
        ("digits", {"edits": [EDIT, EDIT]}, "'edit-a' is there twice"),
        ("digits", {"edits": [EDIT | {"schemes": [{}, {}]}]}, "a scheme is listed twice"),
        ("digits", {"crossovers": [EDIT | {"indices": [1]}]}, "indices are pairs"),
        ("digits", {"crossovers": [EDIT | {"cuts": ["diagonal", "diagonal"]}]}, "a cut is listed twice"),
        ("digits", {"crossovers": [EDIT | {"passes": 0}]}, "passes"),
        ("digits", {"crossovers": [EDIT | {"negatives": True}]}, "unknown key 'negatives'"),
        ("digits", {"interpolations": [{"name": "a", "form": "cube"}]}, "form"),
        ("digits", {"interpolations": [{"name": "a", "generations": [{"steps": 1}] * 2}]}, "listed twice"),
        ("digits-vae", {"edits": [EDIT]}, "sampling.edits has no meaning for a VAE"),
        ("digits-vae", {"interpolations": [{"name": "a"}]}, "sampling.interpolations has no meaning"),
    ],
)
def test_what_no_study_may_say(run: str, sets: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        study(run, **sets)


def test_an_unconditional_model_has_no_classes_and_no_guidance() -> None:
    raw = study(edits=[EDIT | {"classes": [1]}]).model_dump(mode="json", exclude_unset=True)
    raw["runs"]["digits"]["model"]["conditional"] = False
    with pytest.raises(UserError, match="'edit-a' asks for classes, but the model is unconditional"):
        parse(Study, raw, "the study")
    raw["runs"]["digits"]["sampling"]["edits"] = []
    guided = {"name": "a", "generations": [{"steps": 1, "guidance": {"scale": 2}}]}
    raw["runs"]["digits"]["sampling"]["interpolations"] = [guided]
    with pytest.raises(UserError, match="asks for guidance"):
        parse(Study, raw, "the study")


def test_a_dataset_at_several_resolutions_is_the_runs_own() -> None:
    raw = study(edits=[EDIT]).model_dump(mode="json", exclude_unset=True)
    raw["runs"]["larger"] = raw["runs"]["digits"] | {"dataset": {"name": "digits", "resolution": 8}}
    raw["runs"]["larger"]["dataset"] = {"name": "digits", "resolution": 8, "resize": "box"}
    both = parse(Study, raw, "the study")
    assert images_job(both, "digits").archives["edit-a"] == "digits-8px"
    assert images_job(both, "larger").archives["edit-a"] == both.runs["larger"].dataset.archive


def test_own_images_are_part_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = study(reconstructions=[{"name": "a", "inputs": "mine"}])
    with pytest.raises(UserError, match=r"runs\.digits\.sampling: mine does not exist"):
        refuse_missing(chosen)
    assert outside(chosen).inputs == {"mine": None}
    (tmp_path / "mine").mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "mine" / "a.png")
    refuse_missing(chosen)
    assert outside_paths(chosen) == ["mine"]
    before = outside(chosen)
    step = next(each for each in StudyFiles(chosen, before).steps() if each.rule == "images")
    assert step.job.model_dump()["contents"] == dict(before.inputs)
    Image.fromarray(np.ones((4, 4, 3), np.uint8)).save(tmp_path / "mine" / "a.png")
    assert outside(chosen).inputs != before.inputs


def test_without_own_images_what_was_made_of_them_says_which_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = study(reconstructions=[{"name": "a", "inputs": "mine"}])
    record = tmp_path / record_of(Places("smoke").images("digits"))
    record.parent.mkdir(parents=True)
    record.write_text('{"job": {"contents": {"mine": "abc"}}}')
    assert outside(chosen).inputs == {"mine": "abc"}
    refuse_missing(chosen)


def test_what_image_sets_need(tmp_path: Path) -> None:
    chosen = study(
        edits=[EDIT | {"steps": 4, "negatives": True}],
        crossovers=[EDIT | {"passes": 3}],
        interpolations=[{"name": "a", "points": 5, "paths": 2}, {"name": "b", "form": "square", "points": 3}],
        reconstructions=[EDIT | {"passes": 7}],
    )
    (need,) = [each for each in needs(chosen, tmp_path) if each.job == "images"]
    edits, crossed = 2 * 10 * 4 * 5, 6 * 1 * 4
    assert need.images == edits + crossed + 2 * 2 * 5 + 2 * 9 + 2 * 8
    shape = chosen.runs["digits"].architecture
    encoder = image_needs.flops.encoder_call(shape).forward
    decoder = image_needs.flops.decoder_call(shape).forward
    passes = 2 * 10 * 4 * 4 + 6 * 3 + 2 * 7  # of one encoding and one decoding
    lines = 10 * (1 + 4) * decoder + 10 * 3 * encoder + 2 * 10 * encoder  # drawn, and encoded for their speed
    squares = 9 * (1 + 4) * decoder + 9 * 3 * encoder
    assert need.flops == passes * (encoder + decoder) + lines + squares
    assert not need.notes

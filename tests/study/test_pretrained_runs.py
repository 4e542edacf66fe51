"""Runs of autoencoders that others trained: what a study may say of them, and the jobs that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sphere_repro.errors import UserError
from sphere_repro.planning.needs import needs
from sphere_repro.planning.outside import outside, outside_paths, refuse_missing
from sphere_repro.planning.times import Asked, Limits
from sphere_repro.strict import parse
from sphere_repro.study import catalogue, jobs
from sphere_repro.study.config import Study
from sphere_repro.study.files import StudyFiles
from tiny_autoencoders import saved

HUB = {"kind": "pretrained-vae", "source": "owner/name", "revision": "a" * 40, "subfolder": "vae"}
LOCAL = {"kind": "pretrained-vae", "source": "./mine"}
SIZE = {"width": 16, "layers": 1, "heads": 2}
LITTLE = {"encoder": SIZE, "decoder": SIZE}
DATASET = {"name": "digits", "resolution": 8}


def study(model: dict[str, Any] = HUB, **changes: Any) -> Study:
    return parse(Study, written(model, **changes), "here")


def written(model: dict[str, Any] = HUB, **changes: Any) -> dict[str, Any]:
    sphere = {
        "dataset": DATASET,
        "model": LITTLE,
        "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
        "training": {"epochs": 20},
        "sampling": {"count": 100, "generations": [{"steps": 1}]},
    }
    theirs = {"dataset": DATASET, "model": model, "sampling": {"count": 100}} | changes
    return {"study": "holes", "runs": {"digits": sphere, "theirs": theirs}, "figures": ["posterior-hole"]}


def test_its_jobs_and_sets() -> None:
    found = study()
    files = StudyFiles(found)
    steps = {step.name: step for step in files.steps() if step.subject == "theirs"}
    assert found.runs["theirs"].sets == ("reconstruction", "prior", "posterior")
    assert [*steps] == [
        *("import_pretrained-theirs", "sample-theirs.reconstruction", "sample-theirs.prior"),
        *("sample-theirs.posterior", "encode-theirs", "score-theirs.inception"),
    ]
    made_of = steps["import_pretrained-theirs"]
    assert dict(made_of.reads) == {"raw": "data/pretrained/owner--name--vae@aaaaaaaaaaaa.json"}
    assert [*files.fetched] == ["owner--name--vae@aaaaaaaaaaaa"]
    assert (files.trained, files.imported, files.pretrained) == (["digits"], [], ["theirs"])
    assert jobs.as_text(steps["sample-theirs.prior"].job).count("pretrained-vae") == 1


def test_a_folder_of_ones_own_is_a_part_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = study(LOCAL)
    assert StudyFiles(found).fetched == {} and outside_paths(found) == ["mine"]
    with pytest.raises(UserError, match=r"runs\.theirs\.model\.source: \./mine: mine does not exist"):
        refuse_missing(found)
    saved(tmp_path / "mine")
    refuse_missing(found)
    first = outside(found).checkpoints["theirs"]
    saved(tmp_path / "mine", latent_channels=2)
    assert first and outside(found).checkpoints["theirs"] not in (None, first)
    with pytest.raises(UserError, match="Use 'sphere-repro import'"):
        jobs.train_job(found, "theirs")
    with pytest.raises(UserError, match="is no pretrained-vae"):
        jobs.pretrained_job(found, "digits")


def test_figures_with_and_without_a_sphere_encoder() -> None:
    alone, paired = StudyFiles(study()), StudyFiles(study(baseline_of="digits"))
    figures = catalogue.figures(alone)
    assert {key.partition(".")[0] for key in figures["posterior-hole-theirs"].inputs} == {
        "real",
        "vae",
        "scores",
    }
    assert "posterior-hole-digits" not in figures
    beside = catalogue.figures(paired)["posterior-hole-theirs"].inputs
    assert {"sphere.generation-1", "vae.prior", "scores.sphere", "scores.vae"} <= {*beside}
    assert paired.baseline("digits") is None  # whose latents are judged beside it: of the same backbone only
    together = figures["posterior-hole-models"].inputs
    assert [key for key in together if key.endswith(".scores")] == ["digits.scores", "theirs.scores"]
    assert {"digits.generation-1", "theirs.posterior"} <= {*together}


def test_no_page_where_there_is_no_vae() -> None:
    raw = written()
    del raw["runs"]["theirs"]
    assert "posterior-hole-models" not in catalogue.figures(StudyFiles(parse(Study, raw, "here")))


def test_the_planner_says_that_it_does_not_know(tmp_path: Path) -> None:
    found = [need for need in needs(study(), tmp_path) if need.run == "theirs"]
    assert [(need.job, need.flops > 0) for need in found] == [
        *(("import", False), ("sample", False), ("sample", False), ("sample", False), ("score", True))
    ]
    assert [need.images for need in found[1:4]] == [100, 100, 1897]
    assert "unknown, and not counted" in found[0].notes[0]


def test_a_cluster_gives_it_the_longest_time(tmp_path: Path) -> None:
    found = study()
    limits = Limits(device="h100", factor=2, least_hours=1, most_hours=7)
    asked = Asked(found, limits, tmp_path)
    minutes = {step.name: asked.minutes(step) for step in StudyFiles(found).steps() if step.rule == "sample"}
    assert minutes["sample-theirs.prior"] == 7 * 60 > minutes["sample-digits.generation-1"]


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        ({"kind": "pretrained-vae"}, {}, "source is missing"),
        ({**HUB, "encoder": "base"}, {}, "encoder has no meaning for a pretrained-vae"),
        ({**HUB, "source": "name"}, {}, "is neither OWNER/NAME on the hub nor a folder"),
        ({**LOCAL, "revision": "main"}, {}, "revision has no meaning for a folder"),
        ({**HUB, "sha256": {"config.json": "no digest"}}, {}, "sha256.config.json"),
        (HUB, {"training": {"epochs": 20}}, "training has no meaning for a pretrained-vae"),
        (HUB, {"loss": {}}, "loss has no meaning for a pretrained-vae"),
        (HUB, {"replicates": 2}, "replicates has no meaning for a pretrained-vae"),
        (HUB, {"released": "a.pth"}, "released has no meaning for a pretrained-vae"),
        (
            HUB,
            {"sampling": {"generations": [{"steps": 1}]}},
            "sampling.generations has no meaning for a pretrained-vae",
        ),
        (HUB, {"sampling": {"weights": "ema"}}, "sampling.weights has no meaning"),
        (HUB, {"baseline_of": "theirs"}, "'theirs' is no Sphere Encoder"),
        (LITTLE | {"source": "a/b"}, {"training": {"epochs": 20}}, "source is of a pretrained-vae"),
        (LITTLE, {}, "training is missing"),
    ],
)
def test_what_a_study_may_not_say(model: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as told:
        study(model, **changes)
    assert words in str(told.value) and "\n" not in str(told.value)

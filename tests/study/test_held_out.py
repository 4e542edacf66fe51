"""What a study says of images that are held out, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from conftest import ROOT
from sphere_repro.data.dataset import held_count
from sphere_repro.errors import UserError
from sphere_repro.planning.counts import image_count, trained_count
from sphere_repro.strict import parse
from sphere_repro.study import jobs
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import StudyFiles


def smoke(*shares: float | None) -> Study:
    """The smoke study, whose runs on the digits hold these shares out."""
    raw: dict[str, Any] = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    runs = [run for run in raw["runs"].values() if run["dataset"]["name"] == "digits"]
    for run, share in zip(runs, shares, strict=False):
        run["dataset"] |= {} if share is None else {"held_out": share}
    return parse(Study, raw, "smoke.yaml")


def test_without_it_every_job_reads_as_before() -> None:
    default, zero = load_study(ROOT / "params/smoke.yaml"), smoke(0.0, 0)
    lines = [[jobs.as_text(step.job) for step in StudyFiles(study).steps()] for study in (default, zero)]
    assert lines[0] == lines[1] and not any("held_out" in line for line in lines[0])


def test_all_that_sees_images_knows_of_it_but_the_preparation() -> None:
    default, held = smoke(), smoke(0.25, 0.25)
    digits = {"digits", "digits-vae", "digits-8px"}
    steps = zip(StudyFiles(default).steps(), StudyFiles(held).steps(), strict=True)
    for before, after in steps:
        assert (before.reads, before.makes) == (after.reads, after.makes)
        same = after.rule in ("prepare", "uniformity") or after.subject not in digits
        assert (jobs.as_text(before.job) == jobs.as_text(after.job)) == same, after.name


def test_runs_of_the_same_images_hold_the_same_out() -> None:
    words = r"runs\.digits-vae\.dataset\.held_out is 0, but 0\.1 in runs\.digits of the same images"
    with pytest.raises(UserError, match=words):
        smoke(0.1)


@pytest.mark.parametrize("share", [1.0, -0.1, 2.0])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UserError, match="held_out"):
        smoke(share, share)


def test_a_batch_fits_into_what_is_left() -> None:
    with pytest.raises(UserError, match="beside those held out: choose a smaller batch"):
        smoke(0.995, 0.995)


def test_the_planner_counts_what_is_trained_on() -> None:
    run = smoke(0.25, 0.25).runs["digits"]
    assert image_count(run, ROOT / "nowhere") == 1797
    assert trained_count(run, ROOT / "nowhere") == 1797 - held_count(1797, 0.25) == 1348

"""Jobs given as JSON that are none, or contradict themselves or their files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bad_input.bench import Bench, job_text


@pytest.mark.parametrize("text", ["{", "", "[]", "3", "null", "NaN", "[" * 100_000])
def test_job_that_is_no_object(bench: Bench, refused: Callable[..., str], text: str) -> None:
    refused(bench.command("train", job=text, study=None, run=None), "--job is not")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sed": 3}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"training__batch_size": 0}, "training.batch_size"),
        ({"training__batch_size": 999}, "runs.digits.training.batch_size is 999"),
        ({"model__patch_size": 3}, "patch_size 3 does not divide"),
        ({"model__ratio": 1000}, "leaves no latent channel"),
        ({"dataset__name": "mnist"}, "unknown dataset 'mnist'"),
        ({"dataset__resolution": 16}, "8-pixel images, but runs.digits wants 16"),
        ({"dataset__name": "photo-patches"}, "runs.digits wants 16"),
        ({"run": "../../a"}, "'../../a' is no name"),
        ({"loss__pix_recon_perceptual": 1}, "loss.pix_recon_perceptual must be 0 where"),
        ({"loss__pix_con_perceptual": 0.5}, "loss.pix_con_perceptual must be 0 where"),
        ({"loss__kl": 1}, "loss.kl must be 0 for a Sphere Encoder"),
    ],
)
def test_jobs_that_contradict_themselves(
    bench: Bench, refused: Callable[..., str], changes: dict[str, Any], words: str
) -> None:
    text = job_text(bench, **changes)
    refused(bench.command("train", job=text, study=None, run=None), words)

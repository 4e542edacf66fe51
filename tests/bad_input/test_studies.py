"""Studies, names and options that say something wrong: one sentence, status 2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bad_input.bench import SETS, Bench, in_run
from sphere_repro.strict import MOST

STUDIES: dict[str, tuple[Callable[[dict[str, Any]], object], tuple[str, ...]]] = {
    "misspelt key": (
        in_run("training", "bach_size", value=8),
        ("runs.digits.training", "unknown key 'bach_size'", "did you mean 'batch_size'?"),
    ),
    "unknown key": (in_run("training", "zzz", value=8), ("unknown key 'zzz'", "known are epochs")),
    "wrong type": (in_run("training", "epochs", value="many"), ("runs.digits.training.epochs", "'many'")),
    "wrong range": (in_run("loss", "alpha_max", value=95), ("runs.digits.loss.alpha_max", "less than 90")),
    "patch": (in_run("model", "patch_size", value=3), ("patch_size 3 does not divide the 8-pixel images",)),
    "no batch": (in_run("training", "batch_size", value=0), ("training.batch_size", "not 0")),
    "dataset": (in_run("dataset", "name", value="digit"), ("unknown dataset 'digit'", "'digits'?")),
    "extractor": (
        lambda study: study["score"].update(extractor="inceptoin"),
        ("score.extractor", "'inceptoin'"),
    ),
    "no run": (lambda study: study["runs"].clear(), ("runs",)),
}


@pytest.mark.parametrize("verb", ["check", "plan", "train", "sample"])
@pytest.mark.parametrize("fault", STUDIES)
def test_bad_studies(bench: Bench, refused: Callable[..., str], fault: str, verb: str) -> None:
    change, words = STUDIES[fault]
    bench.with_study(change)
    refused(bench.command(verb), str(bench.study), *words)


def test_study_that_is_none(bench: Bench, refused: Callable[..., str]) -> None:
    refused(bench.command("check", places=[bench.folder / "none.yaml"]), "none.yaml does not exist")
    refused(bench.command("check", places=[bench.folder]), "is not readable YAML")
    refused(bench.command("check", places=[bench.model]), "is not readable YAML")


def test_batch_larger_than_the_dataset(bench: Bench, refused: Callable[..., str]) -> None:
    bench.with_study(in_run("training", "batch_size", value=49))
    refused(bench.command("train"), "runs.digits.training.batch_size is 49", "holds only 48 images")


HUGE = (
    *(("training", key) for key in ("epochs", "learning_rate", "minimum_learning_rate")),
    ("training", "encoder_learning_rate_factor"),
    *(("loss", key) for key in ("pix_recon_l1", "pix_con_l1", "lat_con")),
    *(("model", key) for key in ("encoder_mixer_depth", "decoder_mixer_depth")),
)


@pytest.mark.parametrize("path", HUGE, ids=".".join)
def test_huge_numbers(bench: Bench, refused: Callable[..., str], path: tuple[str, str]) -> None:
    """Beyond what float32 holds, or what ever ends."""
    for value in (10**15, 10**17) if path[0] == "model" else (1e40, 1e300, 10**15):
        bench.with_study(in_run(*path, value=value))
        refused(
            bench.command("train"), f"runs.digits.{'.'.join(path)}: input should be", "less than or equal"
        )


@pytest.mark.parametrize("path", [("training", "learning_rate"), ("loss", "lat_con"), ("loss", "alpha_max")])
def test_the_largest_and_smallest_numbers_train_or_are_told(
    bench: Bench, capsys: pytest.CaptureFixture[str], path: tuple[str, str]
) -> None:
    bench.with_study(in_run(*path, value=0.001 if path[1] == "alpha_max" else MOST))
    status = bench.run("train")
    message = capsys.readouterr().err
    assert status == 0 or (status == 2 and "broke down at" in message and "learning_rate" in message)


def test_an_angle_without_noise(bench: Bench, refused: Callable[..., str]) -> None:
    bench.with_study(in_run("loss", "alpha_max", value=1e-300))
    refused(
        bench.command("train"), "runs.digits.loss.alpha_max: is 1e-300: set it to 0 (no noise), or to 0.001"
    )
    bench.with_study(in_run("loss", "alpha_max", value=-1))
    refused(bench.command("train"), "runs.digits.loss.alpha_max: input should be greater than or equal")


def test_objective_without_a_term(bench: Bench, refused: Callable[..., str]) -> None:
    for term in ("pix_recon_l1", "pix_con_l1", "lat_con"):
        bench.with_study(in_run("loss", term, value=0))
    refused(bench.command("train"), "runs.digits.loss: every weight is 0")


def test_unknown_names(bench: Bench, refused: Callable[..., str]) -> None:
    refused(["trian"], "'trian'", "train")
    refused([], "VERB")
    refused(bench.command("train", run="digit"), "no run is called 'digit'", "'digits'?")
    refused(bench.command("sample", set="generation-3"), "no sample set 'generation-3'", "did you mean")
    refused(bench.command("sample", set=None), "needs --set NAME", *SETS)
    refused(
        bench.command("sample", run="digits-vae", set=SETS[1]), "no sample set", "known are reconstruction"
    )
    refused(bench.command("reference", extractor="lite"), "--extractor", "'lite'")
    refused(bench.command("score", extractor="lite"), "--extractor", "'lite'")
    refused(bench.command("figure", places=["sampels"]), "No figure is called 'sampels'", "'samples'?")
    for name in ("samples", "posterior-hole", "uniformity", "distance-by-steps", "training-curves"):
        refused(bench.command("figure", places=[name]), "needs")
    refused(bench.command("figure", places=["samples", "real"]), "'real' is not of the form KEY=PATH")
    refused(bench.command("train", nonsense="1"), "--nonsense")
    refused(bench.command("score", sets=bench.samples()[:2]), "the archive of", "is not among --sets")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "--count: must be a whole number from 1"),
        ({"count": "x"}, "not 'x'"),
        ({"count": 10**12}, "--count"),
        ({"steps": 1001}, "--steps: must be a whole number from 1 to 1000"),
        ({"guidance": 0.5}, "guidance.scale"),
        ({"guidance": "nan"}, "guidance.scale"),
        ({"guidance": "inf"}, "guidance.scale"),
        ({"strength": "weak"}, "'weak'"),
        ({"noise": "loud"}, "'loud'"),
        ({"position": "up"}, "'up'"),
        ({"weights": "best"}, "'best'"),
        ({"seed": "x"}, "'x'"),
        ({"threads": 0}, "--threads"),
        ({"threads": 10**19}, "--threads"),
        ({"device": "gpu"}, "There is no device 'gpu'"),
        ({"device": "meta"}, "There is no device 'meta'"),
        ({"device": "mps"}, "There is no device 'mps'"),
    ],
)
def test_wrong_options(
    bench: Bench, refused: Callable[..., str], options: dict[str, Any], words: str
) -> None:
    refused(bench.command("generate", **options), words)


@pytest.mark.parametrize("verb", ["train", "sample", "encode", "reference", "score", "generate"])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_no_gpu(
    bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, verb: str, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(bench.command(verb, device=device), f"Device '{device}'", "torch sees no GPU", "--device cpu")


def test_not_so_many_gpus(bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    refused(bench.command("generate", device="cuda:2"), "There is no device 'cuda:2'")

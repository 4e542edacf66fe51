"""From options to jobs: a study and a run say the same as the workflow's JSON."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from sphere_repro import dispatch, verbs
from sphere_repro.cli import _parser
from sphere_repro.errors import UserError
from sphere_repro.strict import Strict
from sphere_repro.study import jobs
from sphere_repro.study.config import Study, load_study

SMOKE = ROOT / "params" / "smoke.yaml"
DERIVE: dict[str, Callable[[Study], Strict]] = {
    "prepare": lambda study: jobs.prepare_job(study.runs["digits"]),
    "train": lambda study: jobs.train_job(study, "digits"),
    "sample": lambda study: jobs.sample_job(study, "digits", "reconstruction"),
    "encode": lambda study: jobs.encode_job(study, "digits"),
    "reference": lambda study: jobs.reference_job(study, study.runs["digits"], "efficientnet-lite0"),
    "score": lambda study: jobs.score_job(study, "digits", "efficientnet-lite0"),
    "uniformity": lambda study: jobs.uniformity_job(study, "digits"),
}
OPTIONS = {
    "prepare": [],
    "train": ["--data", "d.zip", "--curves", "c.csv"],
    "sample": ["--data", "d.zip", "--model", "m.safetensors"],
    "encode": ["--data", "d.zip", "--model", "m.safetensors"],
    "reference": ["--data", "d.zip"],
    "score": ["--data", "d.zip", "--reference", "r.npz", "--sets", "a.zip", "b.zip"],
    "uniformity": ["--latents", "l.npz"],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Any, ...]]:
    """What a command would hand to its verb."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[Any, ...]:
        found: list[tuple[Any, ...]] = []
        options = _parser().parse_args(arguments)

        def record(*given: Any, **named: Any) -> str:
            found.append((*given, named) if named else given)
            return "done"

        monkeypatch.setattr(verbs, options.verb.replace("-", "_"), record)
        assert dispatch.run(options) == "done"
        return found[0]

    return run


@pytest.mark.parametrize("verb", DERIVE)
def test_study_and_json_ask_for_the_same_job(asked: Callable[..., tuple[Any, ...]], verb: str) -> None:
    job = DERIVE[verb](load_study(SMOKE))
    rest = [*OPTIONS[verb], "--out", "out.dat"]
    named = ["--set", "reconstruction"] if verb == "sample" else []
    by_json = asked(verb, "--job", jobs.as_text(job), *rest)
    by_study = asked(verb, "--study", str(SMOKE), "--run", "digits", *named, *rest)
    assert by_json == by_study
    assert by_json[0] == job
    files = vars(by_json[1]).values() if verb == "train" else by_json
    assert Path("out.dat") in files


def test_every_verb_of_the_command_line_is_known() -> None:
    parser = _parser()
    (choices,) = [
        action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    assert set(choices or ()) == set(dispatch._VERBS)
    assert set(dispatch.BESIDE) <= set(dispatch._VERBS)


def test_another_extractor(asked: Callable[..., tuple[Any, ...]]) -> None:
    study = ["--study", str(SMOKE), "--run", "digits", "--out", "o.npz"]
    job = asked("reference", *study, *OPTIONS["reference"], "--extractor", "inception")[0]
    assert job.score.extractor == "inception"
    assert asked("reference", *study, *OPTIONS["reference"])[0].score.extractor == "efficientnet-lite0"
    with pytest.raises(UserError, match=r"--extractor: extractor: .*'nonsense'"):
        asked("reference", *study, *OPTIONS["reference"], "--extractor", "nonsense")


def test_figures_and_their_files(asked: Callable[..., tuple[Any, ...]]) -> None:
    given = asked(
        "figure", "samples", "real=a.zip", "x=odd=name.zip", "--subject", "digits", "--out", "o.png"
    )
    assert given == ("samples", {"real": Path("a.zip"), "x": Path("odd=name.zip")}, "digits", Path("o.png"))
    for item in ("real", "=a.zip", "real="):
        with pytest.raises(UserError, match="not of the form KEY=PATH"):
            asked("figure", "samples", item, "--out", "o.png")


def test_generation_by_hand(asked: Callable[..., tuple[Any, ...]]) -> None:
    model, out, settings, rest = asked(
        "generate", "m.safetensors", "o.zip", "--steps", "6", "--guidance", "1.4", "--position", "enc"
    )
    assert (model, out) == (Path("m.safetensors"), Path("o.zip"))
    assert settings.name == "generation-6-fixed-shared-enc1.4"
    assert rest == {"count": 64, "seed": 0, "weights": "raw", "device": "auto", "classes": []}
    *_, rest = asked("generate", "m.safetensors", "o.zip", "--class", "cat", "--class", "7")
    assert rest["classes"] == ["cat", "7"]


@pytest.mark.parametrize("extra", [["--study", "s.yaml"], ["--run", "digits"]])
def test_json_leaves_no_room_for_more(asked: Callable[..., tuple[Any, ...]], extra: list[str]) -> None:
    job = jobs.as_text(DERIVE["prepare"](load_study(SMOKE)))
    with pytest.raises(UserError, match=f"--job says everything: leave out {extra[0]}"):
        asked("prepare", "--job", job, *extra, "--out", "o.zip")


def test_set_and_extractor_belong_to_a_study(asked: Callable[..., tuple[Any, ...]]) -> None:
    study = load_study(SMOKE)
    for verb, extra in (("sample", ["--set", "prior"]), ("score", ["--extractor", "inception"])):
        arguments = ["--job", jobs.as_text(DERIVE[verb](study)), *OPTIONS[verb], "--out", "o.dat"]
        with pytest.raises(UserError, match=f"leave out {extra[0]}"):
            asked(verb, *arguments, *extra)


@pytest.mark.parametrize("arguments", [[], ["--study", str(SMOKE)], ["--run", "digits"]])
def test_half_a_job(asked: Callable[..., tuple[Any, ...]], arguments: list[str]) -> None:
    with pytest.raises(UserError, match="prepare needs either --job JSON, or --study FILE and --run NAME"):
        asked("prepare", *arguments, "--out", "o.zip")


@pytest.mark.parametrize(
    ("verb", "change", "words"),
    [
        ("sample", {"count": 0}, "count: .* not 0"),
        ("sample", {"batch_size": 0}, "batch_size: .* not 0"),
        ("sample", {"batch_size": -3}, "batch_size: .* not -3"),
        ("sample", {"weights": "best"}, "weights: .* not 'best'"),
        ("encode", {"count": -1}, "count: .* not -1"),
        ("sample", {"run": "../up"}, r"run: '\.\./up' is no name"),
        ("score", {"run": ""}, "run: '' is no name"),
        ("sample", {"nonsense": 1}, "unknown key 'nonsense'"),
    ],
)
def test_jobs_by_hand(
    asked: Callable[..., tuple[Any, ...]], verb: str, change: dict[str, Any], words: str
) -> None:
    import json

    job = json.loads(jobs.as_text(DERIVE[verb](load_study(SMOKE)))) | change
    with pytest.raises(UserError, match=words):
        asked(verb, "--job", json.dumps(job), *OPTIONS[verb], "--out", "o.dat")


def test_check_lists_runs_and_sets() -> None:
    text = dispatch.run(_parser().parse_args(["check", str(SMOKE)]))
    study = load_study(SMOKE)
    assert text.splitlines()[0].endswith(f"study 'smoke', {len(study.runs)} runs")
    for name, run in study.runs.items():
        assert f"  {name}: {run.dataset.archive}, {run.model.kind}, sets {', '.join(run.sets)}" in text


def test_check_lists_own_images(tmp_path: Path) -> None:
    for name in ("cat/a.png", "dog/b.png", "dog/c.heic"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).touch()
    study = yaml.safe_load(SMOKE.read_text())
    study["runs"]["digits"]["dataset"] = {"folder": str(tmp_path / "pets"), "resolution": 8}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(study))
    text = dispatch.run(_parser().parse_args(["check", str(tmp_path / "own.yaml")]))
    for line in ("2 images of ", "class   0  cat  1 image", "left out, by suffix: 1 .heic"):
        assert line in text


def test_a_link_to_an_input_is_that_input(asked: Callable[..., tuple[Any, ...]], tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "link.zip").symlink_to("model.safetensors")
    with pytest.raises(UserError, match="both --model and --out"):
        asked("generate", "model.safetensors", "link.zip")

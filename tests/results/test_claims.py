"""Claims: the verdict follows from the numbers and their uncertainty."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.errors import UserError
from sphere_repro.results import claims as module
from sphere_repro.results.claims import FAILS, HOLDS, UNDECIDED, Number
from sphere_repro.results.scores import RunScores, SetScore, read_scores
from sphere_repro.study.config import Ablation

METRIC = "frechet-efficientnet-lite0-128px-bicubic"


def sphere(se: float = 1.0, guidance: float = 1.0, **distances: float) -> RunScores:
    found = {"reconstruction": 50.0, "one": 200.0, "shared": 120.0, "independent": 150.0} | distances
    more = {"count": 100, "frechet_se": se, "guidance_scale": guidance, "guidance_position": "combo"}
    four = {"steps": 4, "strength": "fixed"}
    records = (
        SetScore("reconstruction", "reconstruction", found["reconstruction"], se, 100),
        SetScore(set="generation-1", kind="generation", frechet=found["one"], steps=1, **more),
        SetScore(set="a", kind="generation", frechet=found["shared"], noise="shared", **four, **more),
        SetScore(
            set="b", kind="generation", frechet=found["independent"], noise="independent", **four, **more
        ),
    )
    return RunScores("digits", "digits-8px", "sphere", METRIC, 10.0, records, Path("a.json"))


def vae(se: float = 1.0, reconstruction: float = 50.0, prior: float = 600.0) -> RunScores:
    records = (
        SetScore("reconstruction", "reconstruction", reconstruction, se, 100),
        SetScore("prior", "prior", prior, se, 100),
    )
    return RunScores("digits-vae", "digits-8px", "vae", METRIC, 10.0, records, Path("b.json"))


def verdicts(*runs: RunScores) -> dict[str, str]:
    return {claim.claim: claim.verdict for claim in module.score_claims(runs)}


def test_clear_results_hold() -> None:
    assert verdicts(sphere(), vae()) == {
        "few-steps-beat-one": HOLDS,
        "fixed-shared-is-best": HOLDS,
        "sphere-prior-not-far-worse": HOLDS,
        "vae-prior-far-worse": HOLDS,
    }


@pytest.mark.parametrize(
    ("one", "four", "se", "expected"),
    [(200, 120, 1, HOLDS), (120, 200, 1, FAILS), (121, 120, 1, UNDECIDED), (200, 120, 40, UNDECIDED)],
)
def test_few_steps(one: float, four: float, se: float, expected: str) -> None:
    assert verdicts(sphere(se=se, one=one, shared=four))["few-steps-beat-one"] == expected


@pytest.mark.parametrize(("rival", "expected"), [(150, HOLDS), (100, FAILS), (121, UNDECIDED)])
def test_best_scheme(rival: float, expected: str) -> None:
    assert verdicts(sphere(independent=rival))["fixed-shared-is-best"] == expected


@pytest.mark.parametrize(("prior", "expected"), [(600, HOLDS), (60, FAILS), (101, UNDECIDED)])
def test_vae_prior(prior: float, expected: str) -> None:
    assert verdicts(vae(prior=prior))["vae-prior-far-worse"] == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, HOLDS),
        ({"one": 500.0}, FAILS),
        ({"one": 300.0}, UNDECIDED),  # exactly half of the VAE's ratio
        ({"one": 700.0, "reconstruction": 400.0}, FAILS),  # a small ratio made by bad reconstructions
    ],
)
def test_sphere_prior(changes: dict[str, float], expected: str) -> None:
    assert verdicts(sphere(**changes), vae())["sphere-prior-not-far-worse"] == expected


def test_what_was_not_measured_is_undecided_and_says_so() -> None:
    found = {claim.claim: claim for claim in module.score_claims([sphere()])}
    assert found["sphere-prior-not-far-worse"].verdict == UNDECIDED
    assert "a scored VAE" in found["sphere-prior-not-far-worse"].note
    bare = RunScores("r", "d", "sphere", METRIC, None, (), Path("c.json"))
    assert {claim.verdict for claim in module.score_claims([bare])} == {UNDECIDED}


def varied(axis: str, value: str, distance: float, se: float = 1.0) -> RunScores:
    """A run like `sphere()` with something changed, judged by its set of 4 steps."""
    run = sphere(se=se, shared=distance)
    return RunScores(**run.__dict__ | {"run": value, "ablation": Ablation(axis=axis, value=value)})


@pytest.mark.parametrize(
    ("alone", "se", "expected"), [(180, 1, HOLDS), (90, 1, FAILS), (121, 1, UNDECIDED), (180, 40, UNDECIDED)]
)
def test_all_losses_against_one(alone: float, se: float, expected: str) -> None:
    runs = [sphere(se=se), varied("loss-terms", "L_pix-recon alone", alone, se)]
    other = varied("loss-terms", "without L_lat-con", 10.0, se)  # another term left out says nothing of it
    assert verdicts(*runs, other)["all-losses-beat-one"] == expected
    (claim,) = [claim for claim in module.score_claims(runs) if claim.claim == "all-losses-beat-one"]
    assert claim.run == "digits"
    assert claim.numbers["lead over the best other"] == Number(alone - 120, pytest.approx(se * 2**0.5))


@pytest.mark.parametrize(("best", "expected"), [(150, HOLDS), (100, FAILS), (121, UNDECIDED)])
def test_the_papers_angle_against_the_best_other(best: float, expected: str) -> None:
    runs = [sphere(), varied("alpha-max", "75°", 300), varied("alpha-max", "85°", best)]
    assert verdicts(*runs)["angle-is-best"] == expected
    assert verdicts(*runs)["all-losses-beat-one"] == UNDECIDED  # no such run


def test_ablations_are_judged_once_and_only_where_there_are_any() -> None:
    found = module.score_claims([sphere(), varied("ratio", "3", 130)])
    assert {claim.run for claim in found} == {"digits"}
    named = {claim.claim: claim for claim in found}
    assert "lacks a run 'L_pix-recon alone'" in named["all-losses-beat-one"].note
    assert "lacks runs on the axis alpha-max" in named["angle-is-best"].note
    assert not {"angle-is-best", "all-losses-beat-one"} & set(verdicts(sphere()))


def test_baseline_must_share_dataset_and_metric() -> None:
    other = RunScores("v", "other", "vae", METRIC, None, vae().records, Path("d.json"))
    assert verdicts(sphere(), other)["sphere-prior-not-far-worse"] == UNDECIDED


def test_guided_sets_are_compared_with_guided_sets() -> None:
    run = sphere(guidance=1.4)
    unguided = SetScore("c", "generation", 1.0, 1.0, 100, steps=4, strength="fixed", noise="shared")
    mixed = RunScores(**{**run.__dict__, "records": (*run.records, unguided)})
    found = next(claim for claim in module.score_claims([mixed]) if claim.claim == "few-steps-beat-one")
    assert found.numbers["4 steps"].value == 120


@given(value=st.floats(-1e6, 1e6), se=st.floats(0, 1e6))
def test_verdicts_mirror(value: float, se: float) -> None:
    mirrored = {HOLDS: FAILS, FAILS: HOLDS, UNDECIDED: UNDECIDED}
    assert module.decide(Number(-value, se)) == mirrored[module.decide(Number(value, se))]
    assert module.decide(Number(value, abs(value))) == UNDECIDED


def cloud(key: str, cosine: float, anisotropy: float, se: float = 1e-4, classes: int = 3) -> dict[str, Any]:
    group = {"mean_cosine": {"value": cosine, "se": se}, "anisotropy": {"value": anisotropy, "se": se}}
    return {"key": key, "overall": group, "classes": [{"class": label, **group} for label in range(classes)]}


def uniformity(latents: dict[str, Any], pixels: float = 0.6, uniform: float = 0.0) -> dict[str, Any]:
    clouds = [latents, cloud("pixels", pixels, 40.0), cloud("uniform", uniform, 1.0)]
    return {"run": "digits", "clouds": {entry["key"]: entry for entry in clouds}}


@pytest.mark.parametrize(
    ("cosine", "anisotropy", "se", "expected"),
    [
        (0.0, 1.0, 1e-4, HOLDS),
        (0.005, 1.8, 1e-4, HOLDS),
        (0.05, 1.0, 1e-4, FAILS),
        (0.0, 5.0, 1e-4, FAILS),
        (0.005, 1.0, 0.01, UNDECIDED),
    ],
)
def test_uniform_is_judged_by_effect_size(cosine: float, anisotropy: float, se: float, expected: str) -> None:
    claim = module.uniformity_claim(uniformity(cloud("latents", cosine, anisotropy, se)))
    assert claim.verdict == expected


def test_controls_that_say_nothing_leave_uniformity_undecided() -> None:
    fine = cloud("latents", 0.0, 1.0)
    data = uniformity(fine)
    data["clouds"]["pixels"] = cloud("pixels", 0.0, 1.0)
    claim = module.uniformity_claim(data)
    assert claim.verdict == UNDECIDED and "controls" in claim.note
    assert module.uniformity_claim(uniformity(fine, uniform=0.3)).verdict == UNDECIDED


def write_scores(path: Path, run: RunScores) -> Path:
    records = [record.__dict__ for record in run.records]
    head: dict[str, Any] = {"run": run.run, "dataset": run.dataset, "kind": run.kind, "metric": run.metric}
    if run.ablation:
        head["ablation"] = run.ablation.model_dump()
    path.write_text(json.dumps(head | {"floor": {"frechet": run.floor}, "records": records}))
    return path


def test_verb_writes_json_and_both_tables(tmp_path: Path) -> None:
    files = [write_scores(tmp_path / "a.json", sphere()), write_scores(tmp_path / "b.json", vae())]
    files.append(write_scores(tmp_path / "c.json", varied("loss-terms", module.ALONE, 300)))
    judged = uniformity(cloud("latents", 0.0, 1.0))
    (tmp_path / "u.json").write_text(json.dumps(judged | {"clouds": list(judged["clouds"].values())}))
    for name in ("one", "two"):
        module.claims(files, [tmp_path / "u.json"], tmp_path / name / "claims.json")
    for file in ("claims.json", "claims.csv", "claims.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    found = json.loads((tmp_path / "one/claims.json").read_text())["claims"]
    assert [claim["claim"] for claim in found] == [n for n in module.TEXTS if n != "published-number-reached"]
    assert found[0]["numbers"]["difference"] == {"value": 80.0, "se": pytest.approx(2**0.5)}
    rows = list(csv.DictReader((tmp_path / "one/claims.csv").open()))
    assert [row["verdict"] for row in rows] == [claim["verdict"] for claim in found]
    table = (tmp_path / "one/claims.md").read_text()
    assert table.count("**holds**") == 6 and "80 ± 1.4" in table


def test_broken_scores_are_named(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "a.json", vae())
    data = json.loads(path.read_text())
    del data["records"][0]["frechet"]
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"a\.json is no scores file"):
        read_scores(path)

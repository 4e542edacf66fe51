"""Images that are nothing: between models by trainings, along a VAE's paths by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_results import sphere, trained, vae
from test_claims import write_scores

from prior_results import add_emptiness, emptiness
from sphere_repro.results.emptiness_claims import emptiness_claims
from sphere_repro.results.scores import RunScores, read_scores
from sphere_repro.results.statements import Claim
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED

EMPTIER, GROWS = "vae-prior-is-emptier", "emptiness-grows-to-the-prior"


def judged(
    folder: Path, own: Sequence[float], other: Sequence[float], along: list[float] | None = None, **more: Any
) -> dict[str, Claim]:
    """The claims where the trainings' priors have these shares."""
    runs: list[RunScores] = []
    for model, shares, prior in ((sphere(), own, "generation-1"), (vae(), other, "prior")):
        for number, run in enumerate(trained(model, *([0.0] * len(shares)))):
            path = write_scores(folder / f"{run.run}.json", run)
            paths = along if run.kind == "vae" else None
            add_emptiness(path, emptiness(prior, {prior: shares[number]}, paths, **more))
            runs.append(read_scores(path))
    return {claim.claim: claim for claim in emptiness_claims(runs)}


@pytest.mark.parametrize(
    ("own", "other", "verdict", "words"),
    [
        ([0.3, 0.31, 0.29], [0.9, 0.91, 0.89], HOLDS, "3 trainings of digits, 3 trainings of digits-vae"),
        ([0.9, 0.91, 0.89], [0.3, 0.31, 0.29], FAILS, ""),
        ([0.3, 0.9, 0.6], [0.7, 0.9, 0.8], UNDECIDED, ""),  # trainings differ
        ([0.3], [0.9], UNDECIDED, "one training each"),
        ([0.3], [0.9, 0.91, 0.89], HOLDS, "the deviation between the former"),
    ],
)
def test_between_models_trainings_count(
    tmp_path: Path, own: list[float], other: list[float], verdict: str, words: str
) -> None:
    claim = judged(tmp_path, own, other)[EMPTIER]
    assert claim.verdict == verdict and words in claim.note and "KL weight" in claim.note
    assert claim.numbers["distance, VAE's prior"].value == pytest.approx(sum(other) / len(other))
    assert claim.numbers["local, 1 step"].se > 0


@pytest.mark.parametrize(
    ("along", "verdict"),
    [([0.1, 0.4, 0.8], HOLDS), ([0.8, 0.1], FAILS), ([0.5, 0.9, 0.55], UNDECIDED)],
)
def test_along_the_paths_both_ends_count(tmp_path: Path, along: list[float], verdict: str) -> None:
    claim = judged(tmp_path, [0.3], [0.9], along)[GROWS]
    assert claim.verdict == verdict and claim.run == "digits-vae" and "100 paths" in claim.note
    assert claim.numbers["distance, posterior"].value == along[0]
    assert claim.numbers["local, growth"].value == pytest.approx(along[-1] - along[0])


def test_a_measure_that_misses_noise_decides_nothing(tmp_path: Path) -> None:
    found = judged(tmp_path, [0.3, 0.31], [0.9, 0.91], [0.1, 0.9], noise=0.5)
    assert {claim.verdict for claim in found.values()} == {UNDECIDED}
    assert all("'local' finds 50 % of the images of noise" in claim.note for claim in found.values())


@pytest.mark.parametrize("alike", ["prior", "reconstruction"])
def test_sets_that_say_nothing_decide_nothing(tmp_path: Path, alike: str) -> None:
    path = write_scores(tmp_path / "vae.json", vae())
    add_emptiness(path, emptiness("prior", {"prior": 0.9}, [0.1, 0.9]))
    run = read_scores(path)
    assert emptiness_claims([run])[0].verdict == HOLDS
    records = [replace(each, doubt="alike" if each.set == alike else "") for each in run.records]
    (claim,) = emptiness_claims([replace(run, records=tuple(records))])
    assert claim.verdict == UNDECIDED and f"{alike}: alike" in claim.note


def test_without_paths_or_a_vae_there_are_no_claims(tmp_path: Path) -> None:
    assert [*judged(tmp_path, [0.3], [0.9])] == [EMPTIER]
    alone = write_scores(tmp_path / "alone.json", sphere())
    add_emptiness(alone, emptiness("generation-1", {"generation-1": 0.3}))
    assert emptiness_claims([read_scores(alone)]) == []


def test_scores_that_say_nothing_of_it_are_passed_over(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "old.json", vae())
    assert emptiness_claims([read_scores(path)]) == []


def test_a_prior_that_was_not_scored_is_told(tmp_path: Path) -> None:
    paths = [write_scores(tmp_path / f"{run.run}.json", run) for run in (sphere(), vae())]
    add_emptiness(paths[0], emptiness("generation-9", {"generation-1": 0.3}))
    add_emptiness(paths[1], emptiness("prior", {"prior": 0.9}))
    (claim,) = emptiness_claims([read_scores(path) for path in paths])
    assert claim.verdict == UNDECIDED and "it takes one-step samples of the run" in claim.note

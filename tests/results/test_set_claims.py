"""Claims on one model's sets: the best scheme at every number of steps, and the position of guidance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from study_results import sphere, trained

from sphere_repro.results.compared import shift_of
from sphere_repro.results.distance_claims import score_claims
from sphere_repro.results.scores import RunScores, SetScore
from sphere_repro.results.set_claims import best_at_every_step, decoder_guidance, more_steps
from sphere_repro.results.statements import Claim
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED

SCHEMES = [(strength, noise) for strength in ("fixed", "linear") for noise in ("shared", "independent")]


def one(frechet: float, steps: int, scheme: tuple[str, str], **more: Any) -> SetScore:
    name = "-".join([str(steps), *scheme, *map(str, more.values())])
    strength, noise = scheme
    found = SetScore(name, "generation", frechet, 1.0, 100, steps=steps, strength=strength, noise=noise)
    return replace(found, **more)


def with_sets(*sets: SetScore) -> RunScores:
    run = sphere()
    return replace(run, records=(*run.records[:2], *sets))


def schemes(**distances: list[float]) -> RunScores:
    """Sets of 2, 4, … steps in every scheme; `distances` by number of steps, in the order of SCHEMES."""
    return with_sets(
        *(
            one(far, int(key.removeprefix("at")), scheme)
            for key, fars in distances.items()
            for far, scheme in zip(fars, SCHEMES, strict=False)
        )
    )


@pytest.mark.parametrize(
    ("at_10", "expected"),
    [([80, 90, 95, 99], HOLDS), ([99, 95, 90, 80], FAILS), ([90, 91, 95, 99], UNDECIDED)],
)
def test_the_best_scheme_at_every_number_of_steps(at_10: list[float], expected: str) -> None:
    claim = best_at_every_step(schemes(at2=[100, 150, 160, 170], at4=[90, 120, 130, 140], at10=at_10))
    assert claim.verdict == expected
    assert [*claim.numbers] == ["lead at 2 steps", "lead at 4 steps", "lead at 10 steps"]
    assert claim.numbers["lead at 2 steps"].value == 50
    assert claim.numbers["lead at 10 steps"].value == min(at_10[1:]) - at_10[0]
    assert claim.note == ""


def test_one_number_of_steps_is_no_every() -> None:
    run = schemes(at2=[100], at4=[90, 120, 130, 140], at8=[80])
    claim = best_at_every_step(run)
    assert claim.verdict == UNDECIDED and "at 4 steps only" in claim.note and claim.chance is None
    assert "at no number of steps" in best_at_every_step(schemes(at2=[100])).note


def test_missing_schemes_are_told_and_initial_noise_is_none() -> None:
    run = schemes(at2=[100, 150, 160, 170], at4=[90, 120])
    better = one(10, 4, ("fixed", "initial"))
    claim = best_at_every_step(replace(run, records=(*run.records, better)))
    assert claim.verdict == HOLDS and "not all of the paper's 4 schemes" in claim.note


def test_schemes_of_another_guidance_are_not_compared() -> None:
    guided = {"guidance_scale": 1.4, "guidance_position": "combo"}
    far = [one(far, 4, scheme, **guided) for far, scheme in zip([50, 60, 70, 80], SCHEMES, strict=True)]
    run = schemes(at2=[100, 150, 160, 170], at4=[90, 120, 130, 140])
    claim = best_at_every_step(replace(run, records=(*run.records, *far)))
    assert claim.numbers["lead at 4 steps"].value == 30


def test_a_set_that_says_nothing_leaves_it_undecided() -> None:
    run = schemes(at2=[100, 150, 160, 170], at4=[90, 120, 130, 140])
    doubtful = replace(run.records[-1], doubt="all images are alike")
    claim = best_at_every_step(replace(run, records=(*run.records[:-1], doubtful)))
    assert claim.verdict == UNDECIDED and "all images are alike" in claim.note


def guided(unguided: float, enc: float, dec: float, steps: int = 4, scale: float = 2.0) -> list[SetScore]:
    plain = ("fixed", "shared")
    return [
        one(unguided, steps, plain),
        one(enc, steps, plain, guidance_scale=scale, guidance_position="enc"),
        one(dec, steps, plain, guidance_scale=scale, guidance_position="dec"),
    ]


@pytest.mark.parametrize(
    ("enc", "dec", "expected"),
    [
        (95, 60, HOLDS),
        (60, 95, FAILS),
        (95, 95.5, UNDECIDED),
        (105, 160, HOLDS),  # stronger, though it does harm
        (90, 130, HOLDS),
        (90, 111, UNDECIDED),  # sizes 10 and 11
    ],
)
def test_the_decoder_moves_it_further(enc: float, dec: float, expected: str) -> None:
    claim = decoder_guidance(with_sets(*guided(100, enc, dec)))
    assert claim.verdict == expected
    assert claim.numbers["4 steps, scale 2: encoder guidance moves it by"].value == enc - 100
    assert claim.numbers["4 steps, scale 2: decoder guidance moves it by"].value == dec - 100
    excess = claim.numbers["4 steps, scale 2: decoder's further than encoder's by"]
    assert excess.value == abs(dec - 100) - abs(enc - 100)


def test_the_unguided_set_counts_once() -> None:
    """Shifts of one sign share it, so that it cancels; of two signs it counts twice."""
    run = with_sets()
    same = [(run, score) for score in guided(100, 95, 60)]
    apart = [(run, score) for score in guided(100, 90, 130)]
    assert shift_of(same)[1].se == pytest.approx(2**0.5)
    assert shift_of(apart)[1].se == pytest.approx(6**0.5)


def test_every_number_of_steps_counts_at_its_largest_scale() -> None:
    one_scale = guided(100, 99, 60, scale=3.0)
    smaller = guided(100, 60, 99, scale=1.5)[1:]
    claim = decoder_guidance(with_sets(*one_scale, *smaller))
    assert claim.verdict == HOLDS and all("scale 3" in name for name in claim.numbers)
    also = guided(100, 60, 99, steps=2, scale=3.0)
    assert decoder_guidance(with_sets(*one_scale, *also)).verdict == FAILS


def test_a_single_step_has_no_guidance_of_the_encoder() -> None:
    single = guided(100, 100, 60, steps=1)
    claim = decoder_guidance(with_sets(*single))
    assert claim.verdict == UNDECIDED and "above 1" in claim.note


def named(runs: list[RunScores]) -> dict[str, Claim]:
    return {claim.claim: claim for claim in score_claims(runs)}


def test_guidance_is_judged_where_there_is_any_and_by_the_first_training() -> None:
    assert "decoder-guidance-stronger" not in named([sphere()])
    assert "decoder-guidance-stronger" not in named([sphere(guidance=1.4)])  # of both places at once
    alone = named([with_sets(*guided(100, 95, 60)[:2])])["decoder-guidance-stronger"]
    assert alone.verdict == UNDECIDED and "lacks samples" in alone.note
    found = named(trained(with_sets(*guided(100, 95, 60)), 0.0, 1.0))["decoder-guidance-stronger"]
    assert found.verdict == HOLDS and "2 of 2 trainings" in found.note


def test_more_steps_are_those_of_the_same_guidance_and_scheme() -> None:
    other = one(10, 12, ("fixed", "initial"))
    run = with_sets(one(120, 4, ("fixed", "shared")), one(100, 8, ("fixed", "shared")), other)
    assert more_steps(run).numbers["8 steps"].value == 100

"""Several trainings of one run: means, deviations, and the error of what compares trainings."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from study_results import sphere, trained, vae, varied

from sphere_repro.errors import UserError
from sphere_repro.results.distance_claims import score_claims
from sphere_repro.results.scores import RunScores
from sphere_repro.results.statements import Claim
from sphere_repro.results.trainings import Trained, across, grouped, mean_of, means, over
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED, chance
from sphere_repro.study.replicates import name_of

FIRST, SECOND = [120.0, 131.0, 118.0, 125.0], [150.0, 139.0, 163.0]
ABLATIONS = ("loss-terms", "L_pix-recon alone")


def of(values: list[float], sampling: float = 0.0) -> Trained:
    value, deviation = over(values)
    return Trained(value, sampling, 9, len(values), deviation)


def test_without_sampling_error_it_is_welchs_test() -> None:
    found = across(of(FIRST), of(SECOND))
    wanted = stats.ttest_ind(FIRST, SECOND, equal_var=False)
    assert found is not None
    assert chance(found) == pytest.approx(wanted.pvalue, rel=1e-12)
    assert found.freedom == pytest.approx(wanted.df, rel=1e-12)
    assert found.value / found.se == pytest.approx(wanted.statistic, rel=1e-12)


def test_the_sampling_error_counts_as_well() -> None:
    found = across(of(FIRST, 2.0), of(SECOND, 3.0))
    assert found is not None
    between = over(FIRST)[1] ** 2 / 4 + over(SECOND)[1] ** 2 / 3  # type: ignore[operator]
    assert found.se == pytest.approx(math.sqrt(between + 2.0**2 + 3.0**2))
    wanted = stats.ttest_ind(FIRST, SECOND, equal_var=False)
    assert found.freedom == pytest.approx(wanted.df)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_single_training_has_the_deviation_of_the_other_side(swapped: bool) -> None:
    """The interval in which another training would lie: s·√(1 + 1/n), n - 1 degrees of freedom."""
    several, single = of(FIRST), of([150.0])
    found = across(single, several) if swapped else across(several, single)
    assert found is not None and several.deviation is not None
    assert found.se == pytest.approx(several.deviation * math.sqrt(1 + 1 / 4))
    assert found.freedom == pytest.approx(3)
    assert found.value == pytest.approx(26.5 if swapped else -26.5)


def test_one_training_each_says_nothing() -> None:
    assert across(of([1.0], 0.1), of([100.0], 0.1)) is None


@pytest.mark.parametrize(
    ("counts", "least"), [((2, 1), 0.002), ((3, 1), 0.03), ((3, 3), 0.015), ((2, 2), 0.005)]
)
@pytest.mark.parametrize("deviation", [0.0, 4.0, 15.0])
def test_chance_decides_no_more_than_one_in_twenty(
    counts: tuple[int, int], least: float, deviation: float
) -> None:
    """Two sides of one recipe, sampling errors of 2: how often a difference is claimed that is none."""
    draw, claimed, pairs = random.Random(0), 0, 2000
    for _ in range(pairs):
        sides = [[draw.gauss(100, math.hypot(deviation, 2)) for _ in range(count)] for count in counts]
        found = across(*(of(values, 2.0 / math.sqrt(len(values))) for values in sides))
        assert found is not None
        claimed += chance(found) < 0.05
    assert claimed / pairs < 0.06
    assert claimed / pairs > (least if deviation == 15 else -1)  # and not because nothing is ever claimed


def claim(name: str, *runs: RunScores) -> Claim:
    (found,) = [claim for claim in score_claims(runs) if claim.claim == name]
    return found


def test_trainings_become_a_mean_and_a_deviation() -> None:
    run = mean_of(trained(sphere(se=2.0), 0.0, 6.0, 12.0))
    found = run.find("reconstruction")
    assert found is not None and run.run == "digits"
    assert (found.frechet, found.deviation, found.trainings) == (56.0, pytest.approx(6.0), 3)
    assert found.frechet_se == pytest.approx(2.0 / math.sqrt(3))
    assert found.bar == found.deviation and sphere(se=2.0).records[0].bar == 2.0


def test_runs_keep_their_order_and_trainings_are_sorted() -> None:
    first, *others = trained(sphere(), *range(12))
    groups = grouped([others[10], vae(), *others[:10], first])
    assert [run.run for run in groups[0]] == [name_of("digits", number) for number in range(12)]
    assert [run.run for run in means([first, vae(), *others])] == ["digits", "digits-vae"]


def test_trainings_that_were_scored_otherwise_are_refused() -> None:
    first, second = trained(sphere(), 0.0, 1.0)
    fewer = tuple(dataclasses.replace(record, count=50) for record in second.records)
    for other in (fewer, second.records[1:]):
        with pytest.raises(UserError, match="of two trainings of one run"):
            means([first, dataclasses.replace(second, records=other)])


def test_one_training_twice_is_no_replicate() -> None:
    """Its deviation would be 0, and everything decided."""
    with pytest.raises(UserError, match="are both of the training digits"):
        means([sphere(), sphere()])


@pytest.mark.parametrize("change", [{"metric": "m"}, {"dataset": "d"}, {"path": Path("other/run/a.json")}])
def test_runs_of_one_name_elsewhere_are_other_runs(change: dict[str, Any]) -> None:
    first, second = trained(sphere(), 0.0, 1.0)
    assert means([first, dataclasses.replace(second, **change)])[0].records == first.records
    assert len(means([first, dataclasses.replace(first, **change)])) == 2


def test_arms_with_one_training_each_are_undecided() -> None:
    """However far apart: the sampling error does not know what another training would score."""
    found = claim("all-losses-beat-one", sphere(), varied(*ABLATIONS, 1000.0))
    assert found.verdict == UNDECIDED and "one training each: undecided" in found.note
    assert found.chance is None  # it is not among the statements that are tested at once
    assert found.numbers["lead over the best other"].value == 880
    angle = claim("angle-is-best", sphere(), varied("alpha-max", "75°", 10.0))
    assert angle.verdict == UNDECIDED and "one training each" in angle.note


@pytest.mark.parametrize(
    ("theirs", "deviation", "expected"),
    [(180.0, 2.0, HOLDS), (180.0, 40.0, UNDECIDED), (90.0, 2.0, FAILS), (90.0, 30.0, UNDECIDED)],
)
def test_arms_with_replicates(theirs: float, deviation: float, expected: str) -> None:
    spread = (0.0, deviation, -deviation)
    ours, alone = trained(sphere(se=0.1), *spread), trained(varied(*ABLATIONS, theirs, se=0.1), *spread)
    found = claim("all-losses-beat-one", ours[0], alone[0], *ours[1:], *alone[1:])
    assert found.verdict == expected
    assert "3 trainings of baseline, 3 trainings of L_pix-recon alone" in found.note
    wanted = stats.ttest_ind([theirs + by for by in spread], [120 + by for by in spread], equal_var=False)
    assert found.chance == pytest.approx(wanted.pvalue, rel=0.2)
    assert found.chance is not None and found.chance > wanted.pvalue  # the sampling error as well


def test_a_rival_with_one_training_may_be_beaten_by_replicates_of_the_baseline() -> None:
    ours = trained(sphere(se=0.1), 0.0, 2.0, -2.0)
    rivals = [varied("alpha-max", "75°", 200.0, se=0.1), varied("alpha-max", "85°", 121.0, se=0.1)]
    found = claim("angle-is-best", *ours[:1], *rivals, *ours[1:])
    assert found.verdict == UNDECIDED  # 85° lies within what another training would give
    assert "3 trainings of baseline, one of 75°, 85°" in found.note
    assert claim("angle-is-best", ours[0], rivals[0], *ours[1:]).verdict == HOLDS


def test_of_many_rivals_one_is_near_by_chance() -> None:
    """The best of k others: that it is nearer than the baseline has k chances."""
    ours = trained(sphere(se=0.1), 0.0, 2.0, -2.0)
    near = varied("alpha-max", "75°", 109.0, se=0.1)
    alone = claim("angle-is-best", ours[0], near, *ours[1:])
    others = [varied("alpha-max", f"{angle}°", 119.0, se=0.1) for angle in (78, 83, 85, 87)]
    among = claim("angle-is-best", ours[0], near, *others, *ours[1:])
    assert alone.verdict == among.verdict == FAILS
    assert alone.chance is not None and among.chance == pytest.approx(5 * alone.chance)


def test_a_sphere_encoder_and_a_vae_are_different_trainings() -> None:
    name = "sphere-prior-not-far-worse"
    assert claim(name, sphere(), vae()).verdict == UNDECIDED
    assert "one training each: undecided" in claim(name, sphere(), vae()).note
    ours, theirs = trained(sphere(), 0.0, 3.0, -3.0), trained(vae(), 0.0, 4.0, -4.0)
    found = claim(name, *ours, *theirs)
    assert found.verdict == HOLDS and "3 trainings of digits, 3 trainings of digits-vae" in found.note
    assert claim(name, *ours, theirs[0]).verdict == HOLDS
    wild = trained(vae(), 0.0, 500.0, -30.0)
    assert claim(name, *ours, *wild).verdict == UNDECIDED


def test_ratios_are_taken_within_each_training() -> None:
    """A training whose sets are all twice as far has the same ratio."""
    double = dataclasses.replace(
        sphere(),
        run="digits_r1",
        records=tuple(dataclasses.replace(record, frechet=2 * record.frechet) for record in sphere().records),
    )
    found = claim("sphere-prior-not-far-worse", sphere(), double, *trained(vae(), 0.0, 0.0))
    ratio = found.numbers["ratio"]
    assert ratio.value == pytest.approx(4.0) and ratio.se < 0.1
    assert found.numbers["1 step"].se > 90  # of 200 and 400


def test_what_is_said_of_one_model_keeps_the_sampling_error() -> None:
    ours = trained(sphere(), 0.0, 40.0, -40.0)
    found, alone = claim("few-steps-beat-one", *ours), claim("few-steps-beat-one", sphere())
    assert found.numbers == alone.numbers and found.verdict == alone.verdict == HOLDS
    assert "the same verdict in 3 of 3 trainings" in found.note
    other = dataclasses.replace(sphere(shared=300.0), run="digits_r1")
    note = claim("few-steps-beat-one", sphere(), other).note
    assert "numbers of the first training; the same verdict in 1 of 2 trainings" in note


def test_a_degenerate_training_is_no_evidence() -> None:
    first, second = trained(sphere(), 0.0, 1.0)
    dead = tuple(dataclasses.replace(record, doubt="its images are alike") for record in second.records)
    runs = [first, varied(*ABLATIONS, 500.0), dataclasses.replace(second, records=dead)]
    found = claim("all-losses-beat-one", *runs)
    assert found.verdict == UNDECIDED and "training 1: its images are alike" in found.note


def test_unequal_numbers_of_images_are_corrected_once_for_all_trainings() -> None:
    """The correction is common to the trainings: it does not become smaller with their number."""
    floor = {"floor": 10.0, "floor_count": 1000, "reference_count": 2000}
    ours = [dataclasses.replace(run, **floor) for run in trained(sphere(se=0.1), 0.0, 0.2, -0.2)]
    arm = varied(*ABLATIONS, 220.0, se=0.1)
    few = tuple(dataclasses.replace(record, count=50) for record in arm.records)
    theirs = [
        dataclasses.replace(run, **floor)
        for run in trained(dataclasses.replace(arm, records=few), 0.0, 0.2, -0.2)
    ]
    found = claim("all-losses-beat-one", ours[0], theirs[0], *ours[1:], *theirs[1:])
    surplus = 5000 / 50 - 5000 / 100
    assert found.numbers["lead over the best other"].value == pytest.approx(100 - surplus)
    assert found.numbers["lead over the best other"].se == pytest.approx(surplus, rel=1e-3)

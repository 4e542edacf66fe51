"""Deviations between trainings, and the tolerance that two single trainings keep."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
from kept_results import METRIC, scores, write_results
from scipy import stats

from sphere_repro.errors import UserError
from sphere_repro.results.comparison import AGREES, UNJUDGED, Difference
from sphere_repro.results.deviations import (
    LEVEL,
    Deviation,
    as_csv,
    deviations,
    known_deviations,
    read_deviations,
)
from sphere_repro.results.result_tree import DEVIATIONS, Place, read_tree

FIVE = (100.0, 104.0, 97.0, 101.0, 103.0)
AT = Place("fid_table.csv", f"digits · prior · {METRIC}", "frechet")


def five(folder: Path) -> Path:
    rows = [scores("digits", "prior", value, replicate=number) for number, value in enumerate(FIVE)]
    return write_results(folder, [*rows, scores("digits-vae", "prior", 1.0)])


def test_of_several_trainings_the_sample_deviation(tmp_path: Path) -> None:
    found = deviations(read_tree(five(tmp_path)))
    assert found[AT] == Deviation(pytest.approx(statistics.stdev(FIVE)), 5)
    assert found[Place(AT.file, AT.row, "count")].value == 0
    assert not any(place.row.startswith("digits-vae") for place in found)  # trained once


def test_so_many_pairs_of_trainings_lie_within_the_tolerance() -> None:
    """Monte Carlo on the rule itself: a deviation of five, and two further trainings."""
    draws = np.random.default_rng(0).standard_normal((40_000, 7))
    known = draws[:, :5].std(axis=1, ddof=1)
    factor = Deviation(1.0, 5).tolerance
    assert factor is not None
    beyond = np.abs(draws[:, 5] - draws[:, 6]) > factor * known
    assert beyond.mean() == pytest.approx(LEVEL, rel=0.2)
    assert factor == pytest.approx(stats.t.ppf(0.995, 4) * np.sqrt(2))
    assert Deviation(2.0, 5).chance(2 * factor) == pytest.approx(LEVEL)


def test_trainings_that_agree_do_not_say_how_far_another_may_lie() -> None:
    assert Deviation(0.0, 5).tolerance is None and Deviation(0.0, 5).chance(0.1) == 1.0
    agreed = Difference(AT, 1.0, 0.9994, Deviation(0.0, 5))
    assert agreed.verdict == UNJUDGED and agreed.chance == 1.0
    assert Difference(AT, 1.0, 1.0, Deviation(0.0, 5)).verdict == AGREES


def test_what_a_table_says_of_all_trainings_at_once_is_no_number_of_one(tmp_path: Path) -> None:
    """It is the same in all their rows: its deviation would be 0, and every other training beyond."""
    together = {"trainings": 5, "frechet_mean": 101.0, "frechet_deviation": 2.7}
    rows = [scores("digits", "prior", value, number, **together) for number, value in enumerate(FIVE)]
    found = deviations(read_tree(write_results(tmp_path, rows)))
    assert {place.column for place in found} == {"count", "frechet", "frechet_se"}


def test_they_survive_their_file_and_the_references_win(tmp_path: Path) -> None:
    reference, here = read_tree(write_results(tmp_path / "a")), read_tree(five(tmp_path / "b"))
    found = known_deviations(reference, here)
    assert found == deviations(here)
    kept = {place: Deviation(float(f"{each.value:.6g}"), each.trainings) for place, each in found.items()}
    (tmp_path / "a" / DEVIATIONS).write_text(as_csv(found))
    assert known_deviations(reference, here) == kept
    (tmp_path / "other.csv").write_text(as_csv({AT: Deviation(9.0, 3)}))
    assert known_deviations(reference, here, tmp_path / "other.csv") == {AT: Deviation(9.0, 3)}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "file,row,column,deviation,trainings\nf,r,c,x,5\n"])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / DEVIATIONS).write_text(text)
    with pytest.raises(UserError, match="is no table of deviations"):
        read_deviations(tmp_path / DEVIATIONS)
    (tmp_path / DEVIATIONS).write_text("file,row,column,deviation,trainings\nf,r,c,-1,5\n")
    with pytest.raises(UserError, match="below 0"):
        read_deviations(tmp_path / DEVIATIONS)

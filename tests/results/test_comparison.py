"""One number, one bit, one claim, one figure's data are broken, and each is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kept_results import CLAIM, METRIC, record, scores, write_results, write_rows

from sphere_repro.results import reproduction
from sphere_repro.results.comparison import AGREES, BEYOND, UNJUDGED, Comparison, Difference, cause, compare
from sphere_repro.results.deviations import Deviation
from sphere_repro.results.result_tree import Place, origin_of, read_tree

ONE, FOUR = (f"digits · generation-{steps} · {METRIC}" for steps in (1, 4))
KNOWN = {Place("fid_table.csv", row, "frechet"): Deviation(2.0, 5) for row in (ONE, FOUR)}


def compared(tmp_path: Path, known: Any = KNOWN, **changes: Any) -> Comparison:
    reference = read_tree(write_results(tmp_path / "reference"))
    return compare(reference, read_tree(write_results(tmp_path / "here", **changes)), known)


def rows(one: float, four: float, **more: Any) -> list[dict[str, Any]]:
    return [scores("digits", "generation-1", one, **more), scores("digits", "generation-4", four, psnr=20.5)]


def told(found: Comparison) -> str:
    return "\n".join([reproduction.headline(found), *reproduction.sentences(found)])


def test_the_same_is_identical(tmp_path: Path) -> None:
    found = compared(tmp_path)
    assert found.identical and found.reproduced and told(found).startswith("Identical")
    assert "The same bits: 2 models and sets" in told(found)


def test_numbers_within_their_tolerance_are_reproduced_and_not_identical(tmp_path: Path) -> None:
    found = compared(tmp_path, rows=rows(180.0, 130.0))
    assert KNOWN[Place("fid_table.csv", ONE, "frechet")].tolerance == pytest.approx(13.02, abs=0.01)
    assert found.reproduced and not found.identical and not found.of(UNJUDGED)
    assert "The largest deviation is 0.77 times its tolerance" in told(found)


def test_one_number_beyond_its_tolerance_is_named(tmp_path: Path) -> None:
    found = compared(tmp_path, rows=rows(190.0, 140.0))
    (beyond,) = found.of(BEYOND)
    assert beyond.place.row == ONE and beyond.difference == 20
    assert f"{ONE}: frechet: 190 instead of 170, ± 13 from 5 trainings" in told(found)
    text = reproduction.as_markdown(found, reproduction.About("a", "b", "demo"))
    assert "## Beyond their tolerance" in text and "| 170 | 190 | 13 |" in text


def test_a_few_numbers_of_hundreds_may_lie_beyond_by_chance_but_none_far() -> None:
    known = Deviation(1.0, 5)
    tolerance = known.tolerance or 0.0

    def with_beyond(count: int, by: float = 1.05) -> Comparison:
        places = [Place("t", str(index), "x") for index in range(300)]
        far = by * tolerance
        values = [Difference(place, 0.0, far * (index < count), known) for index, place in enumerate(places)]
        return Comparison(values, (), (), 0, (), (0, 0), None)

    assert with_beyond(3).reproduced and with_beyond(7).reproduced
    assert not with_beyond(12).reproduced
    assert not with_beyond(1, by=6).reproduced
    assert with_beyond(1).of(BEYOND)[0].chance == pytest.approx(0.01, rel=0.2)


def test_a_number_that_nobody_measured_is_listed_and_not_judged(tmp_path: Path) -> None:
    found = compared(tmp_path, known={}, rows=rows(171.0, 140.0))
    assert [each.place.row for each in found.of(UNJUDGED)] == [ONE] and not found.reproduced
    assert told(found).startswith("Not judged")
    some = compared(tmp_path / "some", rows=rows(171.0, 140.0, frechet_se=1.5))
    assert len(some.of(UNJUDGED)) == 1 and some.reproduced


@pytest.mark.parametrize(("verdict", "reproduced"), [("does not hold", False), ("undecided", True)])
def test_another_verdict_is_named(verdict: str, reproduced: bool, tmp_path: Path) -> None:
    found = compared(tmp_path, verdict=verdict)
    assert f"Another verdict: {CLAIM} · digits · {METRIC} {verdict} here, holds in the reference" in told(
        found
    )
    assert found.reproduced is reproduced and not found.identical


def test_other_data_of_a_figure_are_named(tmp_path: Path) -> None:
    reference, here = (write_results(tmp_path / name) for name in "ab")
    same = compare(read_tree(reference), read_tree(here), KNOWN)
    assert "The data of no figure differ, of 1." in told(same)
    write_rows(here / "figures/refinement.csv", [{"": 0, "set": "1 step", "x": 1.5001}])
    found = compare(read_tree(reference), read_tree(here), KNOWN)
    assert "The data of 1 of 1 figures differ: refinement" in told(found)


def test_the_first_other_bits_are_named_with_their_cause(tmp_path: Path) -> None:
    reference, here = (write_results(tmp_path / name) for name in "ab")
    machine = {"processor": "B", "system": "Linux 2", "instructions": "AVX512", "threads": 1}
    model = here / "demo/digits/model.json"
    model.write_text(json.dumps(record("model.safetensors", "m1", machine=machine)))
    samples = here / "demo/digits/samples/generation-1.json"
    samples.write_text(json.dumps(record("generation-1.zip", "s1", inputs={})))
    text = told(compare(read_tree(reference), read_tree(here), KNOWN))
    assert "2 of 2 models and sets have another content, the first demo/digits/model.safetensors" in text
    assert "machine: processor A, here B, instructions AVX2, here AVX512" in text and "Linux" not in text


def test_causes_are_what_can_move_bits() -> None:
    one = origin_of(record("a", "b"))
    assert cause(one, one) == "nothing that the records tell of"
    two = origin_of(record("a", "b", code={"sha256": "other"}, versions={"torch": "3"}, device="cuda"))
    assert cause(one, two) == "other code; device (cpu, here cuda); versions: torch 2, here 3"


def test_what_one_side_has_alone_is_told(tmp_path: Path) -> None:
    found = compared(tmp_path, rows=rows(170.0, 140.0)[:1])
    assert f"only in the reference: fid_table.csv: {FOUR}" in found.missing and not found.identical
    back = compared(tmp_path / "back", rows=[*rows(170.0, 140.0), scores("digits", "prior", 1.0)])
    assert any(each.startswith("only here: fid_table.csv: digits · prior") for each in back.missing)
    more = compared(tmp_path / "more", rows=[each | {"kid": 0.1} for each in rows(170.0, 140.0)])
    assert "only here: fid_table.csv: column kid" in more.missing


def test_every_number_is_in_the_table(tmp_path: Path) -> None:
    found = compared(tmp_path, rows=rows(190.0, 141.0))
    reproduction.write(found, reproduction.About("a", "b", "demo"), tmp_path / "reproduction.json")
    lines = (tmp_path / "reproduction.csv").read_text().splitlines()
    assert len(lines) == 1 + len(found.differences)
    assert any(line.endswith(f"170,190,20,13.0223,5 trainings,{BEYOND}") for line in lines)
    said = json.loads((tmp_path / "reproduction.json").read_text())
    assert said["numbers"][BEYOND] == 1 and said["numbers"][AGREES] == len(found.of(AGREES))
    assert (tmp_path / "reproduction.md").read_text().startswith("# ")

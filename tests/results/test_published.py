"""The claim that a published number is reached, on made-up tables."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from sphere_repro.commands.claims import claims
from sphere_repro.errors import UserError
from sphere_repro.results.published import NAME, published_claims
from sphere_repro.results.tables import COLUMNS
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED

ROW = {
    "run": "large",
    "dataset": "imagenet-256px",
    "set": "generation-4-fixed-shared-combo1.4",
    "metric": "fid-inception-legacy-tensorflow",
    "frechet": 10.0,
    "frechet_se": 0.1,
    "inception_score": 200.0,
    "inception_score_sd": 6.0,
    "inception_score_splits": 9,
    "published_frechet": 10.0,
    "published_inception_score": 200.0,
    "published_source": "released model card",
}
OTHER = {key: value for key, value in ROW.items() if not key.startswith("published")} | {"set": "prior"}


def table(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "fid_table.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("frechet", "se", "expected"),
    [
        (10.0, 0.1, HOLDS),  # the same number, known well enough
        (8.0, 0.1, HOLDS),  # better than published
        (10.1, 0.1, HOLDS),
        (10.2, 0.1, UNDECIDED),  # 2.1 errors of ten groups: by chance in one of sixteen
        (10.0, 0.2, UNDECIDED),  # 0.5 are allowed, 2.3 errors of the difference are 0.64
        (10.3, 0.1, UNDECIDED),
        (10.7, 0.1, UNDECIDED),
        (10.8, 0.1, UNDECIDED),
        (10.9, 0.1, FAILS),
        (12.0, 0.1, FAILS),
    ],
)
def test_a_distance(tmp_path: Path, frechet: float, se: float, expected: str) -> None:
    found = published_claims(table(tmp_path, ROW | {"frechet": frechet, "frechet_se": se}, OTHER))
    claim = next(claim for claim in found if claim.metric == ROW["metric"])
    assert claim.verdict == expected
    assert claim.numbers["measured minus published"].value == pytest.approx(frechet - 10)
    assert claim.numbers["measured minus published"].se == pytest.approx(se * 2**0.5)
    assert claim.note == "generation-4-fixed-shared-combo1.4: published 10 (released model card)"


@pytest.mark.parametrize(
    ("score", "expected"),
    [(200.0, HOLDS), (230.0, HOLDS), (193.0, UNDECIDED), (187.0, UNDECIDED), (180.0, FAILS)],
)
def test_an_inception_score_is_better_when_higher(tmp_path: Path, score: float, expected: str) -> None:
    found = published_claims(table(tmp_path, ROW | {"inception_score": score}))
    claim = next(claim for claim in found if claim.metric == "inception-score-legacy-tensorflow")
    assert claim.verdict == expected
    assert claim.numbers["measured"].se == pytest.approx(6 / 3)  # deviation of 9 parts over 3


def test_the_mean_of_several_trainings_is_compared(tmp_path: Path) -> None:
    """The published number is of one training: s·√(1 + 1/n) lies between it and the mean of n."""
    values = [10.4, 10.6, 10.2]
    rows = [ROW | {"replicate": number, "frechet": value} for number, value in enumerate(values)]
    found = [claim for claim in published_claims(table(tmp_path, *rows)) if claim.metric == ROW["metric"]]
    (claim,) = found
    assert claim.verdict == UNDECIDED and claim.note.endswith("; mean of 3 trainings")
    assert claim.numbers["measured"].value == pytest.approx(10.4)
    apart = claim.numbers["measured minus published"]
    assert apart.se == pytest.approx(math.sqrt((0.2**2 + 0.1**2) * (1 + 1 / 3)))
    assert apart.freedom == 2
    near = [row | {"frechet": 9.0 + 0.01 * number} for number, row in enumerate(rows)]
    assert published_claims(table(tmp_path, *near))[0].verdict == HOLDS
    far = [row | {"frechet": 14.0 + 0.01 * number} for number, row in enumerate(rows)]
    assert published_claims(table(tmp_path, *far))[0].verdict == FAILS


def test_the_inception_scores_of_several_trainings(tmp_path: Path) -> None:
    rows = [
        ROW | {"replicate": number, "inception_score": value} for number, value in enumerate([190.0, 194.0])
    ]
    (claim,) = [claim for claim in published_claims(table(tmp_path, *rows)) if "score" in claim.metric]
    assert claim.numbers["measured"].value == 192
    apart = claim.numbers["measured minus published"]
    assert apart.value == -8 and apart.se == pytest.approx(math.sqrt((8 + 4) * 1.5))


def test_only_what_was_published_is_judged(tmp_path: Path) -> None:
    assert published_claims(table(tmp_path, OTHER)) == []
    found = published_claims(table(tmp_path, OTHER, ROW | {"published_inception_score": ""}))
    assert [claim.metric for claim in found] == [ROW["metric"]]


def test_the_verb_adds_them_to_the_other_claims(tmp_path: Path) -> None:
    score = {"set": "generation-1", "kind": "generation", "steps": 1, "count": 9, "frechet": 2.0}
    head = {"run": "large", "dataset": "imagenet-256px", "kind": "sphere", "metric": "fid-inception-clean"}
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps(head | {"records": [score | {"frechet_se": 0.1}], "classifier": None}))
    path = table(tmp_path, ROW)
    claims([scores], [], path, tmp_path / "claims.json")
    written = json.loads((tmp_path / "claims.json").read_text())
    assert [claim["claim"] for claim in written["claims"]][-2:] == [NAME, NAME]
    assert str(path) in written["provenance"]["inputs"]
    text = (tmp_path / "claims.md").read_text()
    assert "within 5 %" in text and "published 10 (released model card)" in text
    claims([scores], [], None, tmp_path / "claims.json")
    without = (tmp_path / "claims.json").read_text()
    assert NAME not in without and len(json.loads(without)["claims"]) == len(written["claims"]) - 2


def test_a_foreign_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("run,fid\nlarge,3\n")
    with pytest.raises(UserError, match="other columns"):
        published_claims(tmp_path / "t.csv")
    with pytest.raises(UserError, match="does not exist"):
        published_claims(tmp_path / "none.csv")
    for broken in ({"frechet": "low"}, {"frechet_se": ""}, {"inception_score_splits": "ten"}):
        with pytest.raises(UserError, match=r"fid_table\.csv holds a number that is none"):
            published_claims(table(tmp_path, ROW | broken))
    whole = table(tmp_path, ROW).read_text()
    (tmp_path / "cut.csv").write_text(whole[: whole.rindex("10.0,") - 1])
    with pytest.raises(UserError, match=r"cut\.csv has a row of another length"):
        published_claims(tmp_path / "cut.csv")

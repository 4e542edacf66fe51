"""The demo's own numbers, made here and held against those that git keeps from another machine.

Its cheapest run at full size, `digits-vae`: the recipe of params/demo.yaml as it stands, by the workflow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT, snakemake
from results.kept_results import write_rows
from sphere_repro import cli
from sphere_repro.results.comparison import BEYOND, Comparison, compare
from sphere_repro.results.deviations import known_deviations
from sphere_repro.results.reproduction import headline, sentences
from sphere_repro.results.result_tree import DEVIATIONS, SEPARATOR, TABLE, read_rows, read_tree

pytestmark = pytest.mark.slow

RUN = "digits-vae"
SCORES = f"results/demo/{RUN}/scores.efficientnet-lite0.json"
KEPT = ROOT / "reference" / "demo"


def test_the_demos_numbers_are_reproduced_here_and_wrong_ones_are_not(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, since all of it needs the training, which takes a minute."""
    assert (KEPT / DEVIATIONS).is_file(), "reference/demo has no deviations.csv. Run make deviations."
    results = made(checkout, monkeypatch)

    found = held_against_the_kept(results)
    print(f"{headline(found)}.", *sentences(found), sep="\n")  # the largest deviation among them
    reference = read_tree(KEPT)
    of_run = {at for at in reference.numbers if at.file == TABLE and at.row.startswith(f"{RUN}{SEPARATOR}")}
    assert {each.place for each in found.differences} == of_run and len(of_run) > 40
    assert all(each.known for each in found.differences), (
        "of some, nobody measured how far trainings lie apart"
    )
    assert found.reproduced, sentences(found)

    wrong = held_against_the_kept(prior_for_posterior(results, tmp_path))
    assert headline(wrong) == "Not reproduced"
    assert {each.place.row.split(SEPARATOR)[1] for each in wrong.of(BEYOND)} == {"posterior"}
    assert any(f"{RUN}{SEPARATOR}posterior" in sentence for sentence in sentences(wrong))


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results of a checkout in which the run is trained, drawn from and scored, with their table."""
    snakemake(folder, SCORES, study="params/demo.yaml", check=True)
    monkeypatch.chdir(folder)
    assert cli.main(["table", SCORES, "--out", f"results/{TABLE}"]) == 0
    return folder / "results"


def prior_for_posterior(results: Path, folder: Path) -> Path:
    """The same table, but draws of the prior were scored as the posterior's."""
    rows = {row["set"]: row for row in read_rows(results / TABLE)}
    rows["posterior"] = rows["prior"] | {name: rows["posterior"][name] for name in ("set", "kind")}
    write_rows(folder / TABLE, list(rows.values()))
    return folder


def held_against_the_kept(results: Path) -> Comparison:
    reference, here = read_tree(KEPT), read_tree(results)
    return compare(reference, here, known_deviations(reference, here))

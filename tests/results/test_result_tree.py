"""What is read of a result folder, and what is not taken for a number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kept_results import CLAIM, METRIC, scores, write_results, write_rows

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.results.result_tree import Place, read_bits, read_tree


def test_a_tree_is_its_numbers_verdicts_figures_and_bits(tmp_path: Path) -> None:
    tree = read_tree(write_results(tmp_path))
    assert tree.study == "demo"
    first = f"digits · generation-1 · {METRIC}"
    assert tree.numbers[Place("fid_table.csv", first, "frechet")] == 170.0
    assert tree.numbers[Place("tables/uniformity.csv", "digits · latents", "mean cosine")] == 0.2
    assert not any(
        "code" in place.column or place.file == "tables/scores-digits.csv" for place in tree.numbers
    )
    assert tree.verdicts == {f"{CLAIM} · digits · {METRIC}": "holds"}
    points = tree.figures["refinement"]
    assert points[Place("figures/refinement.csv", "1 step (2)", "x")] == 2.5
    assert [(each.result, each.sha256) for each in tree.bits] == [
        ("demo/digits/model.safetensors", "m0"),
        ("demo/digits/samples/generation-1.zip", "s0"),
    ]
    assert tree.bits[0].origin["inputs"] == {"data": "da7a"}


def test_further_trainings_are_rows_of_their_own(tmp_path: Path) -> None:
    write_rows(
        tmp_path / "t.csv", [scores("digits", "prior", 1.0), scores("digits", "prior", 2.0, replicate=1)]
    )
    rows = {place.row for place in read_tree(tmp_path / "t.csv").numbers}
    assert rows == {f"digits · prior · {METRIC}", f"digits_r1 · prior · {METRIC}"}


def test_a_folder_apart_finds_its_records(tmp_path: Path) -> None:
    write_results(tmp_path / "results")
    apart = tmp_path / "results/studies/demo"
    apart.mkdir(parents=True)
    assert read_bits(apart, "demo") == read_bits(tmp_path / "results", "demo") != []
    assert read_bits(tmp_path / "elsewhere", "demo") == []


def test_the_kept_results_can_be_read() -> None:
    tree = read_tree(ROOT / "reference/demo")
    assert tree.study == "demo" and len(tree.numbers) > 100 and len(tree.figures) > 10 and tree.verdicts


def test_what_is_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no fid_table\.csv"):
        read_tree(tmp_path)
    folder = write_results(tmp_path / "a")
    (folder / "fid_table.csv").write_text("study,run\ndemo\n")
    with pytest.raises(UserError, match="more or fewer cells"):
        read_tree(folder)
    folder = write_results(tmp_path / "b")
    (folder / "demo/digits/model.json").write_text("[]")
    with pytest.raises(UserError, match="is no record of a result"):
        read_tree(folder)
    (folder / "bits.json").write_text(json.dumps([{"result": "a"}]))
    with pytest.raises(UserError, match="is damaged"):
        read_tree(folder)
    folder = write_results(tmp_path / "c")
    (folder / "claims.csv").write_text("a\n1\n")
    with pytest.raises(UserError, match="has no column 'claim'"):
        read_tree(folder)

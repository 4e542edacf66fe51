"""The README shows the committed results of the demo, and they say what the project needs of them."""

from __future__ import annotations

import csv
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from conftest import ROOT

RESULTS = ROOT / "results"


def rows(run):
    with (RESULTS / "fid_table.csv").open() as handle:
        return {row["set"]: float(row["frechet"]) for row in csv.DictReader(handle) if row["run"] == run}


def test_the_tables_are_those_of_the_results():
    spec = importlib.util.spec_from_file_location("fill", ROOT / "workflow/scripts/fill_readme.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    text = (ROOT / "README.md").read_text()
    assert fill.filled(text, RESULTS) == text, "run make readme"


def test_every_file_and_picture_named_is_there():
    names = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert len(names) > 10
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_no_distance_is_called_an_fid():
    with (RESULTS / "fid_table.csv").open() as handle:
        for row in csv.DictReader(handle):
            assert row["metric"].startswith("fid") == row["extractor"].startswith("inception")


def test_four_steps_beat_one_on_the_digits():
    distances = rows("digits")
    assert distances["generation-4-fixed-shared"] < distances["generation-1"]


@pytest.mark.parametrize("dataset", ["digits", "photo-patches"])
def test_a_vaes_prior_is_worse_than_its_reconstructions(dataset):
    distances = rows(f"{dataset}-vae")
    assert distances["prior"] > (2 if dataset == "digits" else 1) * distances["reconstruction"]


@pytest.mark.parametrize("line", re.findall(r"^snakemake .*", (ROOT / "README.md").read_text(), re.MULTILINE))
def test_snakemake_understands_every_command(line):
    """Its own parser finds the targets: --configfile takes several files, and would swallow one behind it."""
    from snakemake.cli import get_argument_parser

    words = shlex.split(line, comments=True)[1:]
    wanted = [word for word in words if word.startswith("results/")]
    options = get_argument_parser().parse_args(words)
    assert sorted(options.targets or ()) == sorted(wanted)
    assert [path.name for path in options.configfile or ()] == [
        Path(word).name for word in words if word.startswith("params/") and "…" not in word
    ]

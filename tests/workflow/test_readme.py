"""README and docs show the kept results of the demo, and these say what the project needs of them."""

from __future__ import annotations

import csv
import importlib.util
import shlex
import shutil
import sys

import pytest

from conftest import ROOT, run
from workflow import pages

KEPT, LONGER = ROOT / "reference/demo", ROOT / "reference/evening"
README = [line for line in pages.typed(pages.read("README.md")) if not line.startswith("source ")]


@pytest.fixture(scope="module")
def writer():
    """The script behind make docs."""
    spec = importlib.util.spec_from_file_location("fill_docs", ROOT / "workflow/scripts/fill_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(run):
    with (KEPT / "fid_table.csv").open() as handle:
        return {row["set"]: float(row["frechet"]) for row in csv.DictReader(handle) if row["run"] == run}


@pytest.mark.parametrize(
    "page", ["README.md", "docs/demo-results.md", "docs/figures.md", "docs/architecture.md", "docs/paper.md"]
)
def test_what_is_generated_is_up_to_date(page, writer):
    assert writer.filled(page, writer.blocks(KEPT, LONGER)[page]) == pages.read(page), "run make docs"


def test_every_generated_page_is_tested(writer):
    marked = {page for page in pages.PAGES if ": begin -->" in pages.read(page)}
    assert marked == set(writer.blocks(KEPT, LONGER))


def test_a_page_without_its_markers_is_told(writer):
    assert writer.fill("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb", "x", "new") == (
        "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb"
    )
    with pytest.raises(SystemExit, match="'y'"):
        writer.fill("a\n<!-- x: begin -->\n<!-- x: end -->", "y", "new")


def test_every_figure_of_the_demo_is_shown():
    shown = {link.rpartition("/")[2] for link in pages.links(pages.read("docs/figures.md"))}
    assert {path.name for path in (KEPT / "figures").glob("*.png")} <= shown


def test_no_distance_is_called_an_fid():
    with (KEPT / "fid_table.csv").open() as handle:
        for row in csv.DictReader(handle):
            assert row["metric"].startswith("fid") == row["extractor"].startswith("inception")


def test_four_steps_beat_one_on_the_digits():
    distances = rows("digits")
    assert distances["generation-4-fixed-shared"] < distances["generation-1"]


@pytest.mark.parametrize("dataset", ["digits", "photo-patches"])
def test_a_vaes_prior_is_worse_than_its_reconstructions(dataset):
    distances = rows(f"{dataset}-vae")
    assert distances["prior"] > (2 if dataset == "digits" else 1) * distances["reconstruction"]


# -- its commands, carried out as far as they are quick


def quick(line):
    """A README's command in a form that starts no long work."""
    tool, *words = shlex.split(line)
    match tool:
        case "make":
            return ["make", "-n", *words]
        case "snakemake":
            return ["snakemake", "-n", *words]
        case "sphere-repro":
            return [sys.executable, "-m", "sphere_repro", *words]
        case "dvc":  # --dry asks for the data; that the stages can be read, this says
            return ["dvc", "stage", "list"]
        case _:
            return [tool, "--version"]


@pytest.mark.parametrize("line", README)
def test_the_readmes_commands_start(line, checkout):
    words = quick(line)
    if "--use-conda" in words and shutil.which("conda") is None:
        pytest.skip("no conda on this machine")
    done = run(checkout, *words)
    if "check" in words:
        assert "study 'demo', 4 runs" in done.stdout
    if "snakemake" in words:
        assert "fid_table" in done.stdout
    if "dvc" in words:
        assert "figures" in done.stdout

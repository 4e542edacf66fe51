"""A run leaves git clean, and is held against what git keeps of its study (smoke study)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from conftest import SMOKE, pending, run, snakemake

pytestmark = pytest.mark.slow
DEMO = ("make", "--no-print-directory", "-o", "env", "demo", "CORES=2")


@pytest.fixture
def kept(workspace: Path) -> Path:
    """The finished checkout, whose results are kept under git."""
    said = run(workspace, "python", "workflow/scripts/keep_reference.py", SMOKE).stdout
    assert said.startswith("reference/smoke is results: ")
    run(workspace, "git", "add", "reference")
    run(workspace, "git", "commit", "-qm", "kept")
    return workspace


def changed(path: Path, column: str, value: str) -> None:
    """Put a value into the first row of a table."""
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    rows[0][column] = value
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_run_leaves_git_clean(finished: Path) -> None:
    assert (finished / "results/fid_table.csv").is_file()
    assert run(finished, "git", "status", "--short").stdout == ""


def test_without_kept_results_there_is_no_verdict(workspace: Path) -> None:
    assert not {job for job in pending(workspace) if job.startswith("reproduction")}
    assert "Identical" not in run(workspace, *DEMO).stdout
    refused = snakemake(workspace, "results/reproduction.json")
    assert (
        refused.returncode != 0 and "reference/smoke is no folder or table" in refused.stdout + refused.stderr
    )


def test_what_is_kept_is_small_whole_and_without_pdfs(kept: Path) -> None:
    folder = kept / "reference/smoke"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    made = kept / "results"
    for form in ("png", "csv", "json"):
        assert {path.name for path in made.glob(f"figures/*.{form}")} == {
            path.name for path in folder.glob(f"figures/*.{form}")
        }
    assert {"fid_table.csv", "claims.md", "metrics.json", "bits.json", "tables/tables.json"} <= names
    assert not any(name.endswith((".pdf", ".ipynb", ".zip", ".safetensors")) for name in names)
    bits = {each["result"]: each for each in json.loads((folder / "bits.json").read_text())}
    record = json.loads((made / "smoke/digits/model.json").read_text())
    model = bits["smoke/digits/model.safetensors"]
    assert model["sha256"] == record["files"]["model.safetensors"]
    assert model["origin"]["parameters"] == record["parameters"]
    assert "smoke/digits/samples/generation-1.zip" in bits


def test_make_demo_ends_with_its_verdict_and_leaves_git_clean(kept: Path) -> None:
    assert pending(kept) == {"reproduction"}
    for _ in range(2):  # the second call has nothing to do
        said = run(kept, *DEMO).stdout
        assert "Identical (against reference/smoke)" in said and "The same bits" in said
        assert said.rstrip().endswith("results/reproduction.md, results/reproduction.csv")
    assert pending(kept) == set()
    assert run(kept, "git", "status", "--short").stdout == ""


def test_one_number_bit_claim_and_figure_are_each_named_and_the_status_is_0(kept: Path) -> None:
    folder = kept / "reference/smoke"
    changed(folder / "fid_table.csv", "frechet", "12345.6")
    changed(folder / "claims.csv", "verdict", "broken")
    changed(folder / "figures/training-curves.csv", "step", "77")
    bits = json.loads((folder / "bits.json").read_text())
    bits[0] |= {"sha256": "0" * 64, "origin": bits[0]["origin"] | {"device": "cuda"}}
    (folder / "bits.json").write_text(json.dumps(bits))
    said = run(kept, *DEMO).stdout
    assert "Not judged (against reference/smoke)" in said  # nobody measured how far trainings lie apart
    assert "1 numbers differ" in said and "broken in the reference" in said
    assert "figures differ: training-curves" in said
    assert f"the first {bits[0]['result']}" in said and "device (cuda, here cpu)" in said
    table = (kept / "results/reproduction.csv").read_text()
    assert "12345.6" in table and "no tolerance known" in table


def test_a_pipeline_of_dvc_makes_the_verdict_too(kept: Path) -> None:
    run(kept, "python", "workflow/scripts/write_pipeline.py", SMOKE)
    run(kept, "dvc", "repro", "-q")
    assert json.loads((kept / "results/reproduction.json").read_text())["verdict"] == "Identical"
    assert pending(kept) == set()


def test_what_is_of_another_study_missing_or_edited_is_not_kept(kept: Path) -> None:
    script = ("python", "workflow/scripts/keep_reference.py")
    before = run(kept, "git", "status", "--short").stdout
    other = run(kept, *script, "params/gallery.yaml", "results", check=False)
    assert other.returncode == 2 and "run the study 'gallery' first" in other.stderr
    path = kept / "results/claims.md"
    path.write_text(path.read_text() + "edited")
    edited = run(kept, *script, SMOKE, check=False)
    assert edited.returncode == 2 and "claims.md" in edited.stderr
    path.unlink()
    missing = run(kept, *script, SMOKE, check=False)
    assert missing.returncode == 2 and "results has no claims.md" in missing.stderr
    assert run(kept, "git", "status", "--short").stdout == before == ""


def test_keeping_again_replaces_what_was_kept_but_not_the_deviations(kept: Path) -> None:
    folder = kept / "reference/smoke"
    (folder / "deviations.csv").write_text("file,row,column,deviation,trainings\n")
    (folder / "figures/gone.png").write_text("of an older study")
    run(kept, "python", "workflow/scripts/keep_reference.py", SMOKE)
    assert (folder / "deviations.csv").is_file() and not (folder / "figures/gone.png").exists()


def test_a_verdict_on_another_study_is_not_told(kept: Path) -> None:
    run(kept, *DEMO)
    path = kept / "results/reproduction.json"
    path.write_text(path.read_text().replace('"study": "smoke"', '"study": "demo"'))
    told = run(kept, "python", "workflow/scripts/tell_verdict.py", SMOKE, check=False)
    assert told.returncode == 2 and "is no verdict on the study 'smoke'" in told.stderr

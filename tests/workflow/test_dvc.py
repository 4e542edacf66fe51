"""DVC and Snakemake on the same files, in any order, with the right answer each time (smoke study)."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from conftest import ROOT, SMOKE, contents, pending, rows_of, run, snakemake
from sphere_repro.study import jobs
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles
from workflow.test_environment import script as workflow_script

pytestmark = pytest.mark.slow


def table(folder):
    return {
        (row["run"], row["set"]): row for row in csv.DictReader((folder / "results/fid_table.csv").open())
    }


def change(folder, **values):
    """Change keys of run digits, e.g. sampling__count=60."""
    study = yaml.safe_load((folder / SMOKE).read_text())
    for key, value in values.items():
        section, name = key.split("__")
        study["runs"]["digits"][section][name] = value
    (folder / SMOKE).write_text(yaml.safe_dump(study, sort_keys=False))


def test_snakemake_first_then_dvc_recomputes_nothing(recorded):
    assert "up to date" in run(recorded, "dvc", "status").stdout
    assert pending(recorded) == set()


def test_dvc_first_then_snakemake_has_nothing_to_do(alone, finished):
    """Figures, which take the longest, are DVC's in test_an_experiment_has_the_new_parameters_results."""
    run(alone, "dvc", "repro", "-q", "tables")
    assert len(table(alone)) == 3
    assert "Nothing to be done" in (done := snakemake(alone, "tables", check=True)).stdout + done.stderr
    assert_same_bytes(alone, finished)


def test_workers_and_threads_change_nothing(finished, alone):
    """The finished study was made by two workers; here there is one, and jobs may have two threads."""
    rules = ("prepare", "train", "samples_1", "images", "encode", "reference", "score")
    threads = [f"{rule}=2" for rule in rules]
    run(
        alone,
        "snakemake",
        "--configfile",
        SMOKE,
        "--cores",
        "1",
        "--set-threads",
        *threads,
        "--",
        "tables",
        "image_sets",
    )
    assert_same_bytes(alone, finished)


@pytest.fixture
def alone(one_run, tmp_path):
    """A copy of the checkout whose study has one run."""
    return shutil.copytree(one_run, tmp_path / "checkout", symlinks=True)


def assert_same_bytes(folder, expected):
    """Two fresh runs of digits: the same rows, and byte for byte the same weights, curves and samples."""
    assert rows_of(folder) == rows_of(expected)
    names = {
        path.relative_to(expected).as_posix()
        for form in ("zip", "safetensors", "tsv")
        for path in expected.glob(f"results/smoke/digits/**/*.{form}")
    }
    assert len(names) > 10
    for name in sorted(names):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


@pytest.mark.parametrize("cache", ["copy", "hardlink", "symlink"])
def test_after_clone_and_pull_nothing_is_to_be_done(clone, cache):
    run(clone, "dvc", "config", "--local", "cache.type", cache)
    run(clone, "dvc", "pull", "-q")
    assert pending(clone, "results/fid_table.csv") == set()
    assert pending(clone) == set()
    assert "up to date" in run(clone, "dvc", "status").stdout


def test_a_changed_run_is_run_again_alone_and_back_again_is_free(clone):
    run(clone, "dvc", "pull", "-q")
    change(clone, sampling__count=60)
    jobs = pending(clone)
    assert {"samples digits", "score digits", "fid_table"} <= jobs
    assert not {job for job in jobs if job.startswith(("train", "prepare", "reference", "encode"))}
    assert not {job for job in jobs if job.endswith("digits-vae")}
    before = contents(clone)
    run(clone, "dvc", "repro", "-q", "tables")
    after = contents(clone)
    written = {path.relative_to(clone).as_posix() for path in before if after.get(path) != before[path]}
    assert "results/smoke/digits/samples/generation-1.zip" in written
    assert not any("digits-vae/" in name or "model" in name for name in written)
    assert {row["count"] for key, row in table(clone).items() if key[0] == "digits"} == {"60"}
    run(clone, "git", "checkout", "-q", "--", ".")
    run(clone, "dvc", "checkout", "-q")
    assert pending(clone) == set()
    assert "up to date" in run(clone, "dvc", "status").stdout


@pytest.mark.parametrize("how", ["workspace", "--temp", "--queue"])
def test_an_experiment_has_the_new_parameters_results(clone, how):
    run(clone, "dvc", "pull", "-q")
    setting = f"{SMOKE}:runs.digits-vae.sampling.count=56"
    target = [] if how == "workspace" else ["tables"]  # figures take the longest
    its_stages = ["--with-deps", *target] if target else []
    command = ["dvc", "exp", "run", "-q", "-n", "fewer", "-S", setting, *target]
    if how == "workspace":
        run(clone, *command)
    elif how == "--temp":
        run(clone, *command, "--temp")
    else:
        run(clone, *command, "--queue")
        run(clone, "dvc", "exp", "run", "-q", "--run-all")
    if how != "workspace":
        assert {row["count"] for row in table(clone).values()} == {"64"}
        run(clone, "dvc", "exp", "apply", "fewer")
    counts = {run_name: row["count"] for (run_name, _), row in table(clone).items()}
    assert counts == {"digits": "64", "digits-vae": "56"}
    record = json.loads((clone / "results/smoke/digits-vae/samples/prior.json").read_text())
    assert record["job"]["count"] == 56
    assert pending(clone, *target) == set()
    assert "up to date" in run(clone, "dvc", "status", *its_stages).stdout


@pytest.mark.parametrize("damage", ["edited", "truncated", "deleted"])
def test_a_damaged_result_is_named_and_restored(clone, damage):
    run(clone, "dvc", "pull", "-q")
    path = clone / "results/smoke/digits/model.safetensors"
    whole = path.read_bytes()
    path.unlink()
    if damage != "deleted":
        path.write_bytes(whole[:1000] if damage == "truncated" else whole[:-1] + b"x")
    status = run(clone, "dvc", "status").stdout
    assert "results/smoke/digits/model.safetensors" in status
    assert ("deleted" if damage == "deleted" else "modified") in status
    if damage == "edited":
        told = run(
            clone, "python", "-m", "sphere_repro", "explain", "results/smoke/digits/samples/generation-1.zip"
        )
        assert "has changed since it was read here" in told.stdout
    run(clone, "dvc", "checkout", "-q", "--force")
    assert path.read_bytes() == whole
    assert pending(clone) == set()


@pytest.mark.parametrize("cache", ["copy", "symlink"])
def test_a_removed_cache_loses_nothing(clone, cache):
    run(clone, "dvc", "config", "--local", "cache.type", cache)
    run(clone, "dvc", "pull", "-q")
    before = contents(clone)
    shutil.rmtree(clone / ".dvc/cache")
    if cache == "copy":  # the results are still here; with symlinks they went with the cache
        assert contents(clone) == before
        assert "not in cache" in run(clone, "dvc", "status").stdout
        assert pending(clone) == set()
        (clone / "results/smoke/digits/model.safetensors").unlink()
        failed = run(clone, "dvc", "checkout", check=False)
        assert failed.returncode != 0 and "results/smoke/digits/model.safetensors" in failed.stderr
        assert "Is your cache up to date?" in failed.stderr and "Traceback" not in failed.stderr
    run(clone, "dvc", "pull", "-q", "--force")
    assert contents(clone) == before
    assert pending(clone) == set()


def test_another_study_has_its_own_pipeline(clone):
    """Addressed by its path, apart from the default study, and never run by a plain dvc repro."""
    run(clone, "dvc", "pull", "-q")
    study = yaml.safe_load((clone / SMOKE).read_text()) | {"study": "second", "figures": ["training-curves"]}
    study["runs"] = {"plain": study["runs"]["digits-vae"] | {"baseline_of": None}}
    (clone / "params/second.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    run(clone, "make", "-o", "env", "pipeline", "STUDY=params/second.yaml")
    path = "workflow/pipelines/second/dvc.yaml"
    before = contents(clone)
    assert_stages_cover(clone, "params/second.yaml", ["tables", "figures"])
    run(clone, "dvc", "repro", "-q")
    assert contents(clone) == before
    run(clone, "dvc", "repro", "-q", path)
    after = contents(clone)
    assert {path: after[path] for path in before} == before
    rows = list(csv.DictReader((clone / "results/studies/second/fid_table.csv").open()))
    assert {(row["study"], row["run"]) for row in rows} == {("second", "plain")}
    assert (clone / "results/studies/second/notebooks/training-curves.ipynb").is_file()
    assert "up to date" in run(clone, "dvc", "status").stdout
    assert pending(clone) == set()


def test_the_pipeline_of_a_study_with_further_extractors_owns_their_files(checkout):
    study = yaml.safe_load((checkout / SMOKE).read_text()) | {"study": "second"}
    study["score"]["also"] = ["inception-legacy", "inception"]
    (checkout / "params/second.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    run(checkout, "make", "-o", "env", "pipeline", "STUDY=params/second.yaml")
    assert_stages_cover(checkout, "params/second.yaml", ["tables"], at_least=20)
    text = snakemake(checkout, "-n", "tables", study="params/second.yaml", check=True).stdout
    assert "scores.inception-legacy.json" in text
    written = (checkout / "workflow/pipelines/second/dvc.yaml").read_text()
    for target in ("reference/digits-8px.inception-legacy.npz", "digits/scores.inception.json"):
        assert f" results/second/{target}" in written
    claimed = re.search(r"^rule claims:\n    input: (.*)$", text, re.MULTILINE).group(1)
    assert "scores.efficientnet-lite0.json" in claimed and "inception" not in claimed


def test_a_pipeline_that_cannot_be_is_refused(checkout):
    script = "workflow/scripts/write_pipeline.py"
    done = run(checkout, "python", script, "data/sources.yaml", check=False)
    assert done.returncode == 2 and "unknown key" in done.stderr and "Traceback" not in done.stderr
    (checkout / "elsewhere.yaml").write_text((checkout / SMOKE).read_text())
    done = run(checkout, "python", script, "elsewhere.yaml", check=False)
    assert done.returncode == 2 and "params/smoke.yaml, where its pipeline looks" in done.stderr


def test_what_dvc_does_not_take_is_not_left_behind(checkout):
    """Two pipelines that make the same file: every dvc command in the checkout would fail."""
    place = checkout / "workflow/pipelines/second/dvc.yaml"
    second = yaml.safe_load((checkout / SMOKE).read_text()) | {"study": "second"}
    (checkout / "params/second.yaml").write_text(yaml.safe_dump(second))
    other = checkout / "workflow/pipelines/other/dvc.yaml"
    other.parent.mkdir(parents=True)
    made = "../../../results/second/digits/model.safetensors"
    other.write_text(yaml.safe_dump({"stages": {"odd": {"cmd": "true", "outs": [{made: {"cache": True}}]}}}))
    done = run(checkout, "python", "workflow/scripts/write_pipeline.py", "params/second.yaml", check=False)
    assert done.returncode == 2 and "DVC does not take this pipeline" in done.stderr, done.stderr
    assert not place.exists()
    other.unlink()
    run(checkout, "dvc", "status")


def test_the_default_pipeline_is_what_the_writer_writes():
    script = workflow_script("write_pipeline")
    out, text = script.text_of(ROOT / "params/demo.yaml")
    assert out == ROOT / "dvc.yaml" and out.read_text() == text, "run make pipeline"


TINY = {"width": 16, "layers": 1, "heads": 2}
SHORT = {
    "study": "short",
    "runs": {
        "digits": {
            "dataset": {"name": "digits"},
            "model": {"encoder": TINY, "decoder": TINY, "pixel_head": "conv"},
            "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
            "training": {"epochs": 1, "warmup_epochs": 0.1, "batch_size": 32},
            "sampling": {"count": 20},
        }
    },
    "score": {"extractor": "efficientnet-lite0"},
    "figures": ["training-curves"],
}


def test_a_study_that_leaves_defaults_out_has_a_pipeline(checkout):
    """No seed, no loss, no generations: DVC is told of the whole study, not of what the file says."""
    (checkout / "params/short.yaml").write_text(yaml.safe_dump(SHORT, sort_keys=False))
    run(checkout, "make", "-o", "env", "pipeline", "STUDY=params/short.yaml")
    assert_stages_cover(checkout, "params/short.yaml", ["tables", "figures"], at_least=15)
    path = "workflow/pipelines/short/dvc.yaml"
    run(checkout, "dvc", "repro", "-q", f"{path}:train-digits")
    made = [f"{path}:{stage}" for stage in ("jobs", "train-digits")]  # the archive is the default study's
    assert "up to date" in run(checkout, "dvc", "status", *made).stdout
    (checkout / "params/short.yaml").write_text(yaml.safe_dump(SHORT | {"seed": 1}, sort_keys=False))
    stale = run(checkout, "dvc", "status", *made).stdout
    assert "up to date" not in stale and "params/short.yaml" in stale
    assert "seed" in run(checkout, "dvc", "params", "diff").stdout
    run(checkout, "dvc", "repro", "-q", f"{path}:train-digits")
    record = json.loads((checkout / "results/short/digits/model.json").read_text())
    assert record["job"]["seed"] == [1]
    run(checkout, "dvc", "status")


def test_dvc_sees_that_own_images_have_changed(checkout, tmp_path):
    random = np.random.default_rng(0)
    pictures = tmp_path / "my pictures"
    pictures.mkdir()
    for index in range(70):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(pictures / f"{index}.png")
    study = SHORT | {"study": "own"}
    dataset = {"folder": str(pictures), "resolution": 8, "name": "mine"}
    study["runs"] = {"mine": SHORT["runs"]["digits"] | {"dataset": dataset}}
    (checkout / "params/own.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    run(checkout, "make", "-o", "env", "pipeline", "STUDY=params/own.yaml")
    made = "workflow/pipelines/own/dvc.yaml:train-mine"
    run(checkout, "dvc", "repro", "-q", made)
    assert "up to date" in run(checkout, "dvc", "status", made).stdout
    before = json.loads((checkout / "results/own/mine/model.json").read_text())
    for index in range(5):
        (pictures / f"{index}.png").unlink()
    assert "my pictures" in run(checkout, "dvc", "status", "--with-deps", made).stdout
    run(checkout, "dvc", "repro", "-q", made)
    after = json.loads((checkout / "results/own/mine/model.json").read_text())
    assert after["inputs"]["data"]["sha256"] != before["inputs"]["data"]["sha256"]
    assert pending(checkout, "results/own/mine/model.safetensors", study="params/own.yaml") == set()


def test_metrics_params_and_plots_can_be_compared(clone):
    run(clone, "dvc", "pull", "-q")
    shown = json.loads(run(clone, "dvc", "metrics", "show", "--json").stdout)
    assert "generation-1" in json.dumps(shown)
    change(clone, sampling__count=60)
    assert "runs.digits.sampling" in run(clone, "dvc", "params", "diff").stdout
    run(clone, "dvc", "plots", "show", "-o", "plots")
    assert "digits/live/plots/metrics/loss.tsv" in (clone / "plots/index.html").read_text()


def test_stages_cover_every_output_of_the_workflow(finished):
    assert_stages_cover(finished, SMOKE, ["all"], at_least=30)


def test_stages_depend_on_the_parameters_of_their_jobs(finished, recorded):
    """What Snakemake holds results against is what DVC depends on, job by job."""
    files = StudyFiles(load_study(finished / SMOKE))
    stages = yaml.safe_load((finished / "dvc.yaml").read_text())["stages"]
    makers = {out: stage for stage in stages.values() for item in stage["outs"] for out in item}
    judged = [step for step in files.steps() if step.rule not in ("encode", "uniformity")]
    judged += [step for step in files.steps() if step.rule == "uniformity" and step.subject in files.measured]
    judged += [step for step in files.steps() if step.rule == "encode" and step.subject in files.encoded]
    assert len(judged) == len(files.steps())
    for step in judged:
        told = f"{files.places.jobs}/{step.name}.json"
        made = step.makes[0]
        stage = next(found for out, found in makers.items() if made == out or made.startswith(f"{out}/"))
        assert told in stage["deps"], step.name
        assert (recorded / told).read_text() == jobs.as_text(step.job) + "\n"


def assert_stages_cover(folder, study, targets, at_least=1):
    """Every output of the DAG is an out of some stage; outside inputs of its jobs are deps of some stage."""
    from dvc.repo import Repo

    text = snakemake(folder, "--detailed-summary", *targets, study=study, check=True).stdout
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    assert len(rows) > at_least
    with Repo(str(folder)) as repo:
        outs = [out.fs_path for stage in repo.index.stages for out in stage.outs]
        deps = [dep.fs_path for stage in repo.index.stages for dep in stage.deps]

    def within(name, places):
        full = str(folder / name)
        return any(full == place or full.startswith(place + "/") for place in places)

    # records of downloads are under git
    made = {row["output_file"] for row in rows if not row["output_file"].startswith("data/raw/")}
    assert {name for name in made if not within(name, outs)} == set()
    used = {name for row in rows for name in row["input-file(s)"].split(",") if name and name != "-"}
    used = {
        name for name in used if not name.startswith((".state/jobs/", "data/raw/"))
    }  # the study's keys are params
    assert {name for name in used - made if not within(name, deps)} == set()

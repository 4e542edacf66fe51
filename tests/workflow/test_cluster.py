"""profiles/slurm on a fake Slurm that really runs what is submitted."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

import fake_slurm
from conftest import PATIENCE, ROOT, SMOKE, environment, pending, snakemake
from sphere_repro import cli

pytestmark = pytest.mark.slow

STUDY = "params/cluster.yaml"
# Poll at once; two cores serve everybody.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5", "--jobs", "2")
MODEL = "results/cluster/digits/model.safetensors"


@pytest.fixture(scope="session")
def trained(once, untouched):
    """A checkout in which the archive and the model of such a study were made, on this machine."""

    def make(folder):
        shutil.copytree(untouched, folder, symlinks=True)
        write_study(folder)
        snakemake(folder, MODEL, study=STUDY, check=True)

    return once("trained", make)


@pytest.fixture
def checkout(request, tmp_path):
    """A checkout with a study of one run: `untouched`, or as the parameter says."""
    source = request.getfixturevalue(getattr(request, "param", "untouched"))
    folder = shutil.copytree(source, tmp_path / "checkout", symlinks=True)
    write_study(folder)
    return folder


def write_study(folder, execution=None, sampling=None, **training):
    """The smoke study's digits alone, trained for long enough to be interrupted."""
    study = yaml.safe_load((folder / SMOKE).read_text())
    run = study["runs"]["digits"]
    run["training"] |= {"epochs": 8} | training
    run["sampling"] = {"count": 16, "generations": [{"steps": 1}]} | (sampling or {})
    run["execution"] = {"checkpoint_seconds": 0.1, "checkpoint_share": 1} | (execution or {})
    study |= {"study": "cluster", "runs": {"digits": run}, "figures": ["samples"]}
    study["score"] |= {"reference_count": 64, "kid_subsets": 2, "kid_subset_size": 10, "jackknife_groups": 2}
    (folder / STUDY).write_text(yaml.safe_dump(study, sort_keys=False))


@pytest.fixture
def cluster(tmp_path, checkout):
    """A function that runs Snakemake with profiles/slurm there; and the folder of the fake Slurm."""
    folder = tmp_path / "slurm"
    variables = environment() | fake_slurm.install(folder)
    variables["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment()['PATH']}"
    variables["GLOO_SOCKET_IFNAME"] = "lo"

    def submit(*arguments, plan=None):
        (folder / "plan.json").write_text(json.dumps(plan or {}))
        command = ["snakemake", "--profile", "profiles/slurm", "--configfile", STUDY, *QUICK, *arguments]
        return subprocess.run(
            command,
            cwd=checkout,
            env=variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    submit.folder = folder
    return submit


def test_a_study_on_the_cluster_gives_what_one_machine_gives(cluster, checkout):
    scores = "results/cluster/digits/scores.efficientnet-lite0.json"
    done = cluster(scores, plan={"train": {"time_is_up_when": ".state/digits-*.pt"}})
    assert done.returncode == 0, done.stdout + done.stderr
    found = {job["rule"]: job for job in fake_slurm.jobs(cluster.folder)}
    assert sorted(found) == ["prepare", "reference", "samples_1", "score", "train"]
    assert {job["state"] for job in fake_slurm.jobs(cluster.folder)} == {"COMPLETED"}

    for rule, partition, memory, minutes in (  # all are small: the least of profiles/slurm/limits.yaml
        ("train", "gpu", "32000", "60"),
        ("samples_1", "gpu", "32000", "60"),
        ("reference", "gpu", "32000", "60"),
        ("score", "gpu", "64000", "60"),
        ("prepare", "cpu", "32000", "60"),
    ):
        asked = found[rule]["asked"]
        on_gpu = partition == "gpu"
        assert (asked["partition"], asked["mem"], asked["time"]) == (partition, memory, minutes), rule
        assert (asked["gpus"], asked["nodes"]) == (("1", "1") if on_gpu else (None, None)), rule
        assert asked["cpus_per_task"] == ("8" if on_gpu else "1"), rule
        assert (asked["ntasks"], asked["ntasks_per_gpu"]) == (None if on_gpu else "1", None), rule
        assert asked["requeue"] and asked["signal"] == "TERM@300", rule

    # the time-out: one submission, two turns, and the second went on where the first stood
    record = json.loads((checkout / MODEL).with_suffix(".json").read_text())
    assert found["train"]["restarts"] == 1 and record["resumed_at_step"] > 0
    assert sum(job["rule"] == "train" for job in fake_slurm.jobs(cluster.folder)) == 1

    files = [MODEL, "results/cluster/digits/samples/generation-1.zip"]
    before = [(checkout / name).read_bytes() for name in files]
    local = snakemake(checkout, *files, "--force", "--forcerun", "train", study=STUDY)
    assert local.returncode == 0, local.stderr
    assert [(checkout / name).read_bytes() for name in files] == before
    assert json.loads((checkout / MODEL).with_suffix(".json").read_text())["resumed_at_step"] == 0


def test_cancelled_and_failed_jobs_are_told_and_not_tried_again(cluster, checkout):
    cancelled = cluster(MODEL, plan={"prepare": {"cancel": True}})
    assert cancelled.returncode == 1
    assert "SLURM status is: 'CANCELLED'" in cancelled.stdout + cancelled.stderr

    write_study(checkout, execution={"processes": 4, "nodes": 2})
    late = cluster(MODEL, plan={"train": {"limit": 1}})
    assert late.returncode == 1 and "SLURM status is: 'TIMEOUT'" in late.stdout + late.stderr
    asked = fake_slurm.jobs(cluster.folder)[-1]["asked"]
    wanted = {"nodes": "2", "ntasks": "2", "gres": "gpu:4", "cpus_per_task": "32", "mem": "128000"}
    assert {key: asked[key] for key in wanted} == wanted
    assert asked["gpus"] is None and asked["ntasks_per_gpu"] is None

    write_study(checkout)
    live = checkout / "results/cluster/digits/live"
    shutil.rmtree(live, ignore_errors=True)
    live.parent.mkdir(parents=True, exist_ok=True)
    live.touch()  # a file where the training's folder of curves belongs
    failed = cluster(MODEL)
    assert failed.returncode == 1
    assert "live cannot be written" in failed.stdout + failed.stderr
    assert [(job["rule"], job["state"]) for job in fake_slurm.jobs(cluster.folder)] == [
        ("prepare", "CANCELLED"),
        ("prepare", "COMPLETED"),
        ("train", "TIMEOUT"),
        ("train", "FAILED"),
    ]
    assert not (checkout / MODEL).exists()


@pytest.mark.parametrize("checkout", ["trained"], indirect=True)
def test_one_training_on_two_machines_inside_one_job(cluster, checkout):
    shutil.rmtree(checkout / "results")  # the archive is prepared
    write_study(checkout, execution={"nodes": 2})
    done = cluster(MODEL, plan={"train": {"time_is_up_when": ".state/digits-*.pt"}})
    assert done.returncode == 0, done.stdout + done.stderr
    train = fake_slurm.jobs(cluster.folder)[-1]
    assert (train["rule"], train["state"], train["restarts"]) == ("train", "COMPLETED", 1)
    record = json.loads((checkout / MODEL).with_suffix(".json").read_text())
    assert record["processes"] == 2 and record["resumed_at_step"] > 0


@pytest.mark.parametrize("checkout", ["trained"], indirect=True)
def test_a_set_of_two_processes_goes_on_in_another_turn(cluster, checkout):
    """The time is up after the first part; the bytes are those of one process at once."""
    images = "results/cluster/digits/samples/generation-1.zip"
    one_by_one(checkout)
    write_study(checkout, sampling={"count": 5000, "batch_size": 50, "processes": 2})
    done = cluster(images, plan={"sample": {"time_is_up_when": ".state/sample/digits.generation-1-*/0*.zip"}})
    assert done.returncode == 0, done.stdout + done.stderr
    sample = fake_slurm.jobs(cluster.folder)[-1]
    assert (sample["rule"], sample["state"], sample["restarts"]) == ("sample", "COMPLETED", 1)
    asked = {key: sample["asked"][key] for key in ("gpus", "nodes", "cpus_per_task", "mem", "time")}
    assert asked == {"gpus": "2", "nodes": "1", "cpus_per_task": "16", "mem": "64000", "time": "60"}
    assert not list((checkout / ".state/sample").rglob("*.zip"))

    before = (checkout / images).read_bytes()
    write_study(checkout, sampling={"count": 5000, "batch_size": 50})
    assert "sample" not in pending(checkout, images, study=STUDY)  # another number makes no result old
    local = snakemake(checkout, images, "--force", study=STUDY)
    assert local.returncode == 0, local.stderr
    assert (checkout / images).read_bytes() == before


def one_by_one(checkout):
    """Have each set drawn by a job of its own, as large ones are."""
    path = checkout / "src/sphere_repro/study/samples_job.py"
    path.write_text(path.read_text().replace("TOGETHER = 10**13", "TOGETHER = 0"))


@pytest.mark.parametrize("checkout", ["trained"], indirect=True)
def test_sets_drawn_in_one_job_go_on_in_another_turn(cluster, checkout):
    """The time is up when a first set waits for the others."""
    sets = [f"results/cluster/digits/samples/{name}.zip" for name in ("reconstruction", "generation-1")]
    write_study(checkout, sampling={"count": 2000, "batch_size": 50})
    done = cluster(*sets, plan={"samples_1": {"time_is_up_when": ".state/samples/*/*.json"}})
    assert done.returncode == 0, done.stdout + done.stderr
    found = fake_slurm.jobs(cluster.folder)[-1]
    assert (found["rule"], found["state"], found["restarts"]) == ("samples_1", "COMPLETED", 1)
    assert "2 of 2 sets drawn" in (checkout / "logs/samples/digits.log").read_text()
    assert not list((checkout / ".state/samples").iterdir())
    before = [(checkout / name).read_bytes() for name in sets]
    local = snakemake(checkout, *sets, "--force", study=STUDY)
    assert local.returncode == 0, local.stderr
    assert "2 of 2 sets drawn" in (checkout / "logs/samples/digits.log").read_text()
    assert [(checkout / name).read_bytes() for name in sets] == before


@pytest.mark.parametrize("rule", ["prepare", "score", "reference", "encode", "samples"])
def test_every_long_job_asks_for_another_turn(rule):
    """What each keeps is tested where it is made."""
    assert cli.verbs()[rule].takes_turns


def test_times_of_the_paper_follow_from_its_jobs(checkout):
    """Small jobs have an hour, the largest a day and further turns, others the planner's estimate times 3."""
    command = ["snakemake", "--profile", "profiles/slurm", "--configfile", "params/paper.yaml", "-n"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    blocks = re.findall(r"^rule (\w+):\n((?:    .*\n)*)", text, re.M)
    found = {}
    for rule, block in blocks:
        wildcards = re.search(r"wildcards: (.*)", block)
        if rule in ("prepare", "train", "sample", "encode", "reference", "score"):
            found[rule, wildcards[1]] = int(re.search(r"runtime=(\d+)", block)[1])
    assert found["train", "run=imagenet-xlarge"] == 1440
    assert found["sample", "run=imagenet-xlarge, set=generation-4-fixed-shared-combo1.4"] == 1440
    assert found["encode", "run=cifar10-base"] == 60
    assert 60 < found["sample", "run=cifar10-base, set=generation-1"] < 1440
    assert (
        found["sample", "run=cifar10-base, set=generation-1"]
        < (found["sample", "run=cifar10-large, set=generation-1"])
    )
    assert 60 < found["prepare", "archive=imagenet-256px"] <= 1440


def test_the_default_study_is_planned_for_the_cluster(checkout):
    command = ["snakemake", "--profile", "profiles/slurm", "-n"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    found = set(
        re.findall(
            r"^rule (\w+?)(?:_\d+)?:\n(?:    .*\n)*?    resources: .*slurm_partition=(\w+)", text, re.M
        )
    )
    on_gpus = {"train", "samples", "encode", "reference", "score"}
    assert {rule for rule, partition in found if partition == "gpu"} == on_gpus
    assert {partition for rule, partition in found if rule not in on_gpus} == {"cpu"}


def test_both_profiles_say_the_same_where_they_say_anything():
    default, slurm = (
        yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text()) for name in ("default", "slurm")
    )
    assert {key: slurm.get(key) for key in default} == default

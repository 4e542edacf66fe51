"""Shared by all tests: where the reference vectors lie, small models, a small study."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock
from hypothesis import HealthCheck, settings

import forked

# No test is one of speed: machines here are shared. What never comes is ended by the suite's own time limit.
PATIENCE = 900  # seconds
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell that starts tests in the background, or nohup, has them and all that they start ignore these.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

VECTORS = Path(os.environ.get("SPHERE_VECTORS", ROOT.parent / "shared" / "vectors"))
RELEASED = Path(os.environ.get("SPHERE_RELEASED", ROOT.parent / "shared" / "released"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Two cores are shared with other tests; one thread also makes sums repeatable."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said once for a process is said once for each test."""
    for name in ("SPHERE_REPRO_SAID", "SPHERE_REPRO_TOLD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def browser():
    """One for all pages that a module's tests open."""
    from browser import running

    with running():
        yield


@pytest.fixture
def tiny_shape():
    """A conditional architecture small enough for exact checks: 8 pixels, 16 tokens of 8 channels."""
    from sphere_repro.study.architecture import Architecture, Size

    size = Size(width=16, layers=1, heads=2)
    return Architecture(
        image_size=8,
        patch_size=2,
        token_channels=8,
        classes=3,
        pixel_head="conv",
        encoder=size,
        decoder=size,
        encoder_mixer_depth=1,
        decoder_mixer_depth=1,
    )


@pytest.fixture
def lively(tiny_shape):
    """A model of `tiny_shape` whose weights are all non-zero, so that every path carries a signal."""
    import torch

    from sphere_repro.models.autoencoder import build

    generator = torch.Generator().manual_seed(0)
    model = build(tiny_shape, generator=generator).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def digits_archive(tmp_path):
    """An archive of the first 96 digits."""
    from sphere_repro.data.archive_writing import write_archive
    from sphere_repro.data.embedded import digits

    images, labels = digits()
    path = tmp_path / "digits.zip"
    write_archive(path, images[:96], np.asarray(labels[:96]))
    return path


def wait_for(come: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < end, f"{what} has not come"
        time.sleep(0.01)


SMOKE = "params/smoke.yaml"
TARGETS = {"all", "data", "references", "image_sets", "uniformities", "tables", "figures"}


def run(folder: Path, *command: str, check: bool = True, **options) -> subprocess.CompletedProcess[str]:
    """A command in a temporary checkout, as a user with the environment active would type it."""
    if command[0] == "snakemake" and not options:
        done = forked.snakemake(folder, command, environment(), PATIENCE)
    else:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            **options,
        )
    if check and done.returncode:
        raise AssertionError(
            f"{command} left with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done


def environment() -> dict[str, str]:
    """The environment of such a command."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHONPATH", "DVC"))
    }
    for name in ("OMP_NUM_THREADS", "SPHERE_REPRO_SAID"):
        kept.pop(name, None)
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    names = {
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@t",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@t",
    }
    return kept | names | {"PYTHONPATH": "src"}


def snakemake(folder: Path, *arguments: str, study: str = SMOKE, check: bool = False):
    """Snakemake on a study in a temporary checkout."""
    return run(folder, "snakemake", "--configfile", study, "--cores", "2", *arguments, check=check)


def pending(folder: Path, *arguments: str, study: str = SMOKE) -> set[str]:
    """The jobs that a dry run would carry out: rule, or rule of run or figure, without the targets.

    Rules that are alike and numbered (`samples_1`) go by one name.
    """
    text = snakemake(folder, "-n", *arguments, study=study, check=True).stdout
    jobs = set()
    for name, block in re.findall(r"^rule (\w+?)(?:_\d+)?:\n((?:    .*\n)*)", text, re.MULTILINE):
        wildcards = re.search(r"wildcards: (.*)", block)
        found = re.search(r"(?:run|figure)=([\w-]+)", wildcards.group(1)) if wildcards else None
        jobs.add(f"{name} {found.group(1)}" if found else name)
    return jobs - TARGETS


def copy_checkout(target: Path) -> Path:
    """What git knows or would add, without kept results, as a repository whose default study is smoke."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file() and not name.startswith(("reference/", "dvc.lock")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    for name in ("src/sphere_repro/study/places.py", "Makefile"):
        path = target / name
        path.write_text(path.read_text().replace("params/demo.yaml", SMOKE))
    run(target, "git", "init", "-q")
    run(target, "python", "workflow/scripts/write_pipeline.py", SMOKE)
    for command in (["add", "-A"], ["commit", "-qm", "checkout"]):
        run(target, "git", *command)
    return target


def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk at `folder` while this lasts; the test is skipped where it may not mount one."""
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here: needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """A function that makes a folder once for all processes that run tests at the same time."""
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent

    def made(name: str, make: Callable[[Path], object]) -> Path:
        maker = f"{make.__module__}.{make.__qualname__}"
        with FileLock(root / f"{name}.lock"):
            done = root / f"{name}.done"
            if not done.exists():
                shutil.rmtree(root / name, ignore_errors=True)
                make(root / name)
                done.write_text(maker)
            assert done.read_text() == maker, f"two fixtures make a folder called {name}"
        return root / name

    return made


@pytest.fixture(scope="session")
def untouched(once):
    """A checkout in which nothing has run; tests copy it."""
    return once("untouched", copy_checkout)


@pytest.fixture
def checkout(untouched, tmp_path):
    """A copy of the untouched checkout."""
    return shutil.copytree(untouched, tmp_path / "checkout", symlinks=True)


@pytest.fixture(scope="session")
def finished(once, untouched):
    """A checkout in which the smoke study has run from nothing; tests copy it before they change it."""

    def make(folder: Path) -> None:
        shutil.copytree(untouched, folder, symlinks=True)
        done = snakemake(folder, check=True)
        folder.joinpath(".state/first.log").write_text(done.stdout + done.stderr)

    return once("finished", make)


@pytest.fixture(scope="session")
def one_run(once, untouched):
    """An untouched checkout whose smoke study has one run, which saves its state all the time.

    What is made of it is what `finished` has of that run: neither the other run nor when a training saves
    makes its numbers and its bits others.
    """

    def make(folder: Path) -> None:
        shutil.copytree(untouched, folder, symlinks=True)
        study = yaml.safe_load((folder / SMOKE).read_text())
        alone = study["runs"]["digits"] | {"execution": {"checkpoint_seconds": 0.01, "checkpoint_share": 1}}
        (folder / SMOKE).write_text(yaml.safe_dump(study | {"runs": {"digits": alone}}, sort_keys=False))
        run(folder, "python", "workflow/scripts/write_pipeline.py", SMOKE)

    return once("one_run", make)


def rows_of(folder: Path, name: str = "digits") -> list[dict[str, str]]:
    """The rows of a run in the table of a checkout."""
    with (folder / "results/fid_table.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["run"] == name]
    assert rows
    return rows


@pytest.fixture
def workspace(finished, tmp_path):
    """A copy of the finished checkout that a test may change."""
    return shutil.copytree(finished, tmp_path / "workspace", symlinks=True)


def contents(folder):
    """Every result's bytes; records carry the time at which they were made, so a remade one differs."""
    return {path: path.read_bytes() for path in folder.glob("results/**/*") if path.is_file()}


@pytest.fixture(scope="session")
def recorded(once, finished):
    """The finished checkout with everything recorded by DVC, pushed to a remote, and committed."""

    def make(parent: Path) -> None:
        folder = parent / "checkout"
        shutil.copytree(finished, folder, symlinks=True)
        before = contents(folder)
        run(folder, "dvc", "repro", "-q")
        after = contents(folder)
        assert {path: after[path] for path in before} == before
        made = {path.relative_to(folder).as_posix() for path in after.keys() - before.keys()}
        assert all(name.startswith("results/smoke/jobs/") for name in made)  # what DVC is told of the jobs
        run(folder, "dvc", "remote", "add", "-q", "-d", "store", str(parent / "store"))
        run(folder, "dvc", "push", "-q")
        run(folder, "git", "add", "-A")
        run(folder, "git", "add", "-f", ".snakemake/metadata")
        run(folder, "git", "commit", "-qm", "results")

    return once("recorded", make) / "checkout"


@pytest.fixture
def clone(recorded, tmp_path):
    """A fresh clone of the recorded checkout, without data."""
    run(tmp_path, "git", "clone", "-q", str(recorded), "clone")
    return tmp_path / "clone"


def pytest_collection_modifyitems(items):
    """Fast tests first: a mistake shows before the workflow has run.

    Of the slow ones those come last that write nothing, and so take a moment: all processes end together.
    """

    def place(item):
        slow = item.get_closest_marker("slow") is not None
        return slow, slow and "tmp_path" not in item.fixturenames

    items.sort(key=place)

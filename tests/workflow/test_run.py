"""run.py: each study once at a time, also without locks, without a home, for a second user; the workflow."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, SMOKE, environment
from odd import NOBODY, NOWHERE, SCRIPTS, as_root, plain, program

RUN = """
import os, sys, importlib.util
spec = importlib.util.spec_from_file_location("run", sys.argv[1])
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)
{before}
run.main(sys.argv[2:])
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A checkout that everybody may write, with a `snakemake` that only writes down its call."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o777)
        shutil.copytree(SCRIPTS, folder / "workflow" / "scripts")
        package = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src" / "sphere_repro", folder / "src" / "sphere_repro", ignore=package)
        (folder / "data").mkdir()
        shutil.copy(ROOT / "data" / "sources.yaml", folder / "data")
        program(
            folder / "bin" / "snakemake", 'printf "%s\\n" "$@" "site:$PYTHONNOUSERSITE" "$SPHERE_REPRO_TOLD"'
        )
        yield folder


def run_py(
    folder: Path, *arguments: str, before: str = "", seconds: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    code = RUN.format(before=before)
    script = str(folder / "workflow" / "scripts" / "run.py")
    given = plain(**variables)
    return subprocess.run(
        [sys.executable, "-c", code, script, *arguments],
        cwd=folder,
        env=given | {"PATH": f"{folder / 'bin'}:{given['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def test_arguments_reach_snakemake_as_they_are(shared: Path) -> None:
    words = ["--configfile", "params/my study's {x} $y.yaml", "--cores", "all"]
    done = run_py(shared, *words)
    assert done.returncode == 0 and done.stdout.splitlines()[:5] == ["--logger=progress", *words]
    assert done.stdout.splitlines()[5:] == ["site:1", f"{shared}/.state/told/my-study-s--x---y"]


@pytest.mark.parametrize("words", [["--logger", "mine"], ["--logger=mine"]])
def test_another_log_replaces_the_quiet_one(shared: Path, words: list[str]) -> None:
    done = run_py(shared, *words)
    assert done.stdout.splitlines()[: len(words) + 1] == [*words, "site:1"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_gives_one_notice(shared: Path, number: int) -> None:
    refuse = f"import fcntl\ndef refused(*_): raise OSError({number}, 'refused')\nfcntl.flock = refused"
    done = run_py(shared, "--cores", "1", before=refuse)
    assert done.returncode == 0 and done.stdout.startswith("--logger=progress\n--cores\n1\n")
    assert done.stderr.count("\n") == 1 and "has no locks" in done.stderr


@as_root
def test_the_second_user_of_a_shared_checkout_is_not_shut_out(shared: Path) -> None:
    """The first one's lock file can be read only; it locks as well, and its number is no longer true."""
    state = shared / ".state"
    (state / "locks" / "studies").mkdir(parents=True)
    for folder in (state, state / "locks", state / "locks" / "studies"):
        folder.chmod(0o777)
    lock = state / "locks" / "studies" / "demo.lock"
    lock.write_text("999999999")
    lock.chmod(0o644)
    become = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
    done = run_py(shared, "-n", before=become)
    assert done.returncode == 0 and done.stdout.startswith("--logger=progress\n-n\n"), done.stderr
    with lock.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(subprocess.TimeoutExpired) as waited:
            run_py(shared, "-n", before=become, seconds=10)
    assert b"Another process is running the study 'demo' in this folder" in (waited.value.stderr or b"")


def test_the_lock_file_is_for_the_group(shared: Path) -> None:
    if os.getuid() == 0:
        os.chown(shared, -1, NOBODY)
    before = os.umask(0o002)
    try:
        assert run_py(shared, "-n").returncode == 0
    finally:
        os.umask(before)
    found = (shared / ".state/locks/studies/demo.lock").stat()
    assert stat.S_IMODE(found.st_mode) == 0o664 and found.st_gid == shared.stat().st_gid


@as_root
def test_a_checkout_that_cannot_be_written_is_told(shared: Path) -> None:
    shared.chmod(0o755)
    done = run_py(shared, "-n", before=f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert ".state/locks/studies/demo.lock cannot be written" in done.stderr


def test_snakemake_has_a_home(shared: Path) -> None:
    program(shared / "bin" / "snakemake", 'printf "%s\\n" "$HOME" "$XDG_CACHE_HOME"')
    done = run_py(shared, HOME=NOWHERE)
    assert done.stdout.splitlines() == [f"{shared}/.state/home", f"{shared}/.state/home/cache"]


def test_each_run_says_things_anew(shared: Path) -> None:
    for _ in range(2):
        assert run_py(shared).returncode == 0
        assert list((shared / ".state/told/demo").iterdir()) == []
        (shared / ".state/told/demo/idle-gpu").touch()


@pytest.mark.parametrize(
    ("words", "study"),
    [
        ([], "demo"),
        (["--configfile", "one.yaml", "--cores", "2", "tables"], "one"),
        (["--configfile=one.yaml", "results/fid_table.csv"], "one"),
        (["--configfiles", "one.yaml", "plain.yaml", "-n"], "one"),  # the latter has no name
        (["--configfile", "plain.yaml", "one.yaml"], "one"),
        (["--configfile", "nowhere/it's.yaml"], "it-s"),
        (["--configfile", "broken.yaml"], "broken"),
    ],
)
def test_which_study_a_call_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], study: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params").mkdir()
    (tmp_path / "params/demo.yaml").write_text("study: demo")
    (tmp_path / "one.yaml").write_text("study: one")
    (tmp_path / "plain.yaml").write_text("seed: 1")
    (tmp_path / "broken.yaml").write_text("study: [")
    assert module("run").study_of(words) == study


@pytest.mark.parametrize(
    ("study", "words", "names"),
    [
        ("demo", [], ["demo", "results", "data"]),
        ("demo", ["results/demo/digits/model.safetensors"], ["demo", "results", "data"]),
        ("one", ["tables", "results/one/digits/model.json"], ["one", "data"]),
        ("one", ["results/studies/one/fid_table.csv", "results/uniformity/one/a.json"], ["one", "data"]),
        ("one", ["results/fid_table.csv"], ["one", "results", "data"]),
    ],
)
def test_locks_are_those_of_what_a_call_may_write(study: str, words: list[str], names: list[str]) -> None:
    assert [path.stem for path in module("run").locks_of(study, words)] == names


# -- the workflow itself


@pytest.mark.slow
def test_the_workflow_in_an_odd_place_without_a_home(untouched: Path, tmp_path: Path) -> None:
    """Braces, spaces and a quote in the path; spaces in the study; no home; no ~/.local for jobs."""
    folder = shutil.copytree(untouched, tmp_path / "my {odd} check'out", symlinks=True)
    (folder / SMOKE).rename(folder / "params" / "my study.yaml")
    wanted = ["--configfile", "params/my study.yaml", "--cores", "1", "data/prepared/digits-8px.zip"]
    seen = tmp_path / "seen"
    program(
        tmp_path / "bin" / "python",
        f'echo "$PYTHONNOUSERSITE" >> "{seen}"',
        f'exec {sys.executable} "$@"',
    )
    given = plain(HOME=NOWHERE, PATH=f"{tmp_path / 'bin'}:{environment()['PATH']}")
    for command in (
        ["python", "workflow/scripts/run.py"],  # as make and DVC do
        ["bash", "-c", '. workflow/scripts/home.sh; exec snakemake --forceall "$@"', "-"],  # and bare
    ):
        seen.unlink(missing_ok=True)
        done = subprocess.run(
            [*command, *wanted],
            cwd=folder,
            env=given,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert seen.read_text().splitlines()[-1] == "1"
    record = json.loads((folder / "data" / "prepared" / "digits-8px.json").read_text())
    assert record["interpreter"]["environment"] in ("venv", "conda", "system")
    assert record["interpreter"]["outside"] == []


def test_the_rules_give_no_relative_path_to_conda() -> None:
    """Snakemake makes it absolute, and then takes braces in the checkout's path for names."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        assert "environment.yml" not in path.read_text().replace('/ "environment.yml"', ""), path


def module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_number_of_a_dead_holder_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999999")
    with (tmp_path / "lock").open("rb") as handle:
        assert module("run").holder(handle.fileno()) == "Another process"
    (tmp_path / "lock").write_text(str(os.getpid()))
    with (tmp_path / "lock").open("rb") as handle:
        assert module("run").holder(handle.fileno()) == f"Process {os.getpid()}"

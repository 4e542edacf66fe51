"""A home that is missing or read-only: home.sh gives everything a place, in one list."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, mounted
from odd import CACHES, NOWHERE, SCRIPTS, as_root, plain


def variables(script: Path = SCRIPTS / "home.sh", **settings: Any) -> dict[str, str]:
    """The environment of a command line that home.sh runs."""
    done = subprocess.run(["bash", str(script), "env -0"], capture_output=True, check=True, **settings)
    pairs = [item.partition("=") for item in done.stdout.decode().split("\0") if item]
    return {name: value for name, _, value in pairs}


def own_home(folder: Path) -> Path:
    """A copy of home.sh in a checkout of its own."""
    script = folder / "workflow" / "scripts" / "home.sh"
    script.parent.mkdir(parents=True)
    return Path(shutil.copy(SCRIPTS / "home.sh", script))


def test_a_home_that_can_be_written_changes_nothing(tmp_path: Path) -> None:
    before = plain(HOME=str(tmp_path))
    after = variables(own_home(tmp_path / "checkout"), env=before)
    assert {name: value for name, value in after.items() if name not in ("_", "SHLVL", "PWD", "OLDPWD")} == {
        name: value for name, value in before.items() if name not in ("_", "SHLVL", "PWD", "OLDPWD")
    }
    assert not (tmp_path / "checkout" / ".state").exists()


@pytest.mark.parametrize("home", [NOWHERE, "", None])
def test_without_a_home_everything_has_a_place_in_the_checkout(tmp_path: Path, home: str | None) -> None:
    given = plain()
    given.pop("HOME")
    script = own_home(tmp_path / "a check out")
    found = variables(script, env=given | ({} if home is None else {"HOME": home}))
    place = tmp_path / "a check out" / ".state" / "home"
    for name in ("HOME", *CACHES):
        assert Path(found[name]).is_relative_to(place), name
    assert Path(found["HOME"]).is_dir() and Path(found["MPLCONFIGDIR"]).is_dir()


def test_what_is_set_already_stays(tmp_path: Path) -> None:
    script = own_home(tmp_path / "checkout")
    found = variables(script, env=plain(HOME=NOWHERE, UV_CACHE_DIR="/fast/uv", MPLCONFIGDIR=str(tmp_path)))
    assert found["UV_CACHE_DIR"] == "/fast/uv" and found["MPLCONFIGDIR"] == str(tmp_path)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk that is read-only, with downloaded weights."""
    for folder in mounted(tmp_path / "home", "size=1m"):
        (folder / ".cache" / "torch").mkdir(parents=True)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder


def test_a_home_that_can_only_be_read_stays_for_its_settings(tmp_path: Path, read_only: Path) -> None:
    found = variables(own_home(tmp_path / "checkout"), env=plain(HOME=str(read_only)))
    assert found["HOME"] == str(read_only) and found["TORCH_HOME"] == f"{read_only}/.cache/torch"
    for name in set(CACHES) - {"TORCH_HOME"}:
        assert Path(found[name]).is_relative_to(tmp_path / "checkout" / ".state" / "home"), name


@as_root
def test_a_user_whom_the_system_does_not_know() -> None:
    """As in a container with --user 12345: Python's getpass finds a name."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        script = own_home(Path(folder))
        given = {name: value for name, value in plain(HOME="/").items() if name not in ("USER", "LOGNAME")}
        found = variables(script, env=given, user=12345)
        assert found["USER"] == found["LOGNAME"] == "12345"
        assert found["HOME"] == f"{folder}/.state/home"


def test_the_list_of_caches_stands_in_one_place() -> None:
    """Whatever names one of them elsewhere would drift away from home.sh."""
    for path in (ROOT / "Makefile", *SCRIPTS.glob("*"), *(ROOT / "workflow" / "rules").glob("*")):
        if path.is_file() and path.name != "home.sh":
            assert not [name for name in CACHES if name in path.read_text()], path


@pytest.mark.parametrize("line", ["exit 3", "false", "exec bash -c 'exit 3'"])
def test_the_status_of_a_command_line_is_kept(line: str) -> None:
    done = subprocess.run(["bash", str(SCRIPTS / "home.sh"), line], env=plain(), check=False)
    assert done.returncode == (1 if line == "false" else 3)

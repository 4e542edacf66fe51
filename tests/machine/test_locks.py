"""Locks: held by one process, freed by the system, and what happens where there are none."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.machine import gpus, locks
from sphere_repro.machine.locks import only_one

HOLD = """
import os, sys
from pathlib import Path
from sphere_repro.machine.locks import only_one

if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
with only_one(Path(sys.argv[1]), "it is done"):
    print("held", flush=True)
    sys.stdin.read()
"""
NOBODY = 65534


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_lock_that_is_held_is_told_and_one_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.lock"
    other = holder(path)
    told = r"it is done already: .*a\.lock is held by another process"
    with pytest.raises(UserError, match=told), only_one(path, "it is done"):
        pass
    assert path.is_file()
    other.kill()
    other.wait()
    with only_one(path, "it is done"):
        assert path.is_file()
    assert not path.exists()


def test_a_lock_that_its_holder_removes_meanwhile_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our opening and our locking the holder may remove the file, which then protects nobody."""
    path = tmp_path / "a.lock"
    real, calls = locks.opened, []

    def opening(wanted: Path) -> int:
        handle = real(wanted)
        if not calls:
            wanted.unlink()
        calls.append(handle)
        return handle

    monkeypatch.setattr(locks, "opened", opening)
    with only_one(path, "it is done"):
        assert len(calls) == 2 and path.is_file()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_once(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    for name in ("a", "b"):
        with only_one(tmp_path / f"{name}.lock", "it is done"):
            pass
    with gpus.lease(1, names=["a"], folder=tmp_path / "gpus") as taken:
        assert taken == (0,)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "has no locks" in said and os.strerror(number) in said


def test_other_errors_of_a_lock_are_none_of_a_file_system_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="broken disk"), only_one(tmp_path / "a.lock", "it is done"):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_lock_file_of_another_user_shuts_nobody_out() -> None:
    """The first user was killed and left it behind; the second may write the folder, but not this file."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = Path(folder, "a.lock")
        path.touch(0o644)
        done = subprocess.run(
            [sys.executable, "-c", HOLD, str(path), str(NOBODY)],
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "held\n", done.stderr
        assert not path.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_new_lock_files_have_the_folders_group_and_follow_the_umask(tmp_path: Path) -> None:
    os.chown(tmp_path, -1, NOBODY)
    before = os.umask(0o002)
    try:
        with only_one(tmp_path / "sub" / "a.lock", "it is done"):
            found = (tmp_path / "sub" / "a.lock").stat()
    finally:
        os.umask(before)
    assert stat.S_IMODE(found.st_mode) == 0o664 and found.st_gid == NOBODY

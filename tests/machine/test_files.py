"""Whole files or none, whatever happens; JSON with the same bytes each time; errors that say what to do."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import signal
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import mounted
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.unpack import unpack
from sphere_repro.errors import UserError
from sphere_repro.machine import files as machine_files
from sphere_repro.machine import notes
from sphere_repro.machine.files import atomic_output, read_json, write_json, write_text
from sphere_repro.models.checkpoint import save_model
from sphere_repro.training.saved import Saved


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- atomic_output


def test_success_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_output(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".txt"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert files(tmp_path) == ["a.txt"]


def test_folders_are_made(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "b" / "c" / "a.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "b" / "c" / "a.txt").read_text() == "new"


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o027])
def test_whatever_is_written_follows_the_umask(tmp_path: Path, lively: Any, mask: int) -> None:
    """safetensors and temporary folders make files for their owner alone: a group could not read them."""
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("sub/a.txt", "x" * 100)
    before = os.umask(mask)
    try:
        save_model(tmp_path / "made" / "model.safetensors", lively.state_dict(), None, lively.shape, 80.0)
        Saved(tmp_path / "made", "run", "").write({"step": 1})
        write_archive(tmp_path / "made" / "images.zip", [np.zeros((4, 4, 3), np.uint8)], None)
        unpack(tmp_path / "archive.zip", tmp_path / "made" / "unpacked")
    finally:
        os.umask(before)
    made = [tmp_path / "made", *(tmp_path / "made").rglob("*")]
    wanted = {path.name: (0o777 if path.is_dir() else 0o666) & ~mask for path in made}
    assert len(wanted) == 7 and {path.name: stat.S_IMODE(path.stat().st_mode) for path in made} == wanted


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_outputs_have_the_group_of_their_folder(tmp_path: Path, lively: Any) -> None:
    os.chown(tmp_path, -1, 65534)
    save_model(tmp_path / "a" / "b" / "model.safetensors", lively.state_dict(), None, lively.shape, 80.0)
    assert {path.stat().st_gid for path in tmp_path.rglob("*")} == {65534}


def test_a_file_system_without_modes_and_groups_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    for name in ("chmod", "fchmod", "chown", "fchown"):
        monkeypatch.setattr(os, name, refused)
    write_text(tmp_path / "new" / "a.txt", "x")
    assert (tmp_path / "new" / "a.txt").read_text() == "x"


@pytest.mark.parametrize(
    "error", [RuntimeError("broke"), KeyboardInterrupt(), SystemExit(1), UserError("told")]
)
@pytest.mark.parametrize("existed", [True, False])
def test_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException, existed: bool
) -> None:
    path = tmp_path / "a.txt"
    if existed:
        path.write_text("old")
    with pytest.raises(type(error)) as caught, atomic_output(path) as temporary:
        temporary.write_text("half")
        raise error
    assert caught.value is error
    assert files(tmp_path) == (["a.txt"] if existed else [])
    assert not existed or path.read_text() == "old"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_told(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UserError, match=r"No space left.*a\.txt"), atomic_output(path) as temporary:
        temporary.write_text("half")
        raise OSError(number, os.strerror(number))
    assert path.read_text() == "old"
    assert files(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("call", ["mkstemp", "mkdir"])
def test_read_only_folder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(
        *((machine_files.tempfile, "mkstemp") if call == "mkstemp" else (Path, "mkdir")), refuse
    )
    with pytest.raises(UserError, match=rf"a\.txt cannot be written.*{tmp_path} writable"):
        write_text(tmp_path / "a.txt", "new")


def test_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    for path in (tmp_path / "folder" / "a.txt", tmp_path / "folder" / "deep" / "a.txt"):
        with pytest.raises(UserError, match="another output path"):
            write_text(path, "new")
    assert (tmp_path / "folder").read_text() == "a file"


def test_output_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="another output path"):
        write_text(tmp_path / "out", "new")
    assert files(tmp_path) == ["out"]


def test_other_failures_of_the_system_pass_through(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="made up") as caught, atomic_output(tmp_path / "a.txt"):
        raise OSError(errno.EIO, "made up")
    assert not isinstance(caught.value, UserError)
    assert files(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "disk", "size=64k")


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    path = small_disk / "a.txt"
    write_text(path, "old")
    with pytest.raises(UserError, match="No space left on the disk"):
        write_text(path, "x" * 200_000)
    assert path.read_text() == "old"
    assert files(small_disk) == ["a.txt"]
    write_text(path, "x" * 20_000)  # the space came back
    assert len(path.read_text()) == 20_000


def test_an_archive_on_a_disk_that_is_really_full(small_disk: Path) -> None:
    import numpy as np

    from sphere_repro.data.archive import ImageArchive
    from sphere_repro.data.archive_writing import write_archive

    path = small_disk / "a.zip"
    images = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    write_archive(path, images[:2], [0, 1])
    with pytest.raises(UserError, match="No space left on the disk"):
        write_archive(path, images, None)
    assert files(small_disk) == ["a.zip"]
    assert len(ImageArchive(path, 2)) == 2


def test_killed_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file is whole; what the dead writer left goes with the next writing, never a living one's."""
    monkeypatch.setattr(machine_files, "SETTLED_SECONDS", -1.0)
    path = tmp_path / "a.txt"
    path.write_text("old")
    script = (
        "import sys, time; from sphere_repro.machine.files import atomic_output\n"
        "with atomic_output(sys.argv[1]) as t:\n"
        "    t.write_text('half'); print('writing', flush=True); time.sleep(3000)\n"
    )
    source = str(Path(machine_files.__file__).resolve().parents[2])
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "writing\n"
        (half,) = set(files(tmp_path)) - {"a.txt"}
        write_text(path, "old")
        assert files(tmp_path) == [half, "a.txt"]
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert path.read_text() == "old"
    others = [".a.txt.part.txt", ".b.txt.abcdefgh.part.txt", ".a.txt.notes.part.txt"]
    for name in others:
        (tmp_path / name).write_text("somebody's")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert files(tmp_path) == sorted(["a.txt", *others])


def test_a_fresh_leftover_may_be_a_writer_that_has_not_locked_yet(tmp_path: Path) -> None:
    left = tmp_path / ".a.txt.abcdefgh.part.txt"
    left.write_text("half")
    write_text(tmp_path / "a.txt", "new")
    assert left.exists()
    os.utime(left, (0, 0))
    write_text(tmp_path / "a.txt", "new")
    assert files(tmp_path) == ["a.txt"]


@pytest.fixture
def network_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system as NFS, which locks no file that is open for reading alone."""
    real = fcntl.flock

    def flock(file: int | IO[bytes], operation: int) -> None:
        handle = file if isinstance(file, int) else file.fileno()
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(handle, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.delenv(notes.SAID, raising=False)


@pytest.mark.usefixtures("network_disk")
def test_leftovers_go_on_a_network_disk_too_and_a_writers_own_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine_files, "SETTLED_SECONDS", -1.0)
    left = tmp_path / ".a.txt.abcdefgh.part.txt"
    left.write_text("half")
    with atomic_output(tmp_path / "a.txt") as living:
        assert not left.exists()
        living.write_text("half")
        write_text(tmp_path / "a.txt", "another's")
        assert living.exists()
    assert files(tmp_path) == ["a.txt"] and (tmp_path / "a.txt").read_text() == "half"
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("network_disk")
def test_a_file_put_in_a_temporarys_place_is_held_on_a_network_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As safetensors does."""
    with atomic_output(tmp_path / "a.bin") as temporary:
        temporary.unlink()
        temporary.write_bytes(b"new")
        temporary.chmod(0o600)
    assert (tmp_path / "a.bin").read_bytes() == b"new" and capsys.readouterr().err == ""


def test_a_disk_without_locks_is_told_once_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(machine_files, "SETTLED_SECONDS", -1.0)
    monkeypatch.delenv(notes.SAID, raising=False)
    left = tmp_path / ".a.txt.abcdefgh.part.txt"
    left.write_text("half")
    for _ in range(2):
        write_text(tmp_path / "a.txt", "new")
    assert files(tmp_path) == [left.name, "a.txt"]
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "has no locks (No locks available)" in said
    assert "what killed ones leave there (.NAME.….part) stays" in said


# -- JSON

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values.filter(encodable))
def test_json_round_trip(tmp_path: Path, value: Any) -> None:
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


def test_json_bytes_do_not_depend_on_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": {"ü": 2.5, "d": None}})
    write_json(tmp_path / "b.json", {"a": {"d": None, "ü": 2.5}, "b": 1})
    content = (tmp_path / "a.json").read_bytes()
    assert content == (tmp_path / "b.json").read_bytes()
    assert content == '{\n  "a": {\n    "d": null,\n    "ü": 2.5\n  },\n  "b": 1\n}\n'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, object()])
def test_what_is_not_json_is_not_written(tmp_path: Path, value: Any) -> None:
    write_json(tmp_path / "a.json", "old")
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", {"x": value})
    assert read_json(tmp_path / "a.json") == "old"
    assert files(tmp_path) == ["a.json"]


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json does not exist"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b"\xff\xfe", b"[1,]"])
def test_broken_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not a readable JSON file.*again"):
        read_json(tmp_path / "a.json")


def test_folder_instead_of_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a readable JSON file"):
        read_json(tmp_path)


def test_json_nested_too_deep(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="not a readable JSON file"):
        read_json(tmp_path / "a.json")

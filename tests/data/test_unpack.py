"""Archives are unpacked whole or not at all, inside their folder, within their limits."""

from __future__ import annotations

import gzip
import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sphere_repro.data.unpack import Limits, unpack
from sphere_repro.errors import UserError

CONTENTS = {"top/a.txt": b"a" * 100, "top/deeper/b.bin": bytes(range(256)) * 50, "c": b""}
Writer = Callable[[Path, dict[str, bytes]], Path]


def write_tar(path: Path, contents: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


WRITERS = [write_tar, write_zip]


def found_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refused(archive: Path, words: str, limits: Limits | None = None) -> None:
    target = archive.parent / "place" / "unpacked"
    before = {path for path in archive.parent.rglob("*") if "place" not in path.parts}
    with pytest.raises(UserError, match=words) as caught:
        unpack(archive, target, limits)
    assert str(archive) in str(caught.value)
    assert list(target.parent.iterdir()) == []  # neither the folder nor half of it
    assert {path for path in archive.parent.rglob("*") if "place" not in path.parts} == before


@pytest.mark.parametrize("write", WRITERS)
def test_everything_is_there_afterwards(tmp_path: Path, write: Writer) -> None:
    unpack(write(tmp_path / "a.tgz", CONTENTS), tmp_path / "x" / "unpacked")
    assert found_in(tmp_path / "x" / "unpacked") == CONTENTS
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["unpacked"]


def test_folders_in_the_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        folder = tarfile.TarInfo("empty/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    unpack(tmp_path / "a.tar", tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "empty").is_dir()


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/etc/out.txt", "..\\out.txt", "C:\\out.txt", "a/../b"]
)
def test_no_path_leads_outside(tmp_path: Path, write: Writer, name: str) -> None:
    refused(write(tmp_path / "a.tgz", {"fine.txt": b"x", name: b"y"}), "a path outside")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("goal", ["/etc/passwd", "../../out", "fine.txt"])
def test_no_links_and_no_devices_in_a_tar(tmp_path: Path, kind: bytes, goal: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        fine = tarfile.TarInfo("fine.txt")
        fine.size = 1
        archive.addfile(fine, io.BytesIO(b"x"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = kind, goal
        archive.addfile(link)
    refused(tmp_path / "a.tar", "a link or a device")


def test_no_links_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(tmp_path / "a.zip", "a link or a device")


@pytest.mark.parametrize("write", WRITERS)
def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path, write: Writer) -> None:
    bomb = write(tmp_path / "a.tgz", {f"{i}": bytes(5_000_000) for i in range(4)})
    assert bomb.stat().st_size < 100_000
    refused(bomb, "would unpack to more than", Limits(ratio=10, spare=6_000_000))


def test_a_member_that_says_it_is_small(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a": bytes(3_000_000)})
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the uncompressed size, twice
        at = raw.find(signature) + offset
        raw[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    refused(path, "damaged|more than", Limits(spare=1_000_000))


@pytest.mark.parametrize("write", WRITERS)
def test_too_many_files(tmp_path: Path, write: Writer) -> None:
    refused(
        write(tmp_path / "a.tgz", {f"{i}": b"" for i in range(20)}), "more than 10 files", Limits(members=10)
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_file_that_comes_twice(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    if kind == "tar":
        with tarfile.open(path, "w") as archive:
            for _ in range(2):
                archive.addfile(tarfile.TarInfo("same"))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for _ in range(2):
                archive.writestr("same", b"")
    refused(path, "twice")


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_archive(tmp_path: Path, write: Writer, keep: float) -> None:
    path = write(
        tmp_path / "a.tgz", {**CONTENTS, "long": b"".join(i.to_bytes(3, "big") for i in range(9999))}
    )
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    refused(path, "damaged")


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(b"<html>sign in</html>"))
    refused(path, "damaged")


@pytest.mark.parametrize("value", [0, 1, 239, 255])
@pytest.mark.parametrize("write", WRITERS)
def test_a_damaged_byte_at_either_end(tmp_path: Path, write: Writer, value: int) -> None:
    """The directory of a zip (byte 691 set to 1: an offset before the start), the header of a gzip."""
    path = write(tmp_path / "a.zip", CONTENTS)
    whole = path.read_bytes()
    directory = whole.index(b"PK\x01\x02") if write is write_zip else len(whole) - 8
    found: set[str] = set()
    for place in (*range(12), *range(directory, len(whole))):
        content = bytearray(whole)
        content[place] = value
        path.write_bytes(content)
        try:
            unpack(path, tmp_path / "unpacked")
        except UserError as error:
            found.add(str(error))
        shutil.rmtree(tmp_path / "unpacked", ignore_errors=True)
    assert found and not any("Errno" in text for text in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), write=st.sampled_from(WRITERS))
def test_damage_is_named_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, write: Writer
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    path = write(folder / "a.tgz", CONTENTS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        unpack(path, folder / "place" / "unpacked")
    except UserError as error:
        assert str(folder) in str(error)
        assert list((folder / "place").iterdir()) == []

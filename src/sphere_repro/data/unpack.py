"""Unpack a publisher's tar or zip: whole or not at all, inside its folder, and no more than it may hold."""

from __future__ import annotations

import errno
import gzip
import lzma
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sphere_repro.errors import UserError
from sphere_repro.machine.files import umask, writing
from sphere_repro.machine.progress import progress

# What tarfile and zipfile raise on damaged bytes, by experiment (tests/data/test_unpack.py changes them).
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, ValueError, LookupError, OverflowError, RuntimeError),
)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        ratio: unpacked bytes over the archive's own; images do not shrink much.
        spare: bytes allowed beyond that.
        members: files and folders.
    """

    ratio: float = 10.0
    spare: int = 64 << 20
    members: int = 2_000_000

    def most_bytes(self, archive: Path) -> int:
        """Unpacked bytes that `archive` may hold."""
        return int(self.ratio * archive.stat().st_size) + self.spare


@dataclass(frozen=True)
class _Member:
    """A file (or a folder, which has nothing to open) in an archive."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]] | None


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack `archive` as the new `folder`, which appears when it is complete.

    Only files and folders are unpacked: links and devices, which no dataset needs, are refused wherever they
    point, as are paths that lead outside.

    Raises:
        UserError: `archive` is damaged, holds something refused or more than `limits`, or the disk is full.
    """
    limits = limits or Limits()
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o777 & ~umask())  # temporary folders are for their owner alone
        try:
            _unpack_into(archive, temporary, limits)
            temporary.replace(folder)
        except (*_DAMAGE, OSError) as error:
            nowhere = _leads_nowhere(error)
            if isinstance(error, OSError) and error.errno is not None and not nowhere:
                raise  # the disk's refusal, not the archive's fault
            words = "its table of contents is" if nowhere else " ".join(str(error).split())
            why = words or type(error).__name__
            raise UserError(
                f"{archive} is damaged and cannot be unpacked ({why}). Delete it and run the same "
                "command again."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _leads_nowhere(error: Exception) -> bool:
    """Whether zipfile followed a damaged offset to before the file's start: an OSError that names no file."""
    return isinstance(error, OSError) and error.errno == errno.EINVAL and error.filename is None


def _unpack_into(archive: Path, folder: Path, limits: Limits) -> None:
    left = most = limits.most_bytes(archive)
    for count, member in enumerate(
        progress(_members(archive), label=f"unpack {archive.name}", unit="file"), start=1
    ):
        if count > limits.members:
            raise UserError(f"{archive} holds more than {limits.members} files. Is it the right one?")
        target = folder / _inside(archive, member.name)
        if member.open is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise UserError(f"{archive} holds '{member.name}' twice. Is it the right one?")
        with member.open() as source, target.open("xb") as handle:
            while block := source.read(min(_BLOCK, left + 1)):
                left -= len(block)
                if left < 0:
                    raise UserError(
                        f"{archive} would unpack to more than {most} bytes ({limits.ratio:g} times its size "
                        f"and {limits.spare} more). Is it the right one?"
                    )
                handle.write(block)


def _inside(archive: Path, name: str) -> PurePosixPath:
    """The path of a member, if it stays inside the folder that it is unpacked to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name:
        raise UserError(f"{archive} holds '{name!r}', a path outside its folder. It was not unpacked.")
    return path


def _members(archive: Path) -> Iterator[_Member]:
    return _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)


def _tar_members(path: Path) -> Iterator[_Member]:
    """Members in the order of the tar, read once from start to end."""
    with tarfile.open(path, "r:*") as archive:
        for info in archive:
            if not (info.isfile() or info.isdir()):
                raise UserError(f"{path} holds '{info.name}', a link or a device. It was not unpacked.")
            yield _Member(info.name, None if info.isdir() else _tar_opener(archive, info))


def _tar_opener(
    archive: tarfile.TarFile, info: tarfile.TarInfo
) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    def opened() -> AbstractContextManager[IO[bytes]]:
        handle = archive.extractfile(info)
        assert handle is not None  # only links have none
        return handle

    return opened


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = info.external_attr >> 28  # the Unix file type: 8 is a file, 4 a folder, 0 not told
            if kind not in (0, 4, 8):
                raise UserError(f"{path} holds '{info.filename}', a link or a device. It was not unpacked.")
            yield _Member(info.filename, None if info.is_dir() else _zip_opener(archive, info))


def _zip_opener(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    return lambda: archive.open(info)

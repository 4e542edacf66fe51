"""Parts of a result that takes long, each written as it is finished and kept until the result is whole.

A job that is killed, that runs out of time or of disk, loses the part in work; the same command takes up the
others. A part is a small zip that says what it belongs to, so that one of another job, another model or other
code is never taken for this one's. What a part holds follows from its number alone: whoever makes it, and in
whatever order, the whole is the same.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output
from sphere_repro.machine.locks import only_one
from sphere_repro.machine.notes import notice
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.provenance.maker import Maker, difference

FORMAT = "sphere-repro part 1"
POLL_SECONDS = 0.2
_ABOUT = "about.json"
_BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError)


@dataclass(frozen=True)
class Ranges:
    """`count` images cut into batches of `batch`, and these into parts of about `part` images."""

    count: int
    batch: int
    part: int

    @property
    def size(self) -> int:
        """Images of a whole part: whole batches, at least one."""
        return max(1, self.part // self.batch) * self.batch

    def __len__(self) -> int:
        """How many parts there are."""
        return math.ceil(self.count / self.size)

    def images(self, number: int) -> range:
        """Indices of the images of a part."""
        return range(number * self.size, min((number + 1) * self.size, self.count))

    def batches(self, number: int) -> list[range]:
        """Indices of the images of each batch of a part."""
        of = self.images(number)
        return [
            range(start, min(start + self.batch, of.stop)) for start in range(of.start, of.stop, self.batch)
        ]


@dataclass(frozen=True)
class Kept:
    """The parts of one result: `NUMBER.zip` in a folder of their own.

    Attributes:
        folder: of these parts alone.
        what: the result, in words.
        identity: hash of what fixes it.
        maker: who makes parts now (`provenance.maker`).
        anew: parts by other code or versions are removed and made again (for what is cheap); otherwise they
            stop the work.
    """

    folder: Path
    what: str
    identity: str
    maker: Maker
    anew: bool = False

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep other commands away from these parts while it lasts; their maker's first process holds it."""
        return only_one(self.folder.with_name(f"{self.folder.name}.lock"), f"{self.what} is being made")

    def path(self, number: int) -> Path:
        """Where part `number` lies."""
        return self.folder / f"{number:06d}.zip"

    def missing(self, count: int) -> list[int]:
        """Which of the parts 0…count-1 are to be made; what is there is held against this work.

        Raises:
            UserError: a part belongs to another job, or was made by other code or versions.
        """
        there = [number for number in range(count) if self.path(number).is_file()]
        abouts = {number: about for number in there if (about := self._about(number))}
        self._refuse_foreign(abouts)
        return [number for number in range(count) if number not in abouts]

    def write(self, number: int, entries: Iterable[tuple[str, bytes]]) -> None:
        """Write a part whole or not at all: entries (name, bytes), kept in their order."""
        about = {"format": FORMAT, "identity": self.identity, "maker": self.maker}
        with (
            atomic_output(self.path(number)) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as zipped,
        ):
            for name, content in entries:
                zipped.writestr(name, content)
            zipped.writestr(_ABOUT, json.dumps(about))

    def read(self, number: int) -> Iterator[bytes]:
        """The entries of a part in their order.

        Raises:
            UserError: it is damaged; it is then removed.
        """
        path = self.path(number)
        try:
            with zipfile.ZipFile(path) as zipped:
                for name in zipped.namelist():
                    if name != _ABOUT:
                        yield zipped.read(name)
        except _BROKEN as error:
            _raise_if_of_the_disk(error)
            path.unlink(missing_ok=True)
            raise UserError(
                f"{path}, a part of {self.what}, was damaged ({error}) and is removed. Run the same command "
                "again: only that part is made again."
            ) from error

    def write_arrays(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Write a part that holds arrays."""
        self.write(number, ((name, _as_bytes(array)) for name, array in arrays.items()))

    def read_arrays(self, number: int) -> list[np.ndarray]:
        """The arrays of a part, in their order."""
        return [np.load(io.BytesIO(content), allow_pickle=False) for content in self.read(number)]

    def wait(self, count: int) -> None:
        """Wait until all parts are there, those that other processes make among them.

        Files are asked for, and no process: so an interrupt ends it at once. That a process which makes parts
        has failed is for `machine.watch` to find.
        """
        left = list(range(count))
        while left := [number for number in left if not self.path(number).is_file()]:
            time.sleep(POLL_SECONDS)

    def machines(self, count: int) -> list[dict[str, Any]]:
        """On which machines the parts were made, each with its number of parts, in the order of the parts."""
        found: dict[str, dict[str, Any]] = {}
        for number in range(count):
            about = self._about(number)
            if about is None:
                continue
            machine = about["maker"]["machine"]
            one = found.setdefault(value_hash(machine), {"parts": 0, "machine": machine})
            one["parts"] += 1
        return list(found.values())

    def remove(self) -> None:
        """The result is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _about(self, number: int) -> dict[str, Any] | None:
        """What a part says of itself; None, and it is removed, where it is damaged."""
        path = self.path(number)
        try:
            with zipfile.ZipFile(path) as zipped:
                about = json.loads(zipped.read(_ABOUT))
            if about["format"] != FORMAT:
                raise ValueError("another format")
            _ = about["identity"], about["maker"]["code"]["sha256"], about["maker"]["versions"]
        except (*_BROKEN, TypeError) as error:
            _raise_if_of_the_disk(error)
            path.unlink(missing_ok=True)
            notice(f"{path}, a part of {self.what}, was damaged; it is removed and made again.")
            return None
        return dict(about)

    def _refuse_foreign(self, abouts: dict[int, dict[str, Any]]) -> None:
        """Stop at parts that are not this work's; with `anew`, remove those of other code from `abouts`."""
        for number, about in abouts.items():
            if about["identity"] != self.identity:
                raise UserError(
                    f"{self.path(number)} is a part of another job, not of {self.what}. Delete the folder "
                    f"{self.folder}, and its parts are made again."
                )
        others = {number: why for number, one in abouts.items() if (why := self._other(one))}
        if not others:
            return
        why = next(iter(others.values()))
        if not self.anew:
            raise UserError(
                f"{len(others)} parts of {self.what} in {self.folder} were made by {why}. Go back to what "
                "made them, or delete that folder, and all are made anew."
            )
        notice(f"{len(others)} parts of {self.what} were made by {why}; they are made anew.")
        for number in others:
            self.path(number).unlink(missing_ok=True)
            del abouts[number]

    def _other(self, about: dict[str, Any]) -> str:
        return difference(about["maker"], self.maker)


def kept_parts(
    state: Path,
    name: Sequence[str],
    fixes: Mapping[str, Any],
    maker: Maker,
    *,
    what: str,
    anew: bool = False,
) -> Kept:
    """The parts of a result, in a folder of `state` that is named by what the result is and what fixes it.

    Args:
        state: folder of everything that is half done.
        name: of the verb, and then what distinguishes its results for people.
        fixes: what the result follows from: job, and hashes of the files that are read.
        maker: this process's, as `provenance.maker` says.
        what: the result, in words.
        anew: as `Kept.anew`.
    """
    identity = value_hash({"name": list(name), **fixes})
    verb, *about = name
    return Kept(state / verb / f"{'.'.join(about)}-{identity[:16]}", what, identity, maker, anew)


def _as_bytes(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()


def _raise_if_of_the_disk(error: BaseException) -> None:
    """A disk or a network that fails is no damaged part: nothing is removed then."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error

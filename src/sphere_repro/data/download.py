"""Fetch a publisher's file: resumed, retried, verified, then moved into place.

While it comes, a file is called `NAME.part`; `NAME` is only ever a file whose digest was right. A file that
somebody put there by hand is verified in the same way, and nothing is fetched.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import tenacity

from sphere_repro.data.sources import SourceFile
from sphere_repro.errors import UserError
from sphere_repro.machine.files import check_writable, read_json, write_json, writing
from sphere_repro.machine.locks import only_one
from sphere_repro.machine.progress import progress

BLOCK = 1 << 16  # bytes read at a time; a cut connection loses less than that
BUSY = {408, 425, 429, 500, 502, 503, 504}  # HTTP status codes that may be gone a little later
LONGEST_PAUSE = 300.0  # seconds, whatever a server asks for


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask again.

    Attributes:
        connect, read: seconds without an answer, or without a byte, after which a connection is given up.
        attempts: so many in a row that brought no byte, and an address is given up.
        pause: seconds before the second attempt; doubled from one to the next, up to 64 times.
        headers: that every request carries, such as who asks; a server that is redirected to does not see it.
    """

    connect: float = 20.0
    read: float = 60.0
    attempts: int = 6
    pause: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class InterruptedTransferError(Exception):
    """The transfer ended early; another attempt may go on. `after`: seconds that the server asks to wait."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class RefusedError(Exception):
    """This address will not give the file, however often it is asked."""


def fetch(file: SourceFile, folder: Path, held: str | None, patience: Patience | None = None) -> str:
    """Have `folder/file.name`, whole and verified; return its SHA-256 as 64 hexadecimal digits.

    Args:
        file: what the publisher says of it.
        folder: where it lies or is to lie.
        held: the SHA-256 that an earlier download had, for a file whose publisher gives no digest.
        patience: with the server.

    Raises:
        UserError: no address gives it, its digest is wrong (it is then kept under another name), the disk is
            full, or another process is fetching it.
    """
    target = folder / file.name
    wanted = file.digest or (f"sha256:{held}" if held else None)
    check_writable(target)
    with writing(target), only_one(folder / f"{file.name}.lock", f"{file.name} is being downloaded"):
        if target.is_file():
            return _verified(target, target, file, wanted)
        part = folder / f"{file.name}.part"
        _fetch_anywhere(file, part, target, patience or Patience())
        found = _verified(part, target, file, wanted)
        part.replace(target)
        _origin_of(part).unlink(missing_ok=True)
    return found


def digests_of(path: Path, *kinds: str) -> dict[str, str]:
    """The digests of a file by their kinds (md5, sha256), in hexadecimal digits; it is read once."""
    found = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            for digest in found.values():
                digest.update(block)
    return {kind: digest.hexdigest() for kind, digest in found.items()}


def _verified(path: Path, target: Path, file: SourceFile, wanted: str | None) -> str:
    """The SHA-256 of `path`, if it is what is wanted; otherwise it is put aside."""
    kind, _, digest = (wanted or "sha256:").partition(":")
    found = digests_of(path, *{"sha256", kind})
    if wanted and found[kind] != digest:
        aside = _put_aside(path, target)
        raise UserError(
            f"{target} has the wrong digest: {kind} {found[kind]}, but {_who(file)} is {kind} {digest}. It "
            f"is kept as {aside}. Run the same command to fetch it again; if that ends here too, the file "
            f"was changed on its way or at {file.url or 'its source'}."
        )
    if wanted is None and file.name.endswith(".zip") and not zipfile.is_zipfile(path):
        aside = _put_aside(path, target)
        raise UserError(
            f"What {file.url} sent is no whole zip archive. It is kept as {aside}. Run the same command to "
            f"fetch it again, or fetch it with a browser and put it at {target}."
            f"{_ANY_ARCHIVE if file.repacked else ''}"
        )
    return found["sha256"]


def _who(file: SourceFile) -> str:
    return "the publisher's" if file.digest else "that of the first download"


def _put_aside(path: Path, target: Path) -> Path:
    aside = target.with_name(f"{target.name}.wrong")
    path.replace(aside)
    _origin_of(path).unlink(missing_ok=True)
    return aside


_ANY_ARCHIVE = " Any other zip of the same files will do, whatever its top folder is called."


def _fetch_anywhere(file: SourceFile, part: Path, target: Path, patience: Patience) -> None:
    """Fill `part` from the first address that gives the file."""
    reasons = []
    addresses = [url for url in (file.url, *file.mirrors, *file.repacked) if url]
    for url in addresses:
        try:
            _fetch_from(url, file, part, patience)
            if file.repacked and url != addresses[-1] and not zipfile.is_zipfile(part):
                raise RefusedError("it sends no whole zip archive")  # a page that asks to come back later
            return
        except (InterruptedTransferError, RefusedError) as error:
            reasons.append(f"{url}: {error}")
    raise UserError(
        f"{file.name} could not be downloaded ({'; '.join(reasons) or 'it has no address'}). Run the same "
        f"command again later: it goes on where it stopped. Or fetch {file.url} on another machine and put "
        f"it at {target}.{_ANY_ARCHIVE if file.repacked else ''}"
    )


def _fetch_from(url: str, file: SourceFile, part: Path, patience: Patience) -> None:
    """Ask one address until `part` is whole.

    Raises:
        InterruptedTransferError: it brought nothing new in `patience.attempts` attempts.
        RefusedError: it does not have the file.
    """
    most, barren = _kept(part, url), 0

    def enough(_: tenacity.RetryCallState) -> bool:
        nonlocal most, barren
        barren = 0 if _size(part) > most else barren + 1
        most = max(most, _size(part))
        return barren >= patience.attempts

    def pause(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, InterruptedTransferError) else 0.0
        return min(max(patience.pause * 2.0 ** min(barren, 6), asked), LONGEST_PAUSE)

    retrying = tenacity.Retrying(
        stop=enough,
        wait=pause,
        retry=tenacity.retry_if_exception_type(InterruptedTransferError),
        reraise=True,
    )
    retrying(_attempt, url, file, part, patience)


def _attempt(url: str, file: SourceFile, part: Path, patience: Patience) -> None:
    """One request; goes on behind the bytes of `part` if the server can."""
    have = _kept(part, url)
    headers = {
        **patience.headers,
        "Accept-Encoding": "identity",
    }  # bytes as they are stored, so that they can be counted
    if have:
        origin = read_json(_origin_of(part))
        headers["Range"] = f"bytes={have}-"
        headers |= {"If-Range": origin["version"]} if origin["version"] else {}
    try:
        with requests.get(
            url, headers=headers, stream=True, timeout=(patience.connect, patience.read)
        ) as answer:
            _receive(answer, url, file, part, have)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise InterruptedTransferError(cause(error)) from error
    except requests.RequestException as error:  # no address, no such protocol, going round in circles
        raise RefusedError(cause(error)) from error


def _receive(answer: requests.Response, url: str, file: SourceFile, part: Path, have: int) -> None:
    """Write the answer's body behind the first `have` bytes of `part`, or from the start."""
    if answer.status_code == 416 and have and _total(answer) == have:
        return  # all of it was there already
    if answer.status_code == 416:
        part.unlink(missing_ok=True)
        raise InterruptedTransferError("the server does not have the rest of what came earlier")
    if answer.status_code in BUSY:
        raise InterruptedTransferError(f"HTTP status {answer.status_code}", _retry_after(answer))
    if answer.status_code not in (200, 206):
        raise RefusedError(f"HTTP status {answer.status_code}")
    start = have if answer.status_code == 206 and _start(answer) == have else 0
    if answer.status_code == 206 and start != have:
        part.unlink(missing_ok=True)
        raise InterruptedTransferError("the server sent another part than was asked for")
    total = _total(answer)
    if file.size and total not in (None, file.size):
        raise RefusedError(f"it announces {total} bytes instead of {file.size}")
    if not start:
        version = answer.headers.get("ETag", answer.headers.get("Last-Modified", ""))
        write_json(_origin_of(part), {"url": url, "version": "" if version.startswith("W/") else version})
    _append(answer, part, start, file.size or total, file.name)
    if (file.size or total or 0) > _size(part):
        raise InterruptedTransferError(f"only {_size(part)} of {file.size or total} bytes came")


def _append(answer: requests.Response, part: Path, start: int, total: int | None, name: str) -> None:
    with part.open("r+b" if start else "wb") as handle:
        handle.truncate(start)
        handle.seek(start)
        for block in _blocks(answer, name, start, total):
            if total is not None and handle.tell() + len(block) > total:
                raise RefusedError(f"it sends more than {total} bytes")
            handle.write(block)


def _blocks(answer: requests.Response, name: str, start: int, total: int | None) -> Iterator[bytes]:
    blocks: Iterator[bytes] = progress(
        answer.iter_content(BLOCK),
        label=name,
        total=None if total is None else -(-total // BLOCK),
        unit="MiB",
        initial=start // BLOCK,
        scale=BLOCK / 2**20,
    )
    return blocks


def _kept(part: Path, url: str) -> int:
    """How many bytes of `part` came from `url`: what came from another address is not mixed with it."""
    try:
        origin: Any = read_json(_origin_of(part))
        if origin["url"] == url and isinstance(origin["version"], str):
            return _size(part)
    except (UserError, KeyError, TypeError):
        pass
    part.unlink(missing_ok=True)
    return 0


def _origin_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _total(answer: requests.Response) -> int | None:
    """Length of the whole file, as the server says."""
    if answer.status_code == 200:
        return _number(answer.headers.get("Content-Length", ""))
    return _number(answer.headers.get("Content-Range", "").rpartition("/")[2])


def _start(answer: requests.Response) -> int | None:
    return _number(answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0])


def _retry_after(answer: requests.Response) -> float:
    return float(_number(answer.headers.get("Retry-After", "")) or 0)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def cause(error: BaseException) -> str:
    """The innermost reason, without the addresses of objects that libraries print."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return " ".join(str(error).split()) or type(error).__name__

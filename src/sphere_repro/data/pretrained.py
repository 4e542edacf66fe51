"""Weights that others trained: files found, fetched and verified before anything is computed with them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sphere_repro.errors import UserError
from sphere_repro.machine.files import writing
from sphere_repro.machine.notes import notice
from sphere_repro.provenance.hashes import file_hash

DOWNLOAD_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Published:
    """A weights file on its publisher's server, and the SHA-256 of its bytes."""

    url: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where torch.hub and torchvision keep the file too: $TORCH_HOME/hub/checkpoints."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[-1]


def fetch(wanted: Sequence[Published]) -> list[Path]:
    """The verified files, in the order asked for; those that are missing are downloaded.

    Raises:
        UserError: a file is not the published one, or cannot be had; says what to put where.
    """
    present = [file for file in wanted if file.path.is_file()]
    for file in present:
        verify(file.path, file.sha256, f"Delete it and run again, or download {file.url} to that path.")
    for file in wanted:
        if file not in present:
            _download(file, wanted)
    return [file.path for file in wanted]


def verify(path: Path, sha256: str, remedy: str) -> None:
    """Refuse a file with another digest; `remedy` is the sentence that says what to do.

    Raises:
        UserError: the file differs.
    """
    if file_hash(path) != sha256:
        raise UserError(f"Weights {path} are not the published file. {remedy}")


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Connections opened meanwhile give up after a minute's silence: libraries set no limit themselves."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _download(file: Published, wanted: Sequence[Published]) -> None:
    """Through torch.hub: fetched aside, hashed, renamed, so that no half file gets the name."""
    notice(f"fetching {file.url} to {file.path}")
    try:
        with writing(file.path), _impatient():
            file.path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                file.url, str(file.path), hash_prefix=file.sha256, progress=sys.stderr.isatty()
            )
    except (OSError, http.client.HTTPException) as error:
        missing = [other for other in wanted if not other.path.is_file()]
        reason = " ".join(str(error).split()) or type(error).__name__
        copies = " and ".join(f"{other.url} to {other.path}" for other in missing)
        raise UserError(
            f"Weights could not be fetched from {file.url} ({reason}). "
            f"On a machine with a network, download {copies}."
        ) from error
    except RuntimeError as error:  # torch.hub's word for another digest
        raise UserError(
            f"What {file.url} delivers is not the published file ({error}). Nothing was kept. Try again, or "
            f"put a good copy at {file.path}."
        ) from error

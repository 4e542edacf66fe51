"""Autoencoders that others trained: which one a study names, and where its files lie.

A source is `OWNER/NAME` on a hub of models, or a folder of one's own, written with `/`, `./`, `../` or `~` in
front. Its files are `config.json` and the weights as safetensors, as diffusers saves them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.hashes import file_hash, value_hash
from sphere_repro.provenance.integrity import recorded_content
from sphere_repro.strict import Strict, is_none, quoted

FETCHED = Path("data/pretrained")
CONFIG = "config.json"
WEIGHTS = re.compile(r"diffusion_pytorch_model(-\d{5}-of-\d{5})?\.safetensors")
INDEX = "diffusion_pytorch_model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")
ON_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
LOCAL = ("/", "./", "../", "~")
COMMIT = re.compile(r"[0-9a-f]{40}")
PATH = r"^[A-Za-z0-9][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)*$"  # no dots in a row: it names a folder
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Pretrained(Strict):
    """Which autoencoder: its source and, on a hub, the version; what is known of its files."""

    source: str = Field(min_length=1, max_length=500)
    revision: str | None = Field(None, pattern=PATH, max_length=100, exclude_if=is_none)
    subfolder: str | None = Field(None, pattern=PATH, max_length=200, exclude_if=is_none)
    sha256: dict[str, Sha256] = Field(default_factory=dict, exclude_if=lambda value: not value)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if not self.local and not ON_HUB.fullmatch(self.source):
            raise ValueError(
                f"source: {quoted(self.source)} is neither OWNER/NAME on the hub nor a folder; write a "
                "folder "
                "with ./ or / in front"
            )
        if self.local and self.revision is not None:
            raise ValueError(
                "revision has no meaning for a folder: remove it, or name OWNER/NAME as the source"
            )
        for name in self.sha256:
            if name != CONFIG and name != INDEX and not WEIGHTS.fullmatch(name):
                raise ValueError(f"sha256: {quoted(name)} is no file that is read; {_NAMES}")
        return self

    @property
    def local(self) -> bool:
        """Whether it lies in a folder of one's own."""
        return self.source.startswith(LOCAL)

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never becomes another one."""
        return self.revision is not None and COMMIT.fullmatch(self.revision) is not None

    @property
    def name(self) -> str:
        """A name for its files: source, subfolder and revision; another one for another version."""
        named = "--".join(part for part in f"{self.source}/{self.subfolder or ''}".split("/") if part)
        if self.revision is None:
            return named
        return f"{named}@{self.revision[:12] if self.pinned else self.revision.replace('/', '--')}"

    @property
    def place(self) -> Path:
        """The folder of its files."""
        if self.local:
            return Path(self.source).expanduser() / (self.subfolder or "")
        return FETCHED / self.name

    @property
    def record(self) -> Path:
        """What was fetched; a folder of one's own has none."""
        return FETCHED / f"{self.name}.json"

    def __str__(self) -> str:
        version = f" at {self.revision}" if self.revision else ""
        return f"{self.source}{f'/{self.subfolder}' if self.subfolder else ''}{version}"


def files_of(place: Path) -> list[Path]:
    """The files of the autoencoder in the folder `place`: its configuration, and its weights by name.

    Raises:
        UserError: one is missing, or the weights are there as a pickled file only.
    """
    if fault := missing(place):
        raise UserError(f"The autoencoder in {place} cannot be read: {fault}. {_NAMES.capitalize()}.")
    found = sorted(path for path in place.iterdir() if WEIGHTS.fullmatch(path.name) or path.name == INDEX)
    return [place / CONFIG, *found]


def missing(place: Path) -> str:
    """What of the autoencoder in the folder `place` is not there, in words; empty where all of it is."""
    if not place.is_dir():
        return f"{place} does not exist"
    names = {path.name for path in place.iterdir() if path.is_file()}
    if not any(WEIGHTS.fullmatch(name) for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLED))
        if pickled:
            return only_pickled(pickled)
        return "it holds no diffusion_pytorch_model.safetensors"
    if lost := sorted(_parts(names) - names):
        return f"it holds no {lost[0]}"
    return "" if CONFIG in names else f"it holds no {CONFIG}"


def _parts(names: set[str]) -> set[str]:
    """All parts of weights that are saved in several, by the numbers in the names of those that are there."""
    totals = {
        found[1].rpartition("-")[2] for name in names if (found := WEIGHTS.fullmatch(name)) and found[1]
    }
    return {
        f"diffusion_pytorch_model-{number:05d}-of-{total}.safetensors"
        for total in totals
        for number in range(1, int(total) + 1)
    }


def only_pickled(names: list[str]) -> str:
    """That the weights are no safetensors."""
    return (
        f"its weights are there only as {', '.join(names)}, a pickled file, which can run code and is "
        "never read"
    )


def content(place: Path) -> str:
    """SHA-256 over the names and contents of the autoencoder's files.

    Raises:
        UserError: one is missing.
    """
    return value_hash({path.name: file_hash(path) for path in files_of(place)})


def planned_content(place: Path, record: Path) -> str | None:
    """`content` for the workflow; where the folder is not at hand, that of the model made of it.

    Args:
        place: a folder of one's own.
        record: the model's `model.json`.
    """
    if not missing(place):
        return content(place)
    return recorded_content(record)


def verified(wanted: Pretrained) -> dict[str, str]:
    """The SHA-256 of each file of the autoencoder, held against the study's and those of its download.

    Raises:
        UserError: a file is missing, or another one than it should be; says what to do.
    """
    if not wanted.local and (missing(wanted.place) or not wanted.record.is_file()):
        raise UserError(
            f"{wanted} has not been fetched yet: {missing(wanted.place) or f'{wanted.record} is missing'}. "
            "Run 'sphere-repro fetch params/STUDY.yaml' with your study first."
        )
    found = {path.name: file_hash(path) for path in files_of(wanted.place)}
    recorded = {} if wanted.local else _recorded(wanted.record)
    for who, digests in (("the study", wanted.sha256), (str(wanted.record), recorded)):
        for name, digest in digests.items():
            if name not in found:
                raise UserError(f"{wanted.place} holds no {name}, of which {who} names a digest. {_AGAIN}")
            if found[name] != digest:
                raise UserError(
                    f"{wanted.place / name} is not the file that {who} names: its SHA-256 is "
                    f"{found[name]}, not "
                    f"{digest}. {_AGAIN}"
                )
    return found


def _recorded(record: Path) -> dict[str, str]:
    found: dict[str, str] = {row["name"]: row["sha256"] for row in read_json(record)["files"]}
    return found


_NAMES = "its files are config.json and diffusion_pytorch_model.safetensors"
_AGAIN = "Delete the file and fetch it again, or put the right one there."

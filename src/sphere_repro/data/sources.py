"""The table of datasets, `data/sources.yaml`: names, origins, digests, licences, classes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

TABLE = Path(__file__).resolve().parents[3] / "data" / "sources.yaml"
OWN_RESOLUTION = 64  # pixels, of a folder of one's own where the study says nothing
OWN_RESIZE = "bicubic"  # with antialiasing, at every resolution

Loader = Literal[
    "embedded", "cifar10", "class-folders", "flowers102", "imagenet", "folder", "zip", "list"
]  # data/publishers.py


Format = Literal["png", "webp", "jpeg"]  # of the images of a prepared archive; WebPs are lossless


class SourceFile(BaseModel):
    """One file of a publisher."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    url: str | None = None  # none: it is not to be had without registration
    mirrors: tuple[str, ...] = ()
    repacked: tuple[str, ...] = ()  # other archives of the same files: the tree agrees, the bytes need not
    digest: str | None = Field(None, pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    size: int | None = Field(None, ge=1)  # bytes


class Source(BaseModel):
    """One dataset's row: where its bytes come from and what they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    version: str
    loader: Loader
    licence: str
    citation: str
    images: int | None  # none: as many as there are
    classes: int
    native_resolution: int
    horizontal_flip: bool
    class_counts: dict[str, int] | None = None  # images of each class, where they are to be checked
    format: Literal["png", "webp"] = "png"  # of the prepared images; both lose nothing
    by_hand: str | None = None  # the page where one registers for it
    files: tuple[SourceFile, ...] = ()


def load_sources(path: Path = TABLE) -> dict[str, Source]:
    """Every known dataset by name."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Source.model_validate(row) for name, row in rows.items()}


def own_source(loader: Literal["folder", "zip", "list"], place: str, classes: int) -> Source:
    """The row of images that the user brings along."""
    return Source(
        title=f"Images of {place}",
        version="the user's own",
        loader=loader,
        licence="the user's own",
        citation="none",
        images=None,
        classes=classes,
        native_resolution=OWN_RESOLUTION,
        horizontal_flip=False,
    )


SOURCES = load_sources()

"""The table of datasets, `data/sources.yaml`: names, origins, licences, classes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

TABLE = Path(__file__).resolve().parents[3] / "data" / "sources.yaml"


class Source(BaseModel):
    """One dataset's row: where its bytes come from and what they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    version: str
    loader: Literal["embedded"]
    licence: str
    citation: str
    images: int
    classes: int
    native_resolution: int
    horizontal_flip: bool


def load_sources(path: Path = TABLE) -> dict[str, Source]:
    """Every known dataset by name."""
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Source.model_validate(row) for name, row in rows.items()}


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that ends an error message: the nearest known word, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"


SOURCES = load_sources()

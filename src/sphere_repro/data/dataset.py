"""Which images a run is about: a dataset of the table, or images of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from sphere_repro.data import own
from sphere_repro.data.sources import SOURCES, Format, Source, own_source
from sphere_repro.errors import UserError, nearest
from sphere_repro.ledger import by_dataset, ledger
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.strict import NAME_PATTERN, Strict, is_none, quoted

OWN = ("folder", "zip", "list")  # keys that say where images of one's own lie
LOSSLESS = 50_000  # images of an archive of JPEGs that are none: what references and reconstructions take
Resize = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


class Dataset(Strict):
    """Which images, at which resolution: a dataset of the table, or images of one's own."""

    # Left out where they say nothing: the jobs of the table's datasets read as they always did.
    folder: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="a folder of your own images, in class subfolders or without; instead of name",
        json_schema_extra=ledger(reason="for images that the paper does not use"),
    )
    zip: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="an archive of your own in the layout of StyleGAN and EDM; instead of name",
        json_schema_extra=ledger(reason="for archives made with other tools"),
    )
    list: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="a JSON list of your own images, as the released code reads them; instead of name",
        json_schema_extra=ledger(reason="for datasets that were prepared for the released code"),
    )
    root: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="the folder that the list's relative paths start from; default: the list's own",
        json_schema_extra=ledger(reason="a list may lie apart from its images"),
    )
    name: str = Field(
        "",
        validate_default=True,
        description="a name from data/sources.yaml; for your own images a new one, default: from their path",
        json_schema_extra=ledger(
            section="notation",
            reason="no default among the datasets: every study says its own",
        ),
    )
    resolution: int | None = Field(
        None,
        ge=4,
        le=1024,
        description="pixels; default: the dataset's own, for a folder 64",
        json_schema_extra=ledger(
            unit="pixels",
            section="notation",
            released=by_dataset(32, 256, 256, 256),
            reason="the table of datasets holds each one's own",
        ),
    )
    classes: int | None = Field(
        None,
        exclude_if=is_none,
        ge=0,
        le=1_000_000,
        description="classes of your own images; default: what is found there; 0: use none",
        json_schema_extra=ledger(
            unit="classes",
            section="objective",
            released=by_dataset(10, 0, 102, 1000),
            reason="the table of datasets holds each one's own; this key is for images of yours",
        ),
    )

    split: str | None = Field(
        None,
        pattern=r"^[^/]*[^/.][^/]*$",
        exclude_if=is_none,
        description="the part of your own folder to use, e.g. train; default: the folder has no parts",
        json_schema_extra=ledger(reason="train and val are no classes, and which one is meant is asked for"),
    )
    resize: Resize | None = Field(
        None,
        exclude_if=is_none,
        description="how images are resized; default: own images bicubic, others nearest up to 64 pixels, "
        "bicubic above (all but nearest with antialiasing)",
        json_schema_extra=ledger(
            section="objective",
            released=by_dataset("nearest", "bicubic", "bicubic", "bicubic"),
            reason="photographs made small by nearest neighbour are mostly noise",
        ),
    )

    format: Format | None = Field(
        None,
        exclude_if=is_none,
        description="of the prepared images: png and webp lose nothing; jpeg (quality 95) takes less than "
        "half the space and moves what is trained, but 50 000 images stay as they are, for references and "
        "reconstructions; default: png, of imagenet webp",
        json_schema_extra=ledger(
            section="objective",
            reason="the released code trains on decoded photographs; JPEGs of them lie 38 dB apart, or more",
        ),
    )

    held_out: float = Field(
        0.0,
        ge=0,
        lt=1,
        exclude_if=lambda value: value == 0,
        description="share of the prepared images that no model is trained on, a seeded choice, of "
        "each class in proportion; they are the control of what is said of memorisation (default 0: none)",
        json_schema_extra=ledger(
            unit="share of the images",
            section="published numbers",
            reason="the paper trains on all images; so do studies that are to be compared with its numbers",
        ),
    )

    on_broken: Literal["stop", "skip"] = Field(
        "stop",
        exclude_if=lambda value: value == "stop",
        description="what own images that cannot be read do: stop the preparation, or be left out and listed",
        json_schema_extra=ledger(reason="a data set that silently lost images is another one"),
    )

    @model_validator(mode="before")
    @classmethod
    def _look_at_own_images(cls, data: Any) -> Any:
        """Fill in what the study leaves to the images; a job says everything, and nothing is looked at."""
        if not isinstance(data, dict):
            return data
        places = [key for key in OWN if data.get(key) is not None]
        if len(places) > 1:
            raise ValueError(f"{' and '.join(places)} exclude each other: remove one")
        _refuse_keys_of_others(data, places)
        if not places:
            return data
        place = data[places[0]]
        if not isinstance(place, str) or not place:
            return data  # pydantic will say what is wrong with it
        try:
            return own.completed(data, places[0], place)
        except UserError as error:
            raise ValueError(str(error)) from error

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        if not set(OWN) <= info.data.keys():
            return name  # one of them is wrong, and that is said already
        if any(info.data[key] is not None for key in OWN):
            if name in SOURCES:
                raise ValueError(f"'{name}' is a dataset of data/sources.yaml; give your images another name")
            if not re.fullmatch(NAME_PATTERN, name):
                wanted = "lower-case letters, digits and single hyphens, such as my-cats"
                raise ValueError(f"{quoted(name)} is no name; names are {wanted}")
        elif not name:
            raise ValueError(
                "is missing: give a name from data/sources.yaml, or your own folder, zip or list"
            )
        elif name not in SOURCES:
            raise ValueError(f"unknown dataset {quoted(name)}{nearest(name, SOURCES)}")
        return name

    @property
    def source(self) -> Source:
        if self.folder is not None:
            return own_source("folder", self.folder, self.classes or 0)
        if self.zip is not None:
            return own_source("zip", self.zip, self.classes or 0)
        if self.list is not None:
            return own_source("list", self.list, self.classes or 0)
        return SOURCES[self.name]

    @model_validator(mode="after")
    def _jpegs_are_all_there(self) -> Self:
        """Which images stay as they are follows from their number, which broken ones would change."""
        if self.format == "jpeg" and self.on_broken == "skip":
            raise ValueError("format: jpeg and on_broken: skip exclude each other: remove one")
        return self

    @property
    def stored(self) -> Format:
        """The format of the prepared images."""
        return self.format or self.source.format

    @property
    def pixels(self) -> int:
        return self.resolution or self.source.native_resolution

    @property
    def place(self) -> Path | None:
        """Where images of one's own lie: the folder, its part, the zip or the list; None for the table's."""
        if self.folder is not None:
            return Path(self.folder).expanduser() / (self.split or "")
        other = self.zip or self.list
        return None if other is None else Path(other).expanduser()

    @property
    def list_root(self) -> Path | None:
        """The folder that a list's relative paths start from; None for the list's own."""
        return None if self.root is None else Path(self.root).expanduser()

    @property
    def archive(self) -> str:
        """Name of the prepared archive, without suffix: it fixes the content.

        A dataset of the table is fixed by its resolution; for images of one's own, and other ways to resize,
        six digits stand for all that the study says of them. Images that are held out are in it too.
        """
        said = self.model_dump(mode="json", exclude={"name", "resolution", "held_out"})
        digest = f"{value_hash(said)[:6]}-" if said else ""
        return f"{self.name}-{digest}{self.pixels}px"


def held_count(total: int, share: float) -> int:
    """How many of `total` images a share holds out: the nearest whole number, and one at least."""
    return max(1, round(share * total)) if share > 0 else 0


def _refuse_keys_of_others(data: dict[str, Any], places: list[str]) -> None:
    for key, kinds, words in (
        ("classes", set(OWN), "your own images (folder, zip or list)"),
        ("split", {"folder"}, "a folder of your own"),
        ("root", {"list"}, "a list of your own images"),
        ("on_broken", set(OWN), "your own images (folder, zip or list)"),
    ):
        if data.get(key) is not None and kinds.isdisjoint(places):
            raise ValueError(f"{key} is for {words}: remove it")

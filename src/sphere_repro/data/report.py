"""What a preparation did to the images of one's own, and which it left out: counted, recorded, told."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from sphere_repro.data.listing import counted

TOLD = 100  # unreadable images that a log names; the record names all
_WORDS = {"converted_to_srgb": "converted to sRGB", "first_of_several": "of which the first frame is used"}


@dataclass(frozen=True)
class Report:
    """About images in their order.

    Attributes:
        kept: indices of those that were prepared.
        done: what was done to some of them (`pictures.CONVERTED`, `pictures.FIRST`), and to how many.
        unreadable: name and reason of those that were left out.
    """

    kept: list[int] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps({"kept": self.kept, "done": self.done, "unreadable": self.unreadable})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        found = json.loads(text)
        unreadable = [(name, why) for name, why in found["unreadable"]]
        return cls(found["kept"], Counter(found["done"]), unreadable)

    @classmethod
    def of_all(cls, reports: Iterable[Self]) -> Self:
        """One report on all images, from those on their parts in order."""
        whole = cls()
        for report in reports:
            whole.kept.extend(report.kept)
            whole.done.update(report.done)
            whole.unreadable.extend(report.unreadable)
        return whole


def told(record: Mapping[str, Any]) -> str:
    """What a dataset's record says of images that are not as they were, for the log; mostly nothing."""
    unreadable, left_out = record.get("unreadable") or [], record.get("left_out") or {}
    parts = [f"{record[key]} {words}" for key, words in _WORDS.items() if record.get(key)]
    if left_out:
        parts.append(f"left out: {counted(left_out)}")
    if unreadable:
        named = "; ".join(f"{name} ({why})" for name, why in unreadable[:TOLD])
        more = f"; and {len(unreadable) - TOLD} more" if len(unreadable) > TOLD else ""
        parts.append(f"{len(unreadable)} unreadable: {named}{more}")
    return "; ".join(parts)

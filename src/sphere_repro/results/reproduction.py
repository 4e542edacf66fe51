"""Did I reproduce it? The comparison with a reference as a verdict, a table of every number, and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphere_repro.machine.files import write_json, write_text
from sphere_repro.results.comparison import AGREES, BEYOND, UNJUDGED, Change, Comparison, Difference
from sphere_repro.results.deviations import LEVEL

MOST_LISTED = 20  # lines of one kind in Markdown; the CSV has all
COLUMNS = ("file", "row", "column", "reference", "here", "difference", "tolerance", "source", "verdict")


@dataclass(frozen=True)
class About:
    """What is held against what, as they were named, and the study that both are of."""

    reference: str
    here: str
    study: str


def headline(found: Comparison) -> str:
    """One word, or two: what it comes to."""
    if found.identical:
        return "Identical"
    if not found.judged:
        return "Not judged"
    return "Reproduced" if found.reproduced else "Not reproduced"


def sentences(found: Comparison) -> list[str]:
    """The verdict in words: numbers, claims, figures, bits, and what one side has alone."""
    return [*_of_numbers(found), *_of_claims(found), *_of_figures(found), *_of_bits(found), *_alone(found)]


def _of_numbers(found: Comparison) -> Iterator[str]:
    agree, beyond, unjudged = (found.of(verdict) for verdict in (AGREES, BEYOND, UNJUDGED))
    judged = len(agree) + len(beyond)
    if judged:
        yield (
            f"{len(agree)} of {judged} numbers that can be judged agree with the reference: the same digits, "
            f"or within what trainings differ by (about one in {round(1 / LEVEL)} lies beyond by chance)."
        )
    measured = [each for each in agree + beyond if each.difference and each.tolerance is not None]
    if measured:
        far = max(measured, key=lambda each: each.share)
        yield f"The largest deviation is {far.share:.2g} times its tolerance: {_in_words(far)}."
    if unjudged:
        yield (
            f"{len(unjudged)} numbers differ of which nobody measured how far two trainings lie apart, or in "
            "which all that were measured agree: they are listed and not judged."
        )


def _in_words(each: Difference) -> str:
    told = f", ± {each.tolerance:.2g} from {each.source}" if each.tolerance is not None else ""
    return f"{each.place}: {each.here:.6g} instead of {each.reference:.6g}{told}"


def _of_claims(found: Comparison) -> Iterator[str]:
    if not found.changes:
        yield "No claim has another verdict."
        return
    for change in found.changes:
        yield f"Another verdict: {change.what} {change.here} here, {change.reference} in the reference."


def _of_figures(found: Comparison) -> Iterator[str]:
    if found.figures:
        names = ", ".join(found.figures)
        yield f"The data of {len(found.figures)} of {found.figures_compared} figures differ: {names}."
    elif found.figures_compared:
        yield f"The data of no figure differ, of {found.figures_compared}."


def _of_bits(found: Comparison) -> Iterator[str]:
    same, both = found.bits
    if not both:
        yield "Whether the bits are the same is not known: one of both has no record of its models and sets."
    elif found.first is None:
        yield f"The same bits: {both} models and sets have the same content."
    else:
        yield (
            f"Other bits: {both - same} of {both} models and sets have another content, the first "
            f"{found.first.what}. Likely cause: {found.first.why}."
        )


def _alone(found: Comparison) -> Iterator[str]:
    if found.missing:
        shown = "; ".join(found.missing[:5])
        more = f"; and {len(found.missing) - 5} more" if len(found.missing) > 5 else ""
        yield f"Not compared, {shown}{more}."


def as_csv(found: Comparison) -> str:
    """A row for each number, as many digits as the tables have."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in found.differences:
        tolerance = "" if each.tolerance is None else f"{each.tolerance:.6g}"
        numbers = [f"{each.reference:.6g}", f"{each.here:.6g}", f"{each.difference:.6g}", tolerance]
        place = each.place
        writer.writerow([place.file, place.row, place.column, *numbers, each.source, each.verdict])
    return text.getvalue()


def as_markdown(found: Comparison, about: About) -> str:
    """The verdict, and the numbers that lie farthest off."""
    lines = [f"# {headline(found)}", "", f"{about.here} against {about.reference}, study {about.study}.", ""]
    lines += [f"* {sentence}" for sentence in sentences(found)]
    for title, verdict in (("Beyond their tolerance", BEYOND), ("Different, no tolerance known", UNJUDGED)):
        lines += _listed(title, found.of(verdict))
    return "\n".join(lines) + "\n"


def _listed(title: str, differences: list[Difference]) -> list[str]:
    if not differences:
        return []
    far = sorted(differences, key=lambda each: -_relative(each))
    told = f", the {MOST_LISTED} farthest of {len(far)}" if len(far) > MOST_LISTED else ""
    head = ["", f"## {title}{told}", "", "| number | reference | here | tolerance |", "|---|--:|--:|--:|"]
    return head + [
        f"| {each.place} | {each.reference:.6g} | {each.here:.6g} "
        f"| {'' if each.tolerance is None else f'{each.tolerance:.2g}'} |"
        for each in far[:MOST_LISTED]
    ]


def _relative(each: Difference) -> float:
    return abs(each.difference) / max(abs(each.reference), abs(each.here))  # they differ: one is not 0


def as_json(found: Comparison, about: About) -> dict[str, Any]:
    """All of it, for machines."""
    return {
        "verdict": headline(found),
        "reproduced": found.reproduced,
        "identical": found.identical,
        **vars(about),
        "sentences": sentences(found),
        "numbers": {verdict: len(found.of(verdict)) for verdict in (AGREES, BEYOND, UNJUDGED)},
        "changed_claims": [_change(change) for change in found.changes],
        "changed_figures": list(found.figures),
        "same_bits": {"same": found.bits[0], "of": found.bits[1]},
        "first_other_bits": _change(found.first) if found.first else None,
        "missing": list(found.missing),
    }


def _change(change: Change) -> Mapping[str, str]:
    return {name: value for name, value in vars(change).items() if value}


def write(found: Comparison, about: About, out: Path) -> None:
    """Write `out` (.json), and its table (.csv) and its text (.md) beside it."""
    write_text(out.with_suffix(".csv"), as_csv(found))
    write_text(out.with_suffix(".md"), as_markdown(found, about))
    write_json(out, as_json(found, about))

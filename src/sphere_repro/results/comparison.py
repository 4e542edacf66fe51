"""Two results of one study held against each other: numbers, verdicts, data of figures, bits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from sphere_repro.results.deviations import LEVEL, Deviation
from sphere_repro.results.result_tree import Bits, Place, ResultTree

ROUNDING = 1e-5  # relative: tables have six digits
AGREES, BEYOND, UNJUDGED = "agrees", "beyond its tolerance", "no tolerance known"
LEAST_CHANCE = 0.01  # what comes about more rarely than this is no chance


@dataclass(frozen=True)
class Difference:
    """One number of both; `known`: how far trainings lie apart in it, where somebody measured that."""

    place: Place
    reference: float
    here: float
    known: Deviation | None = None

    @property
    def tolerance(self) -> float | None:
        return self.known.tolerance if self.known else None

    @property
    def source(self) -> str:
        """Where the tolerance comes from."""
        return f"{self.known.trainings} trainings" if self.known else ""

    @property
    def difference(self) -> float:
        return self.here - self.reference

    @property
    def verdict(self) -> str:
        if same(self.here, self.reference):
            return AGREES
        if self.tolerance is None:
            return UNJUDGED
        return AGREES if abs(self.difference) <= self.tolerance else BEYOND

    @property
    def share(self) -> float:
        """The difference over the tolerance."""
        if not self.difference:
            return 0.0
        return abs(self.difference) / self.tolerance if self.tolerance else math.inf

    @property
    def chance(self) -> float:
        """How often trainings differ by at least as much; 1 where that is not known."""
        if self.known is None or same(self.here, self.reference):
            return 1.0
        return self.known.chance(self.difference)


@dataclass(frozen=True)
class Change:
    """A verdict, or the first result, that is another one here; `why` where the records tell."""

    what: str
    reference: str
    here: str
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """What two trees have in common, and in what they differ.

    Attributes:
        missing: what only one of them has, in words.
        figures: names of figures whose data differ by more than rounding.
        bits: how many models and sets have the same content, of how many that both tell of.
        first: the first of them that has not.
    """

    differences: Sequence[Difference]
    changes: Sequence[Change]
    figures: Sequence[str]
    figures_compared: int
    missing: Sequence[str]
    bits: tuple[int, int]
    first: Change | None

    def of(self, verdict: str) -> list[Difference]:
        return [each for each in self.differences if each.verdict == verdict]

    @property
    def reproduced(self) -> bool:
        """Chance explains how many numbers lie beyond, and how far; no claim turned into its opposite.

        How many: binomially, of those that can be judged. How far: the farthest, by Bonferroni. Numbers of
        one model move together, which makes the first too strict, not too lenient. Where numbers differ
        and no tolerance is known at all, nothing says that this is as it should be.
        """
        numbers = [*self.of(AGREES), *self.of(BEYOND)]
        if not self.judged or not numbers:
            return False
        many = stats.binom.sf(len(self.of(BEYOND)) - 1, len(numbers), LEVEL)
        far = min(each.chance for each in numbers) * len(numbers)
        return min(many, far) >= LEAST_CHANCE and not any(opposite(change) for change in self.changes)

    @property
    def judged(self) -> bool:
        """Whether a tolerance is known of any number, or none is needed."""
        return not self.of(UNJUDGED) or any(each.tolerance is not None for each in self.differences)

    @property
    def identical(self) -> bool:
        """Everything that both have is the same, and neither has anything alone."""
        numbers = all(same(each.here, each.reference) for each in self.differences)
        return numbers and not (self.changes or self.figures or self.missing or self.first)


def same(one: float, other: float) -> bool:
    """Equal up to the digits of a table."""
    return one == other or math.isclose(one, other, rel_tol=ROUNDING)


def opposite(change: Change) -> bool:
    """Holds on one side and does not hold on the other; an undecided claim contradicts neither."""
    return {change.reference, change.here} == {"holds", "does not hold"}


def compare(reference: ResultTree, here: ResultTree, known: Mapping[Place, Deviation]) -> Comparison:
    """Hold `here` against `reference`, whose numbers move between trainings as `known` says."""
    differences = [
        Difference(place, reference.numbers[place], here.numbers[place], known.get(place))
        for place in reference.numbers
        if place in here.numbers
    ]
    shared = [claim for claim in reference.verdicts if claim in here.verdicts]
    pairs = {claim: (reference.verdicts[claim], here.verdicts[claim]) for claim in shared}
    changes = [Change(claim, was, now) for claim, (was, now) in pairs.items() if was != now]
    drawn = [name for name in reference.figures if name in here.figures]
    figures = [name for name in drawn if not _same_data(reference.figures[name], here.figures[name])]
    bits, first = _compare_bits(reference.bits, here.bits)
    return Comparison(differences, changes, figures, len(drawn), _missing(reference, here), bits, first)


def _same_data(one: Mapping[Place, float], other: Mapping[Place, float]) -> bool:
    return one.keys() == other.keys() and all(same(one[place], other[place]) for place in one)


def _missing(reference: ResultTree, here: ResultTree) -> list[str]:
    """What only one of the trees has; of numbers the rows, and the columns of rows that both have."""
    found = []
    for words, side, other in (("only in the reference", reference, here), ("only here", here, reference)):
        rows = {(place.file, place.row) for place in other.numbers}
        alone = [place for place in side.numbers if place not in other.numbers]
        lost = [f"{at.file}: {at.row}" for at in alone if (at.file, at.row) not in rows]
        lost += [f"{at.file}: column {at.column}" for at in alone if (at.file, at.row) in rows]
        lost += [f"claim {claim}" for claim in side.verdicts if claim not in other.verdicts]
        lost += [f"figure {name}" for name in side.figures if name not in other.figures]
        found += [f"{words}: {each}" for each in dict.fromkeys(lost)]
    return found


def _compare_bits(reference: Sequence[Bits], here: Sequence[Bits]) -> tuple[tuple[int, int], Change | None]:
    """How many have the same content, of how many; and the first that has not, with the likely cause."""
    ours = {each.result: each for each in here}
    pairs = [(each, ours[each.result]) for each in reference if each.result in ours]
    other = [(one, two) for one, two in pairs if one.sha256 != two.sha256]
    counted = len(pairs) - len(other), len(pairs)
    if not other:
        return counted, None
    one, two = other[0]
    return counted, Change(one.result, one.sha256, two.sha256, cause(one.origin, two.origin))


def cause(reference: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What two records differ in that can move bits, the likeliest first; words for a person."""
    found = []
    for key, words in (("parameters", "other parameters"), ("code", "other code"), ("device", "device")):
        if reference.get(key) != here.get(key):
            told = "" if key != "device" else f" ({reference.get(key)}, here {here.get(key)})"
            found.append(f"{words}{told}")
    for key, words in (("versions", "versions"), ("machine", "machine"), ("inputs", "other inputs")):
        if changed := _changed(reference.get(key) or {}, here.get(key) or {}):
            found.append(words if key == "inputs" else f"{words}: {changed}")
    return "; ".join(found) or "nothing that the records tell of"


def _changed(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    names = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    names = [name for name in names if name != "system"]  # the kernel's version moves no number
    return ", ".join(f"{name} {one.get(name)}, here {other.get(name)}" for name in names)

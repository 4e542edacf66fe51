"""How far two trainings of one recipe lie apart, number by number, and the tolerance that follows.

Two runs of the same code on two machines are as two trainings: rounding differs, and thousands of steps make
it grow. So a number of another machine is expected within what trainings on one machine differ by.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from sphere_repro.errors import UserError
from sphere_repro.results.result_tree import DEVIATIONS, SEPARATOR, Place, ResultTree
from sphere_repro.study.replicates import run_of

LEVEL = 0.01  # how often chance alone puts a number beyond its tolerance
COLUMNS = ("file", "row", "column", "deviation", "trainings")
FEWEST = 3  # trainings from which a deviation says something


@dataclass(frozen=True)
class Deviation:
    """The sample standard deviation of a number between `trainings` trainings."""

    value: float
    trainings: int

    @property
    def tolerance(self) -> float | None:
        """Two single trainings differ by more only once in 1/LEVEL cases (Student's t on the difference).

        None where all agree: that a few do does not say how far another, or another machine, may lie.
        """
        if not self.value:
            return None
        return float(stats.t.isf(LEVEL / 2, self.trainings - 1) * self.value * 2**0.5)

    def chance(self, difference: float) -> float:
        """How often two single trainings differ by at least as much, in [0, 1]; 1 where that is not known."""
        if not self.value:
            return 1.0
        return float(2 * stats.t.sf(abs(difference) / (self.value * 2**0.5), self.trainings - 1))


def deviations(tree: ResultTree) -> dict[Place, Deviation]:
    """Of every number that the tree has of several trainings of a run, by the place of the first one's."""
    values: dict[Place, list[float]] = {}
    for place, value in tree.numbers.items():
        run, *rest = place.row.split(SEPARATOR)
        first = Place(place.file, SEPARATOR.join([run_of(run), *rest]), place.column)
        values.setdefault(first, []).append(value)
    return {
        place: Deviation(statistics.stdev(found), len(found))
        for place, found in values.items()
        if len(found) >= FEWEST
    }


def known_deviations(
    reference: ResultTree, here: ResultTree, path: Path | None = None
) -> dict[Place, Deviation]:
    """Those of `path`; or those kept beside the reference; or those between either side's own trainings."""
    beside = reference.where / DEVIATIONS
    if path is not None or beside.is_file():
        return read_deviations(path or beside)
    return deviations(here) | deviations(reference)


def as_csv(found: Mapping[Place, Deviation]) -> str:
    """A row for each number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place, deviation in sorted(found.items()):
        writer.writerow([place.file, place.row, place.column, f"{deviation.value:.6g}", deviation.trainings])
    return text.getvalue()


def read_deviations(path: Path) -> dict[Place, Deviation]:
    """What `as_csv` wrote.

    Raises:
        UserError: the file is damaged.
    """
    found = {}
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                file, words, column, deviation, trainings = (row[name] for name in COLUMNS)
                found[Place(file, words, column)] = Deviation(float(deviation), int(trainings))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(
            f"{path} is no table of deviations ({error}). Take it anew from the repository."
        ) from error
    if any(not (each.value >= 0 and each.trainings >= FEWEST) for each in found.values()):
        raise UserError(f"{path} has a deviation below 0, or of fewer than {FEWEST} trainings.")
    return found

"""The results of one study as a folder holds them: numbers, verdicts, the data of figures, and which bits.

A folder is what a run writes (`results`, `results/studies/NAME`), or what was kept of one (`reference/NAME`).
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.study.replicates import name_of

TABLE, CLAIMS, BITS, DEVIATIONS = "fid_table.csv", "claims.csv", "bits.json", "deviations.csv"
SEPARATOR = " · "  # between the words of a row
NAMES = ("run", "replicate", "set", "metric")  # of a row of the table of all scores
# Columns that say of where a row comes, and not how it is.
ASIDE = frozenset({"code", "code_changed", "published_source", "study"})
# Columns that say of all trainings of a run what others say of each: the same in all rows, they would pass
# for numbers that no training moves.
TOGETHER = frozenset({"trainings", "frechet_mean", "frechet_deviation"})
# Other tables show these scores once more.
REPEATED = ("cost", "posterior-hole", "schemes", "scores-", "ablation-")


@dataclass(frozen=True, order=True)
class Place:
    """Where a number stands: a file of the folder, the words of its row, its column."""

    file: str
    row: str
    column: str

    def __str__(self) -> str:
        return f"{self.file}: {self.row}: {self.column}"


@dataclass(frozen=True)
class Bits:
    """The content of one result that others are computed from, and the record of how it came about."""

    result: str
    sha256: str
    origin: Mapping[str, Any]


@dataclass(frozen=True)
class ResultTree:
    """What one folder says.

    Attributes:
        numbers: of the tables.
        verdicts: of the claims, by claim, run and metric.
        figures: name → the numbers behind the figure.
        bits: models, then sets and latents; empty where no record is at hand.
    """

    where: Path
    study: str
    numbers: Mapping[Place, float]
    verdicts: Mapping[str, str]
    figures: Mapping[str, Mapping[Place, float]] = field(default_factory=dict)
    bits: Sequence[Bits] = ()


def read_tree(folder: Path) -> ResultTree:
    """What lies in `folder`, or beside the table `folder` where it is one (.csv).

    Raises:
        UserError: there is no table of scores, or a file is damaged.
    """
    if folder.suffix == ".csv":
        rows = read_rows(folder)
        return ResultTree(folder, _study(rows), dict(_named(folder.name, rows)), {})
    table = folder / TABLE
    if not table.is_file():
        raise UserError(
            f"{folder} holds no {TABLE}: name the folder of a finished study's tables (results, "
            "results/studies/NAME, reference/NAME), or a table."
        )
    rows = read_rows(table)
    study = _study(rows)
    numbers = dict(_named(TABLE, rows))
    for path in sorted((folder / "tables").glob("*.csv")):
        if not path.name.startswith(REPEATED):
            numbers |= _numbers(f"tables/{path.name}", read_rows(path))
    figures = {
        path.stem: _numbers(f"figures/{path.name}", read_rows(path))
        for path in sorted((folder / "figures").glob("*.csv"))
    }
    return ResultTree(folder, study, numbers, _verdicts(folder / CLAIMS), figures, read_bits(folder, study))


def read_bits(folder: Path, study: str) -> list[Bits]:
    """What was kept of a run's models and sets, or what the records of the run itself say of them."""
    if (kept := folder / BITS).is_file():
        try:
            return [
                Bits(str(each["result"]), str(each["sha256"]), each["origin"]) for each in read_json(kept)
            ]
        except (KeyError, TypeError) as error:
            raise UserError(f"{kept} is damaged ({error}). Take it anew from the repository.") from error
    home = next((base / study for base in (folder, folder.parent.parent) if (base / study).is_dir()), None)
    return list(_recorded(home)) if home else []


def _recorded(home: Path) -> Iterator[Bits]:
    """Of each run of the study in `home`, in the order in which they are made: model, latents, sets."""
    for part in ("*/model.json", "*/latents.json", "*/samples/*.json"):
        for path in sorted(home.glob(part)):
            record = read_json(path)
            if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
                raise UserError(f"{path} is no record of a result. Make it again.")
            for name, digest in record["files"].items():
                result = (path.parent / name).relative_to(home.parent).as_posix()
                if Path(name).suffix in (".safetensors", ".npz", ".zip"):
                    yield Bits(result, digest, origin_of(record))


def origin_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record can move bits."""
    code = record.get("code") or {}
    return {
        "parameters": record.get("parameters"),
        "inputs": {name: each.get("sha256") for name, each in (record.get("inputs") or {}).items()},
        "code": code.get("sha256"),
        "versions": record.get("versions"),
        "machine": record.get("machine"),
        "device": record.get("device"),
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, each cell by its column, as text.

    Raises:
        UserError: it cannot be read, or its rows are of unequal length.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is no table ({error}). Make it again.") from error
    if any(None in row or None in row.values() for row in rows):
        raise UserError(f"{path} is damaged: a row has more or fewer cells than its head. Make it again.")
    return rows


def _study(rows: Sequence[Mapping[str, str]]) -> str:
    return rows[0].get("study", "") if rows else ""


def _named(file: str, rows: Sequence[Mapping[str, str]]) -> Iterator[tuple[Place, float]]:
    """The numbers of a table of scores, by run, set and metric; of any other table as `_numbers`."""
    if not rows or not set(NAMES) <= rows[0].keys():
        yield from _numbers(file, rows).items()
        return
    left_out = ASIDE | TOGETHER | set(NAMES)
    for row in rows:
        words = SEPARATOR.join((name_of(row["run"], _whole(row["replicate"])), row["set"], row["metric"]))
        for column, cell in row.items():
            if column not in left_out and (value := _number(cell)) is not None:
                yield Place(file, words, column), value


def _numbers(file: str, rows: Sequence[Mapping[str, str]]) -> dict[Place, float]:
    """The numbers of any table: a row is known by its words, and rows of the same words by their order."""
    seen: Counter[str] = Counter()
    found = {}
    for row in rows:
        named = {column: cell for column, cell in row.items() if column not in ASIDE}
        words = SEPARATOR.join(cell for cell in named.values() if cell and _number(cell) is None)
        seen[words] += 1
        label = words if seen[words] == 1 else f"{words} ({seen[words]})".strip()
        for column, cell in named.items():
            if (value := _number(cell)) is not None:
                found[Place(file, label, column)] = value
    return found


def _whole(cell: str) -> int:
    return int(cell) if cell.isascii() and cell.isdigit() else 0


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _verdicts(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    rows = read_rows(path)
    try:
        return {
            SEPARATOR.join(filter(None, (row["claim"], row["run"], row["metric"]))): row["verdict"]
            for row in rows
        }
    except KeyError as error:
        raise UserError(f"{path} has no column {error}. Make it again.") from error

"""The log of a training: about a thousand rows, each the mean of the steps since the row before."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sphere_repro.machine.files import atomic_output

LOG_ROWS = 1000
LAST = ("learning_rate",)  # the last step's: it is set, not measured
Row = dict[str, float | int]


@dataclass
class Log:
    """Rows, and what has been added up since the last one; a part of the state, so that resuming is exact.

    Attributes:
        rows: one for each logged step: `step`, `epoch`, and the means.
        sums: of each quantity since the last row.
        count: steps since the last row.
    """

    rows: list[Row] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def add(self, measured: Mapping[str, float]) -> None:
        """What one step was like."""
        for name, value in measured.items():
            self.sums[name] = value if name in LAST else self.sums.get(name, 0.0) + value
        self.count += 1

    def close_row(self, step: int, epoch: float) -> Row:
        """The row of the steps since the one before, of which `step`, counted from 1, is the last."""
        means = {name: value if name in LAST else value / self.count for name, value in self.sums.items()}
        self.rows.append({"step": step, "epoch": round(epoch, 4), **means})
        self.sums, self.count = {}, 0
        return self.rows[-1]

    def record(self) -> dict[str, Any]:
        """As plain values."""
        return {"rows": self.rows, "sums": self.sums, "count": self.count}

    def write(self, path: Path) -> None:
        """The rows as CSV, 8 digits each."""
        with atomic_output(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(self.rows[-1]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: f"{value:.8g}" for name, value in row.items()} for row in self.rows)


def is_logged(step: int, total: int) -> bool:
    """Whether a row ends at `step`, counted from 0: about LOG_ROWS do, the first and the last among them."""
    every = max(1, total // LOG_ROWS)
    return step % every == 0 or step == total - 1

"""The table of near duplicates of training images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sphere_repro.results.nearest import COPIES, WORDS, read_memorisation
from sphere_repro.results.scores import set_label
from sphere_repro.results.table_formats import Line, Measured, Table


def of_memorisation(paths: Sequence[Path]) -> Table:
    """Near duplicates of training images among samples, and among the controls (the paper's appendix B)."""
    lines: list[Line] = []
    for path in paths:
        found = read_memorisation(path)
        if found is None:
            continue
        for measure, about in found.about["measures"].items():
            groups = {found.control: about["control"], WORDS[COPIES]: about[COPIES]}
            groups |= {set_label(name): shares[measure] for name, shares in found.sets.items()}
            lines += [
                {
                    "run": found.run,
                    "compared in": measure if measure == "pixels" else f"{measure} ({found.metric})",
                    "images": words,
                    "count": str(counted["count"]),
                    "near duplicates": str(counted["near"]),
                    "share": Measured(f"{counted['share']:.6g}"),
                    "95 % from": Measured(f"{counted['low']:.6g}"),
                    "95 % to": Measured(f"{counted['high']:.6g}"),
                    "relative distance below": Measured(f"{about['below']:.6g}"),
                    "training images searched": f"{found.about['looked_at']} of {found.about['trained_on']}",
                }
                for words, counted in groups.items()
            ]
    title = (
        "Near duplicates of training images (distance to the nearest over the mean to the 2nd to 50th "
        "nearest, below the 1 % quantile of training images against the others), with Clopper-Pearson "
        "intervals."
    )
    return Table(title, lines)

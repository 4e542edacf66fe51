"""The job that draws several figures of one subject: each alone would mostly start, import and end."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from sphere_repro.strict import Strict
from sphere_repro.study.catalogue import Figure

LONGEST = 60_000  # characters of a job: the system takes no command of 131 072 bytes, and quoting adds some


class FigureJob(Strict):
    """Draw one figure: its kind in the catalogue, what its title names, and result files by name."""

    kind: str
    subject: str
    inputs: dict[str, str]

    @property
    def name(self) -> str:
        """That of its files."""
        return Figure(self.kind, self.subject, self.inputs, "").name


class FiguresJob(Strict):
    """Draw figures, one after another."""

    figures: tuple[FigureJob, ...] = Field(min_length=1)

    def as_text(self) -> str:
        """As a line of JSON. Inputs keep their order, in which some figures show them."""
        return self.model_dump_json()


def figures_job(figures: Iterable[Figure]) -> FiguresJob:
    """The job that draws these."""
    found = [FigureJob(kind=each.kind, subject=each.subject, inputs=dict(each.inputs)) for each in figures]
    return FiguresJob(figures=tuple(found))


def drawn_together(figures: Iterable[Figure]) -> dict[str, tuple[Figure, ...]]:
    """Which of these figures one job draws: subject → two or more.

    Those of a study with so many runs that no command could name all their files stay jobs of their own.
    """
    subjects: dict[str, list[Figure]] = {}
    for figure in figures:
        subjects.setdefault(figure.subject, []).append(figure)
    return {
        subject: tuple(found)
        for subject, found in subjects.items()
        if len(found) > 1 and len(figures_job(found).as_text()) <= LONGEST
    }

"""Other methods' published distances, `params/rivals.yaml`: shown beside ours, judged by never.

Each number is the authors' own, by their own code for the FID and to their own reference, so that differences
of a few per cent between two rows say nothing.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sphere_repro.data.dataset import Dataset
from sphere_repro.results.expected import read_published
from sphere_repro.strict import Positive, Strict, parse


class Rival(Strict):
    """One method on one dataset."""

    method: str
    dataset: Dataset
    conditional: bool = Field(description="whether the method is given the class")
    steps: int = Field(ge=1, description="steps, or evaluations of the network, as the authors count them")
    frechet: Positive = Field(description="FID of generated images, as its authors published it")


class Rivals(Strict):
    """Every method that is known."""

    rivals: tuple[Rival, ...]


def load_rivals(path: Path) -> tuple[Rival, ...]:
    """Read and check the file.

    Raises:
        UserError: the file is missing, is not YAML, or says something unknown.
    """
    return parse(Rivals, read_published(path), str(path)).rivals


def rivals_table(rivals: tuple[Rival, ...]) -> str:
    """The methods as a Markdown table, in the file's order."""
    head = "| dataset | method | classes | steps | FID |\n|---|---|---|--:|--:|\n"
    return head + "".join(
        f"| {rival.dataset.archive} | {rival.method} | {'given' if rival.conditional else 'none'} | "
        f"{rival.steps} | {rival.frechet:.2f} |\n"
        for rival in rivals
    )

"""Replicates: trainings of one run that differ in their seed and in nothing else.

A run with `replicates: 3` is trained three times. The first training is the run itself, as it is without
replicates; the others are runs of their own, `digits_r1` and `digits_r2`. No run of a study may have such a
name (`strict.Name` knows no underscore).
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from sphere_repro.strict import NAME_PATTERN

MARK = "_r"
MOST_REPLICATES = 100
RunName = Annotated[str, Field(pattern=rf"{NAME_PATTERN[:-1]}({MARK}[1-9][0-9]*)?$", max_length=64)]
Seed = tuple[int | str, ...]
# A number alone is the seed of a first training.
NamedSeed = Annotated[Seed, BeforeValidator(lambda value: (value,) if isinstance(value, int) else value)]


def name_of(run: str, replicate: int) -> str:
    """The name of a run's training number `replicate`, from 0."""
    return f"{run}{MARK}{replicate}" if replicate else run


def replicate_of(name: str) -> tuple[str, int]:
    """The run as the study calls it, and the number of its training, from 0."""
    found = re.fullmatch(rf"(.+){MARK}([1-9][0-9]*)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def run_of(name: str) -> str:
    """The run as the study calls it, of which `name` is a training."""
    return replicate_of(name)[0]


def is_replicate(name: str) -> bool:
    """Whether `name` is another training of a run than the first."""
    return replicate_of(name)[1] > 0


def seed_of(seed: int, replicate: int) -> Seed:
    """The seed of training number `replicate`, from which all its draws are derived (`seeds.derive`)."""
    return (seed, "replicate", replicate) if replicate else (seed,)

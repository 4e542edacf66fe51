"""Sets in parts: ranges of whole batches, shared between processes, kept until the set is whole.

The boundaries of batches follow from indices alone, since a product over another batch may round otherwise.
So the set has the same bytes however many processes draw it, and however often it is broken off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sphere_repro.machine.distributed import World
from sphere_repro.machine.progress import progress
from sphere_repro.provenance.kept import Kept, Ranges


def left_to_make(kept: Kept, ranges: Ranges, world: World) -> list[int]:
    """Numbers of the parts that are missing, as the leader sees them, in every process.

    Raises:
        UserError: there are parts of another job or by other code.
    """
    missing: list[int] = world.told(kept.missing(len(ranges)) if world.leads else [])
    return missing


def make_share(
    left: Sequence[int], make: Callable[[], Callable[[int], None]], world: World, label: str
) -> None:
    """Make this process's share of the parts that are `left`.

    Args:
        left: as all processes know.
        make: called once where the share is not empty; returns what makes the part of a number.
        world: the processes that share the work.
        label: name of the progress bar.

    Raises:
        UserError: the disk is full.
    """
    mine = left[world.rank :: world.size]
    if mine:
        work = make()
        for number in progress(mine, label=label, total=len(mine), unit="part"):
            work(number)

"""Seeds derived from what they are for, so that no draw depends on batch size, worker or order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Random = Literal["torch", "philox"]
"""What makes random numbers of a seed: torch's generator on the CPU, or `philox` where the model is."""


def is_torch(random: Random) -> bool:
    """Whether it is the default, which jobs leave out: those that were kept know no other."""
    return random == "torch"


def derive(*parts: str | int) -> int:
    """A 63-bit seed from any parts, e.g. (study seed, "sample", index): the same parts, the same seed."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: str | int) -> torch.Generator:
    """A CPU generator seeded with `derive(*parts)`."""
    import torch  # which those who only derive seeds, as figures do, never need

    return torch.Generator().manual_seed(derive(*parts))

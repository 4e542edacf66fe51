"""What the feature networks cost; told without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extractor:
    """A feature network's cost: FLOPs and bytes alive for one image, bytes of its weights."""

    flops: int
    activations: int
    weights: int
    dimension: int


# Counted on the networks themselves at 299 and 128 pixels; tests/planning/test_needs.py counts again.
EXTRACTORS = {
    "inception": Extractor(11_422_336_192, 13_209_432, 87_335_461, 2048),
    "inception-legacy": Extractor(11_422_336_192, 13_209_432, 87_335_461, 2048),
    "efficientnet-lite0": Extractor(250_715_136, 2_621_440, 18_826_032, 1280),
}

"""What params/README.md says of a key besides its meaning: unit, section, released value, reason.

It travels in the key's `json_schema_extra`, so that the JSON schema says it too. Sections are those of the
method's description: notation, networks, objective, sampling, figures, published numbers.
"""

from __future__ import annotations

from pydantic import JsonValue

EACH = "a default has one value; params/paper.yaml states each dataset's"


def ledger(
    *,
    unit: str | None = None,
    section: str | None = None,
    released: JsonValue = None,
    reason: str | None = None,
) -> dict[str, JsonValue]:
    """The entries of one key.

    Args:
        unit: of a number; 1 where it has none.
        section: where the method's description speaks of it; none for what is this harness's own.
        released: what the authors' code used, one value or one for each dataset; none where unknown.
        reason: why ours differs, or what was chosen where the paper is silent.
    """
    told = {"unit": unit, "section": section, "released": released, "reason": reason}
    return {name: value for name, value in told.items() if value is not None}


def by_dataset(
    cifar10: JsonValue, animal_faces: JsonValue, oxford_flowers: JsonValue, imagenet: JsonValue
) -> JsonValue:
    """A released value that differs between the paper's datasets."""
    return {
        "cifar10": cifar10,
        "animal-faces": animal_faces,
        "oxford-flowers": oxford_flowers,
        "imagenet": imagenet,
    }

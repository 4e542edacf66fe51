"""Which code makes which result, and whether it has changed since."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1]
# Paths below SOURCE, or how they begin: packages, and of the packages that do more, the modules that count.
MODEL = (
    "data/", "machine/distributed.py", "models/", "philox.py", "seeds.py", "sphere.py",
    "study/architecture.py", "study/objective.py", "study/recipe.py", "study/schedule.py", "training/",
)  # fmt: skip
IMPORT = ("models/", "seeds.py", "study/architecture.py")
SAMPLE = (
    "data/archive", "data/choice.py", "data/frequencies.py", "data/images.py", "data/loading.py", "models/",
    "philox.py", "sampling/", "seeds.py", "sphere.py", "study/architecture.py", "study/generation.py",
    "study/prior_path.py",
)  # fmt: skip
IMAGES = (
    *SAMPLE,
    "data/colours.py",
    "data/pictures.py",
    "data/resizing.py",
    "study/image_sets.py",
)
SCORE = (
    "data/archive", "data/choice.py", "data/frequencies.py", "data/images.py", "metrics/classifier.py",
    "metrics/control_images.py", "metrics/emptiness.py", "metrics/features.py", "metrics/frechet.py",
    "metrics/given.py", "metrics/inception", "metrics/kernel.py", "metrics/lite0.py",
    "metrics/memorisation.py",
    "metrics/neighbours.py", "metrics/recognition.py",
    "metrics/reconstruction.py", "metrics/reference.py", "metrics/score.py", "metrics/statistics.py",
    "results/degenerate.py", "results/emptiness.py", "results/nearest.py", "results/recognised.py",
    "results/variety.py", "seeds.py", "study/generation.py", "study/prior_path.py", "study/scoring.py",
    "training/perceptual.py",
)  # fmt: skip
UNIFORMITY = (
    "metrics/prior_gap.py", "metrics/spherification.py", "metrics/two_samples.py", "metrics/uniformity.py",
    "sampling/latents.py",
)  # fmt: skip
FIGURE = ("figures/",)
TABLE = (
    "results/ablation_table.py", "results/cost.py", "results/degenerate.py", "results/emptiness.py",
    "results/expected.py",
    "results/image_numbers.py", "results/image_sets.py", "results/memorisation_table.py",
    "results/nearest.py", "results/pace.py", "results/paper_tables.py", "results/passes.py",
    "results/prior_gap_claims.py", "results/prior_gap_tables.py",
    "results/recognised.py", "results/structure.py", "results/table_formats.py", "results/table_rows.py",
    "results/tables.py", "results/trainings.py",
)  # fmt: skip


def source_files() -> list[Path]:
    """Every file of the package that decides on a result: modules, and templates of pages."""
    return sorted(path for path in SOURCE.rglob("*") if path.suffix in (".py", ".html"))


@functools.cache
def code_hash(*modules: str) -> str:
    """SHA-256 over the package's source files whose path starts with one of `modules` (all, if none)."""
    names = [path.relative_to(SOURCE).as_posix() for path in source_files()]
    for module in modules:
        if not any(name.startswith(module) for name in names):
            raise ValueError(f"no module's path starts with '{module}'")
    digest = hashlib.sha256()
    for path in source_files():
        name = path.relative_to(SOURCE).as_posix()
        if not modules or name.startswith(modules):
            digest.update(name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def code_has_changed(code: Mapping[str, Any], segments: Iterable[Mapping[str, Any]] = ()) -> bool:
    """Whether today's modules differ from those that made a result.

    Args:
        code: of its record: `modules` and their `sha256`.
        segments: of a training that went on under other code, the stretches that its record lists.
    """
    hashes = {code["sha256"], *(segment["code"]["sha256"] for segment in segments)}
    try:
        return hashes != {code_hash(*code["modules"])}
    except ValueError:  # a module is gone
        return True

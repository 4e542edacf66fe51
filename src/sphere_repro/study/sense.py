"""What a study may say and would still not work on the machine at hand, as far as a glance can tell."""

from __future__ import annotations

from sphere_repro.study.config import Run, Study
from sphere_repro.study.replicates import is_replicate


def doubts(study: Study, memory: int | None) -> list[str]:
    """Sentences on runs whose latents alone need more memory than there is; `plan` reckons up all the rest.

    Args:
        study: that may have passed every check.
        memory: bytes that new work may use; None where nobody knows.
    """
    trained = {name: run for name, run in study.runs.items() if run.is_trained}
    found = {name: _latent_bytes(run) for name, run in trained.items() if not is_replicate(name)}
    return [
        f"runs.{name}: the latents of one pass take {needed / 1e9:.3g} GB, more than the "
        f"{memory / 1e9:.3g} GB of memory free here; raise model.ratio "
        f"(now {study.runs[name].model.ratio:g}) or set execution.micro_batch_size"
        for name, needed in found.items()
        if memory is not None and needed > memory
    ]


def _latent_bytes(run: Run) -> int:
    """Bytes of one process's latents in float32."""
    share = -(-run.recipe.batch_size // run.execution.world_size)
    images = min(share, run.execution.micro_batch_size or share)
    return 4 * images * run.architecture.latent_dimension

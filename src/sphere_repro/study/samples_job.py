"""The job that draws all sample sets of a run, where they are small: each alone would mostly start and load.

Large sets stay jobs of their own, which several GPUs or machines of a cluster may share.
"""

from __future__ import annotations

from sphere_repro.study import flops
from sphere_repro.study.config import Run, Study
from sphere_repro.study.jobs import SampleJob, sample_job
from sphere_repro.study.prior_path import PRIOR_PATH

# FLOPs of all sets of a run, some minutes of one processor core. It follows from the study alone, so that the
# same study has the same jobs on every machine.
TOGETHER = 10**13


def samples_job(study: Study, name: str) -> tuple[SampleJob, ...]:
    """The sample sets of run `name`."""
    return tuple(sample_job(study, name, each) for each in study.runs[name].drawn)


def drawn_together(run: Run) -> bool:
    """Whether one job, and one process, draws all sample sets of a run, since they are small.

    How many processes are asked for has no say in it: that must make no result old. What a pretrained
    autoencoder computes nobody knows before it is there: its sets are drawn one by one.
    """
    if run.model.kind == "pretrained-vae":
        return False
    return sum(_flops(run, name) for name in run.drawn) <= TOGETHER


def _flops(run: Run, name: str) -> int:
    generation = run.generation(name) if name.startswith("generation") else None
    along = run.sampling.prior_path if name == PRIOR_PATH else None
    calls = flops.set_calls(name, generation)
    return (along.images if along else run.sampling.count) * flops.forward_flops(run.architecture, calls)

"""Whether a training's networks are compiled, and where what the compiler makes is kept."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import torch

from sphere_repro.machine.notes import notice
from sphere_repro.study import flops
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution

# FLOPs of a whole training from which the minutes of compiling are won back many times over. On a CPU that is
# 40 minutes or more of a core; on a GPU, of which none has been measured, an hour of a small one.
LONG = {"cpu": 1e14, "cuda": 1e17}
CACHE = "TORCHINDUCTOR_CACHE_DIR"  # torch's own variable


def is_compiled(job: TrainJob, execution: Execution, device: torch.device, steps: int) -> bool:
    """Whether to compile: as `execution.compile` says, or, where that is `auto`, whether it pays.

    `auto` follows from the whole training, not from what is left of it, so that one that is resumed is
    computed as before. It compiles long trainings of one process, on a CPU or a CUDA device, where the
    compiler that torch needs is installed; where it is missing, that is said once.

    Args:
        job: what is trained.
        execution: how.
        device: of this process.
        steps: of the whole training.
    """
    if execution.compile != "auto":
        return execution.compile
    whole = steps * job.training.batch_size * flops.training_flops(job.architecture, job.loss)
    if execution.world_size > 1 or whole < LONG.get(device.type, float("inf")):
        return False
    lacking = _lacking(device)
    if lacking:
        notice(
            f"{job.run} would train faster compiled, but {lacking} is missing. It is trained without; "
            "install it, or set execution.compile to false."
        )
    return not lacking


def keep_compiled(folder: Path) -> None:
    """Have torch keep what it compiles in `folder`: the next training of these shapes starts in seconds.

    Who sets `TORCHINDUCTOR_CACHE_DIR` keeps theirs; torch's own default is a temporary folder.
    """
    os.environ.setdefault(CACHE, str(folder.resolve()))


def _lacking(device: torch.device) -> str:
    """What torch.compile needs and does not find; empty where all is there."""
    if not shutil.which(os.environ.get("CXX", "g++")):
        return "a C++ compiler"
    return "triton" if device.type == "cuda" and not importlib.util.find_spec("triton") else ""

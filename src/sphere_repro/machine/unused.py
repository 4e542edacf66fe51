"""A GPU that is here and that torch cannot use: why, said once, and refused where it was asked for."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.errors import UserError
from sphere_repro.machine import slurm
from sphere_repro.machine.notes import notice_once

if TYPE_CHECKING:
    import torch

_ROOT = Path("/")
# NVIDIA's driver and device files, those under Windows, and AMD's (a node of the CPU has gpu_id 0).
_NVIDIA = ("proc/driver/nvidia/gpus/*", "dev/nvidia[0-9]*", "dev/dxg")
_AMD = "sys/class/kfd/kfd/topology/nodes/*/gpu_id"
_HIDES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def torch_sees_a_gpu() -> bool:
    """Whether torch can use a GPU; what it would print where it cannot is said by `tell`."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.cuda.is_available()


def reason(root: Path = _ROOT) -> str | None:
    """Why torch sees none of this machine's GPUs; None where it sees one or the machine has none.

    Args:
        root: of the system's files.
    """
    if torch_sees_a_gpu() or not _machine_has_a_gpu(root):
        return None
    return _why()


def tell(why: str | None) -> None:
    """Say, once, that the CPU computes although there is a GPU, if there is a reason `why`.

    Raises:
        UserError: the work runs in a Slurm job that asked for a GPU, whatever the reason.
    """
    asked = slurm.gpus_asked()
    if asked:
        raise UserError(
            f"Slurm job {slurm.job_id()} asked for a GPU ({asked}), but torch can use none: "
            f"{why or 'this machine shows none'}. Mend that, or say --device cpu to compute without."
        )
    if why:
        notice_once(
            "idle-gpu",
            f"this machine has a GPU that torch cannot use ({why}). The CPU computes, far more slowly. With "
            "--device cpu this is not said.",
        )


def broken(device: torch.device) -> str | None:
    """Why a GPU that torch sees cannot compute (older than torch's programs, say); None where it can."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.ones(2, device=device).sum().item()
    except RuntimeError as error:
        if "out of memory" in str(error):
            return None  # somebody else is at work on it
        return _first_line(error)
    return None


def _machine_has_a_gpu(root: Path) -> bool:
    if any(next(root.glob(pattern), None) for pattern in _NVIDIA):
        return True
    return any(path.read_text().strip() not in ("", "0") for path in root.glob(_AMD))


def _why() -> str:
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for CPUs only; the environment may have been made for one"
    for name in _HIDES:
        if name in os.environ and not _names_a_gpu(os.environ[name]):
            return f"{name}='{os.environ[name]}' hides it"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return _first_line(error)
    return "the driver shows it to no program here; a container needs --gpus all or the like"


def _names_a_gpu(visible: str) -> bool:
    """CUDA stops reading at the first name that is none: an empty one, or -1."""
    first = visible.split(",")[0].strip()
    return bool(first) and not first.startswith("-") and first != "NoDevFiles"


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0].rstrip(". ") or type(error).__name__

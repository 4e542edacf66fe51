"""What a result was computed with, below the packages: processor, instructions, GPU, threads, switches.

Two machines with the same versions may still round differently; this says in what they differ.
"""

from __future__ import annotations

import contextlib
import functools
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphere_repro.machine import portable

ASKING_SECONDS = 20


def machine() -> dict[str, Any]:
    """Facts on this machine; those that torch tells only where torch is at work in this process.

    Returns:
        processor, system; with torch: instructions (the set that its CPU kernels use), portable (whether
        all libraries keep to it, `machine.portable`), threads, and on a machine with GPUs
        gpu, driver, cuda, cudnn, and whether TF32 stands in for float32.
    """
    found: dict[str, Any] = {"processor": _processor(), "system": f"{platform.system()} {platform.release()}"}
    torch = sys.modules.get("torch")
    if torch is None:  # not loaded, so it has made no number either
        return found
    found |= {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "portable": portable.pinned(),
        "threads": torch.get_num_threads(),
    }
    with contextlib.suppress(RuntimeError, AssertionError):  # a GPU that fails now costs no result
        if torch.cuda.is_available():
            found |= _gpu(torch)
    return found


def _gpu(torch: Any) -> dict[str, Any]:
    return {
        "gpu": torch.cuda.get_device_name(),
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "tf32": {
            "products": torch.backends.cuda.matmul.allow_tf32,
            "convolutions": torch.backends.cudnn.allow_tf32,
        },
    }


@functools.cache
def _processor() -> str:
    """The processor's name; on Linux `platform` knows none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@functools.cache
def _driver() -> str | None:
    """Version of the GPU's driver; None where nobody says."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASKING_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().partition("\n")[0] or None

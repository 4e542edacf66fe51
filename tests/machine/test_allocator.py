"""Freed memory stays with the process, unless a person has asked otherwise."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from conftest import ROOT

FAULTS = """
import json, resource, sys
import numpy as np
from sphere_repro.machine.allocator import keep_freed_memory
done = keep_freed_memory() if sys.argv[1] == "kept" else None
def round():
    blocks = [np.ones(2**20) for _ in range(4)]  # 8 MiB each: glibc gives the like back, again and again
    del blocks
for _ in range(3):
    round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    round()
print(json.dumps([done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""


def faults(way: str, **variables: str) -> tuple[bool | None, int]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    environment = plain | {"PYTHONPATH": str(ROOT / "src")} | variables
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, way], env=environment, capture_output=True, text=True, check=True
    )
    found: tuple[bool | None, int] = tuple(json.loads(done.stdout))
    return found


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_what_is_freed_is_used_again() -> None:
    done, kept = faults("kept")
    assert done is True and kept < 500  # of 80 000 pages


@pytest.mark.parametrize(
    "variables", [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}]
)
def test_what_a_person_has_set_counts(variables: dict[str, str]) -> None:
    assert faults("kept", **variables)[0] is False

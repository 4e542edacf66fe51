"""Libraries that compute are kept to the instructions that every machine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from sphere_repro.machine import portable
from sphere_repro.machine.portable import SWITCH, VARIABLES

ASKED = """
import json, os, sys
if sys.argv[1:]:
    __import__(sys.argv[1])
from sphere_repro.machine import portable
portable.pin()
import numpy, torch
features = numpy._core._multiarray_umath.__cpu_features__
known = numpy._core._multiarray_umath.__cpu_dispatch__
beyond = [name for name in known if name != "X86_V3" and features[name]]
print(json.dumps([portable.pinned(), torch.backends.cpu.get_cpu_capability(), beyond]))
"""
pytestmark = pytest.mark.skipif(not portable.possible(), reason="no x86-64 processor")


def asked(*loaded: str, **variables: str) -> tuple[bool, str, list[str]]:
    plain = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, SWITCH)}
    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", ASKED, *loaded],
        env=plain | {"PYTHONPATH": str(ROOT / "src"), SWITCH: "1"} | variables,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: tuple[bool, str, list[str]] = tuple(json.loads(done.stdout))
    return found


def test_no_library_takes_wider_instructions() -> None:
    assert asked() == (True, "AVX2", [])


def test_every_set_of_instructions_that_numpy_knows_is_named() -> None:
    """A later NumPy has others, and the pin would be silent of them."""
    known = set(np._core._multiarray_umath.__cpu_dispatch__)  # type: ignore[attr-defined]
    assert set(VARIABLES["NPY_DISABLE_CPU_FEATURES"].split()) == known - {"X86_V3"}


def test_nothing_is_pinned_unless_asked_for_and_a_person_may_choose_otherwise() -> None:
    assert not asked(**{SWITCH: "0"})[0]
    pinned, capability, _ = asked(ATEN_CPU_CAPABILITY="default")
    assert not pinned and capability != "AVX2"


@pytest.mark.parametrize("module", ["numpy", "torch"])
def test_half_of_the_libraries_are_not_pinned(module: str) -> None:
    assert not asked(module)[0]


def test_only_processors_that_have_them_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable.platform, "machine", lambda: "arm64")
    assert not portable.possible() and not portable.pinned()

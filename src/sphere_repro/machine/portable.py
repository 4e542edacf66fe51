"""The same bits on every x86-64 processor: libraries kept to kernels that all of ten years have.

Each library that computes here looks at the processor and takes the widest kernels it has, whose sums round
in another order. `pin` has them all take those of AVX2 (Intel since 2013, AMD since 2015), and MKL, whose
choice also depends on the maker and the caches, those of its compatible mode.

Measured (docs/performance.md): models and images have the same bits on AMD's Zen 4 and on an emulated
processor of Intel (Haswell). With MKL's AVX2 mode, which costs less, narrow products still differ. Kernels
that are made on the spot (`execution.compile`) and those of a GPU are not concerned.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping

SWITCH = "SPHERE_REPRO_PORTABLE"  # 1: as a study's `execution.portable` does
# Each is read when its library is loaded or first used, so they must be set before.
VARIABLES: Mapping[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # its products
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # its convolutions
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy's and SciPy's products
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's element-wise kernels
}


def possible() -> bool:
    """Whether this is a machine that the settings are about."""
    return platform.machine().lower() in ("x86_64", "amd64")


def pin() -> None:
    """Keep this process and those that it starts to the common kernels, where `SPHERE_REPRO_PORTABLE=1`.

    What a person has set counts. Nothing happens on other processors, and where NumPy or torch is at work:
    half of the libraries would then keep their own.
    """
    if possible() and os.environ.get(SWITCH) == "1" and not {"numpy", "torch"} & sys.modules.keys():
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)


def pinned() -> bool:
    """Whether all settings are those of `pin`."""
    return possible() and all(os.environ.get(name) == value for name, value in VARIABLES.items())

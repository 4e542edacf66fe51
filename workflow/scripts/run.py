"""Run Snakemake in this folder, each study once at a time. Usage: run.py [options and targets of snakemake]

Adds to a bare call:
- locks that the kernel frees when their holder dies, so that a second call waits and a killed one leaves
  nothing behind: one of the study; one of `results`, for those who write there; one of what studies share
  (`data`), which workflow/progress lets go of when that is made, so that two studies run side by side;
- an end with the parent: killed make or dvc leaves no workflow behind (Linux);
- an environment without the user's own packages, and with a place for caches where HOME cannot be written;
- a quiet log: a line for each finished job, with the time to go, and at the end where the time went
  (workflow/progress; --logger of your own replaces it).
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import make_folder, writing  # noqa: E402
from sphere_repro.machine.locks import is_held, lock, opened  # noqa: E402
from sphere_repro.machine.notes import TOLD, notice, print_anything  # noqa: E402
from sphere_repro.study.places import DEFAULT_STUDY, RESULTS, Places  # noqa: E402

PR_SET_PDEATHSIG, SIGKILL = 1, 9
LOCKS, NOTICES = Path(".state/locks"), Path(".state/told")
DATA = LOCKS / "data.lock"
DATA_LOCK = "SPHERE_REPRO_DATA_LOCK"  # its file descriptor, for workflow/progress


def study_of(arguments: list[str]) -> str:
    """The study that a call of snakemake is about; its file's name where that cannot be read."""
    files, name = [], None
    for place, word in enumerate(arguments):
        option, _, value = word.partition("=")
        if option in ("--configfile", "--configfiles"):
            rest = itertools.takewhile(lambda each: not each.startswith("-"), arguments[place + 1 :])
            files += [value] if value else rest
    for file in files or [DEFAULT_STUDY]:
        try:
            found = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
            name = found.get("study", name) if isinstance(found, dict) else name
        except (OSError, ValueError, yaml.YAMLError):  # which Snakemake will tell of
            name = Path(file).stem
    return re.sub(r"[^\w-]", "-", str(name))


def locks_of(study: str, arguments: list[str]) -> dict[Path, str]:
    """The locks that a call takes, in the order in which all take them, and what the holder of each does."""
    places = Places(study)
    own = tuple(f"{folder}/" for folder in (places.home, places.judged, f"{RESULTS}/studies"))
    asked = any(word.startswith(f"{RESULTS}/") and not word.startswith(own) for word in arguments)
    found = {LOCKS / "studies" / f"{study}.lock": f"running the study '{study}' in this folder"}
    if asked or places.summary == RESULTS:
        found[LOCKS / "results.lock"] = f"making tables or figures in {RESULTS}, as this call would"
    found[DATA] = "making data that studies share in this folder"
    return found


def take(path: Path, work: str) -> int:
    """Wait for a lock; return its file descriptor, which the lock lives with.

    Raises:
        UserError: the folder cannot be written.
    """
    with writing(path):
        make_folder(path.parent)
        descriptor = opened(path)
    if not lock(descriptor, path):
        notice(f"{holder(descriptor)} is {work}; waiting for its end.")
        sys.stderr.flush()
        lock(descriptor, path, wait=True)
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


def others_run(study: str) -> bool:
    """Whether another study is run in this folder, by a call like this one."""
    return any(path.stem != study and is_held(path) for path in (LOCKS / "studies").glob("*.lock"))


def bare_snakemakes() -> dict[int, str]:
    """Calls of snakemake in this folder, by process number, with the study of each."""
    found = {}
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        named = any(Path(word).name == "snakemake" for word in words[:3])
        if named and process.info["cwd"] == os.getcwd() and process.pid != os.getpid():  # noqa: PTH109
            found[int(process.pid)] = study_of(words)
    return found


def remove_stale_lock(study: str, arguments: list[str]) -> None:
    """Unlock the folder where Snakemake's lock was left by a killed process, and no study is run."""
    if not any(Path(".snakemake/locks").glob("*")):
        return
    bare = bare_snakemakes()
    for number in (number for number, other in bare.items() if other == study):
        raise SystemExit(
            f"A snakemake (process {number}) runs this study in this folder. Wait for its end, or stop it."
        )
    if bare:  # its lock names the files that it makes, and Snakemake heeds it
        return
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


def start_telling(study: str) -> None:
    """Jobs of this run say once what all of them would say; it is noted in a folder that is empty now."""
    folder = NOTICES / study
    shutil.rmtree(folder, ignore_errors=True)
    with writing(folder):
        make_folder(folder)
    os.environ[TOLD] = str(folder.absolute())


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
    study = study_of(arguments)
    try:
        taken = {path: take(path, work) for path, work in locks_of(study, arguments).items()}
        start_telling(study)
    except UserError as error:
        notice(str(error))
        raise SystemExit(2) from error
    os.environ[DATA_LOCK] = str(taken[DATA])
    unlocked = []
    if others_run(study):
        unlocked = ["--nolock"]  # Snakemake's own lock would keep what was shared until the other's end
    else:
        remove_stale_lock(study, arguments)
    command = at_home(["snakemake", *quiet_log(arguments), *unlocked, *arguments])
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

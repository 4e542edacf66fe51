"""A Slurm of one machine, for tests: its commands by name, jobs that really run, signals at the right moment.

Every command is this program under another name (`install`). The folder FAKE_SLURM holds one JSON file for
each job, the orders given to it (scancel, scontrol requeue), and `plan.json`, which a test may write. By rule
it says {"time_is_up_when": GLOB}, to jump to the moment of `sbatch --signal` once such a file is there, in
the first turn; {"cancel": true}, to cancel the job when it has started; {"limit": SECONDS}, for `--time`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "sacctmgr", "scancel", "scontrol", "sinfo")
ROOT = Path(os.environ.get("FAKE_SLURM", "."))
NODES = "127.0.0."  # every node is this machine
KILL_WAIT = 60.0


def install(folder: Path) -> dict[str, str]:
    """Put the commands into `folder`/bin; return what the environment of a test needs."""
    (folder / "bin").mkdir(parents=True)
    for name in COMMANDS:
        path = folder / "bin" / name
        program = f"{shlex.quote(sys.executable)} {shlex.quote(__file__)} {name}"
        path.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        path.chmod(0o755)
    for name in ("jobs", "orders"):
        (folder / name).mkdir()
    return {"FAKE_SLURM": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def jobs(folder: Path) -> list[dict]:
    """All jobs, the oldest first."""
    files = sorted((folder / "jobs").glob("*.json"), key=lambda path: int(path.stem))
    return [json.loads(path.read_text()) for path in files]


def add(folder: Path, **about) -> None:
    """A running job that has no batch script: this process and its children are it."""
    now = time.time()
    job = {"id": "7", "name": "", "state": "RUNNING", "restarts": 0, "nodes": 1, "start": now - 80_000}
    _write(folder, job | {"end": now + 300, "requeue": True, "batch": True, "rule": ""} | about)


def _write(folder: Path, job: dict) -> None:
    temporary = folder / "jobs" / f".{job['id']}"
    temporary.write_text(json.dumps(job))
    temporary.replace(folder / "jobs" / f"{job['id']}.json")


def _read(number: str) -> dict:
    return json.loads((ROOT / "jobs" / f"{number}.json").read_text())


# -- sbatch and the life of a job


def sbatch(words: list[str]) -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("job-name", "output", "export", "comment", "mem", "nodes", "ntasks", "ntasks-per-gpu"):
        parser.add_argument(f"--{name}")
    for name in ("cpus-per-task", "gres", "gpus", "signal", "wrap"):
        parser.add_argument(f"--{name}")
    for short, name in (("-A", "account"), ("-p", "partition"), ("-t", "time"), ("-D", "chdir")):
        parser.add_argument(short, dest=name)
    parser.add_argument("--parsable", action="store_true")
    parser.add_argument("--requeue", action="store_true")
    asked = vars(parser.parse_args(words))
    number = str(len(jobs(ROOT)) + 1)
    while True:
        try:
            (ROOT / "orders" / number).mkdir()
            break
        except FileExistsError:
            number = str(int(number) + 1)
    rule = re.match(r"rule_(.*?)(_wildcards_.*)?$", asked["comment"])[1]
    job = {"id": number, "name": asked["job_name"], "rule": rule, "asked": asked, "state": "PENDING"}
    limit = _plan(rule).get("limit", 60 * int(asked["time"]))
    _write(ROOT, job | {"restarts": 0, "nodes": int(asked["nodes"] or 1), "limit": limit, "batch": True})
    nowhere = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.Popen([sys.executable, __file__, "_live", number], start_new_session=True, **nowhere)
    print(number)
    return 0


def _live(words: list[str]) -> int:
    """Run the script of a job to its end, again after each requeue."""
    job = _read(words[0])
    while True:
        order = _turn(job)
        if order != "requeue":
            return 0
        job |= {"state": "PENDING", "restarts": job["restarts"] + 1}
        _write(ROOT, job)


def _turn(job: dict) -> str:
    """One turn of a job: its end, or the order that ended it."""
    asked, now = job["asked"], time.time()
    job |= {"state": "RUNNING", "start": now, "end": now + job["limit"], "requeue": asked["requeue"]}
    _write(ROOT, job)
    own = {"SLURM_JOB_ID": job["id"], "SLURM_JOB_PARTITION": asked["partition"]}
    with Path(asked["output"].replace("%j", job["id"])).open("a") as log:
        process = subprocess.Popen(
            ["sh", "-c", asked["wrap"]],
            cwd=asked["chdir"],
            env=os.environ | own,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    told = False
    while process.poll() is None:
        time.sleep(0.1)
        order = _order(job) or ("TIMEOUT" if time.time() > job["end"] else None)
        if order:
            _end(job["id"])
            process.wait()
            return _over(job, order)
        if not told and _time_is_up(job):
            told = True
            _signal(job["id"], signal.SIGTERM, steps=True)
    order = _order(job)
    return _over(job, order or ("FAILED" if process.returncode else "COMPLETED"))


def _over(job: dict, how: str) -> str:
    if how != "requeue":
        _write(ROOT, job | {"state": how})
    return how


def _order(job: dict) -> str | None:
    for path in sorted((ROOT / "orders" / job["id"]).iterdir()):
        path.unlink()
        return path.name
    return "CANCELLED" if _plan(job["rule"]).get("cancel") else None


def _plan(rule: str) -> dict:
    path = ROOT / "plan.json"
    return json.loads(path.read_text()).get(rule, {}) if path.exists() else {}


def _time_is_up(job: dict) -> bool:
    """Whether it is time for the signal; jumps there when the plan says so."""
    name, _, ahead = (job["asked"]["signal"] or "TERM@0").partition("@")
    glob = _plan(job["rule"]).get("time_is_up_when")
    if glob and not job["restarts"] and list(Path(job["asked"]["chdir"]).glob(glob)):
        now = time.time()
        job |= {"end": now + int(ahead), "start": now + int(ahead) - job["limit"]}
        _write(ROOT, job)
    assert name == "TERM"
    return time.time() >= job["end"] - int(ahead)


def _members(number: str, *, steps: bool) -> list[psutil.Process]:
    """All processes of a job, or only those inside its steps (srun)."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            own = process.environ()
            mine = (own.get("FAKE_SLURM"), own.get("SLURM_JOB_ID")) == (str(ROOT), number)
            if mine and (not steps or "SLURM_STEP_ID" in own):
                found.append(process)
    return found


def _signal(number: str, what: int, *, steps: bool) -> None:
    for process in _members(number, steps=steps):
        with contextlib.suppress(psutil.Error):
            process.send_signal(what)


def _end(number: str) -> None:
    """SIGTERM to the steps, then SIGKILL to all that is left."""
    _signal(number, signal.SIGTERM, steps=True)
    deadline = time.time() + KILL_WAIT
    while _members(number, steps=True) and time.time() < deadline:
        time.sleep(0.1)
    _signal(number, signal.SIGKILL, steps=False)


# -- the other commands


def srun(words: list[str]) -> int:
    """Run the command once for each task, and leave with the highest status, as srun does."""
    own = [word for word in words if not word.startswith("-")]
    command = words[words.index(own[0]) :]
    options = dict(word.partition("=")[::2] for word in words[: words.index(own[0])])
    tasks = int(options.get("--ntasks", 1))
    number = os.environ["SLURM_JOB_ID"]
    with (ROOT / "sruns").open("a") as log:
        log.write(shlex.join(words[: words.index(own[0])]) + "\n")
    started = [
        subprocess.Popen(
            command,
            env=os.environ
            | {"SLURM_STEP_ID": str(os.getpid()), "SLURM_NODEID": str(task), "SLURM_JOB_ID": number}
            | {"SLURMD_NODENAME": f"{NODES}{task + 1}", "SLURM_NTASKS": str(tasks)},
            start_new_session=True,
        )
        for task in range(tasks)
    ]
    statuses = [process.wait() for process in started]
    return max(status if status >= 0 else 128 - status for status in statuses)


def scontrol(words: list[str]) -> int:
    if words[:2] == ["show", "config"]:
        print("MaxArraySize            = 1001\nMinJobAge               = 30 sec")
    elif words[:2] == ["show", "hostnames"]:
        first, last = re.fullmatch(re.escape(NODES) + r"\[(\d+)-(\d+)\]", words[2]).groups()
        print(*(f"{NODES}{n}" for n in range(int(first), int(last) + 1)), sep="\n")
    elif words[:3] == ["--oneliner", "show", "job"]:
        job = _read(words[-1])
        start, end = (datetime.datetime.fromtimestamp(job[key]) for key in ("start", "end"))
        print(
            f"JobId={job['id']} JobName=x JobState={job['state']} Requeue={int(job['requeue'])} "
            f"Restarts={job['restarts']} BatchFlag={int(job['batch'])} StartTime={start:%Y-%m-%dT%H:%M:%S} "
            f"EndTime={end:%Y-%m-%dT%H:%M:%S} ReqNodeList=(null) ExcNodeList=(null) "
            f"NodeList={NODES}[1-{job['nodes']}] NumNodes={job['nodes']}"
        )
    elif words[0] == "requeue":
        if not _read(words[1])["requeue"]:
            print(f"Requested operation is presently disabled for job {words[1]}", file=sys.stderr)
            return 1
        _ask(words[1], "requeue")
    else:
        return 1
    return 0


def _ask(number: str, order: str) -> None:
    (ROOT / "orders" / number).mkdir(exist_ok=True)
    (ROOT / "orders" / number / order).touch()


def scancel(words: list[str]) -> int:
    for number in [word for word in words if word.isdigit()]:
        if "--signal=TERM" in words:
            _signal(number, signal.SIGTERM, steps=True)
        else:
            _ask(number, "CANCELLED")
    return 0


def sacct(words: list[str]) -> int:
    if "--name" in words:
        print(*_news(words[words.index("--name") + 1]), sep="\n")
    elif "-nu" in words:
        print("mine")
    return 0


def _news(name: str) -> list[str]:
    """The states of all jobs; to spare tests the waiting between two questions, an answer waits for news."""
    file = ROOT / f"told-{name}"
    before = set(file.read_text().split()) if file.exists() else set()
    deadline = time.time() + 30
    while True:
        states = [f"{job['id']}|{job['state']}" for job in jobs(ROOT) if job["name"] == name]
        ended = {state for state in states if not state.endswith(("PENDING", "RUNNING"))}
        if ended - before or time.time() > deadline:
            file.write_text("\n".join(ended))
            return states
        time.sleep(0.2)


def sacctmgr(_words: list[str]) -> int:
    print("mine")
    return 0


def squeue(_words: list[str]) -> int:
    print(*(f"{job['id']}|{job['state']}" for job in jobs(ROOT)), sep="\n")
    return 0


def sinfo(_words: list[str]) -> int:
    print("up")
    return 0


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[1]](sys.argv[2:]))

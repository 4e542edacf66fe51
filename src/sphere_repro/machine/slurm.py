"""The Slurm job that a process runs in: its machines, and another turn when its time is up."""

from __future__ import annotations

import datetime
import os
import re
import subprocess

from sphere_repro.errors import UserError
from sphere_repro.machine.notes import notice

# A signal this long or less before the end of the time limit means: save, the rest comes in another turn.
# profiles/slurm asks for one 5 minutes ahead; Slurm may send it a minute earlier.
LAST_SECONDS = 900.0
ASKING_SECONDS = 60
# Set by Slurm in jobs that asked for GPUs, by whatever option.
_GPUS = (
    *("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS", "SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE"),
    *("SLURM_GPUS_PER_TASK", "SLURM_GPUS_PER_SOCKET"),
)
KEPT = ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME", "SLURM_CONF")


def job_id() -> str | None:
    """Number of the Slurm job around this process; None outside of Slurm."""
    return os.environ.get("SLURM_JOB_ID") or None


def gpus_asked() -> str | None:
    """How the Slurm job around this process asked for GPUs, as NAME=VALUE; None where it did not."""
    if job_id() is None:
        return None
    for name in _GPUS:
        value = os.environ.get(name, "")
        if value.strip() not in ("", "0", "none", "(null)"):
            return f"{name}={value}"
    return None


def hosts(job: str) -> list[str]:
    """Names of the machines of a job, in Slurm's order: the first runs the batch script and task 0.

    Asked of Slurm, not read from SLURM_JOB_NODELIST: a job step on one machine may not have it.

    Raises:
        UserError: Slurm does not answer.
    """
    listed = _fields(job).get("NodeList", "")
    return _scontrol("show", "hostnames", listed).split() if listed and listed != "(null)" else []


def outer_environment() -> dict[str, str]:
    """The environment without what Slurm said of this job step, which would bind a new one (srun) as well."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(("SLURM_", "SRUN_"))
    }


def take_another_turn() -> bool:
    """Put this process's job back into the queue, if it was interrupted because its time is up.

    Then, and only then, is there a point in the same job again: it goes on where it stood. A job that was
    cancelled, or that failed, is not put back, nor one that may not be requeued, nor one that had less time
    behind it than it has left, which would never get on.
    """
    job = job_id()
    if job is None:
        return False
    try:
        about = _fields(job)
        if not _out_of_time(about):
            return False
        _scontrol("requeue", job)
    except UserError as error:
        notice(f"Slurm job {job} stops and is not put back into the queue: {error}")
        return False
    notice(f"the time of Slurm job {job} is up; it is in the queue again and goes on where it stood.")
    return True


def _out_of_time(about: dict[str, str]) -> bool:
    if (about.get("JobState"), about.get("BatchFlag"), about.get("Requeue")) != ("RUNNING", "1", "1"):
        return False
    now = datetime.datetime.now()
    try:
        started, end = (datetime.datetime.fromisoformat(about[key]) for key in ("StartTime", "EndTime"))
    except (KeyError, ValueError):  # no time limit
        return False
    left = (end - now).total_seconds()
    return left <= min(LAST_SECONDS, (now - started).total_seconds())


def _fields(job: str) -> dict[str, str]:
    return dict(re.findall(r"(?:^|\s)(\w+)=(\S*)", _scontrol("--oneliner", "show", "job", job)))


def _scontrol(*arguments: str) -> str:
    return command("scontrol", *arguments)


def command(*words: str) -> str:
    """What one of Slurm's commands prints.

    Raises:
        UserError: it is not there, does not answer, or refuses.
    """
    line, env = " ".join(words), os.environ | {"SLURM_TIME_FORMAT": "standard"}
    try:
        done = subprocess.run(
            words, env=env, capture_output=True, text=True, timeout=ASKING_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"'{line}' does not answer ({error}). Put Slurm's commands on the PATH.") from error
    if done.returncode:
        said = done.stderr.strip() or f"status {done.returncode}"
        raise UserError(f"'{line}' was refused ({said}). Ask the cluster's staff.")
    return done.stdout

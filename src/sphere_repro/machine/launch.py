"""Start the workers of one job: on this machine (as torchrun does), or on all those of a Slurm job.

`launch` is the only door. Inside a Slurm job of several machines it has `srun` start one agent on each, and
each agent its workers; a worker runs the very command that was given. So the module is a program as well:
`python -m sphere_repro.machine.launch agent …` and `… worker …`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.errors import UserError
from sphere_repro.machine import gpus, slurm
from sphere_repro.machine.notes import notice
from sphere_repro.machine.processes import LOST, die_with_parent
from sphere_repro.machine.signals import ENDING, SAVING_SECONDS, interruptible

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

MODULE = "sphere_repro"
PROGRAM = "sphere_repro.machine.launch"  # __name__ is another one where this module is the program
INTERRUPTED, MISTAKE = 130, 2
MEETING_SECONDS = 600
# torch's launcher hears this one itself; what it is to pass on to the workers is heard here, and counts once.
# Others end the launcher, and its workers then get SIGTERM from the kernel.
UNUSED = signal.SIGUSR2


@dataclass(frozen=True)
class Workers:
    """How many work together: `processes` on each of `nodes` machines.

    `work` and `lower` are for messages: what they do, and the settings that are to be lowered where memory is
    short and where there are more processes than GPUs.
    """

    processes: int = 1
    nodes: int = 1
    work: str = "training"
    lower: tuple[str, str] = ("execution.micro_batch_size", "execution.processes")


@dataclass(frozen=True)
class Command:
    """What every worker runs: `python -m module arguments`, and on which device."""

    module: str
    arguments: tuple[str, ...]
    device: str

    def words(self) -> list[str]:
        return [self.device, self.module, *self.arguments]


@dataclass(frozen=True)
class Meeting:
    """Where the agents of all machines meet, and whether this one is the host; port 0 is any free port."""

    name: str
    host: str
    port: int
    is_host: bool


def launch(arguments: Sequence[str], workers: Workers, device: str = "auto", module: str = MODULE) -> int:
    """Run `python -m sphere_repro ARGUMENTS` in all `workers`, and wait for them.

    SIGTERM and SIGINT reach every worker, which has ten minutes to save; no worker outlives its launcher.
    With `device` auto the workers of a machine have GPUs of their own, one each, where there are GPUs.

    Returns:
        The workers' exit status: 0; 2 a user's mistake, told by a worker; 130 interrupted; else the first.

    Raises:
        UserError: a worker was killed, too few GPUs, or no Slurm job of that many machines.
    """
    command = Command(module, tuple(arguments), device)
    if workers.nodes == 1:
        return _run_workers(command, workers, Meeting(uuid.uuid4().hex, "localhost", 0, True))
    return _run_agents(command, workers)


# -- one machine: the agent and its workers


def _run_workers(command: Command, workers: Workers, meeting: Meeting) -> int:
    """Start and watch this machine's workers through torch's elastic launcher."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.launcher.api import elastic_launch

    def told_to_end(number: int) -> SignalException:
        return SignalException("told to end", sigval=signal.Signals(number))

    ended: dict[int, int] = {}
    with (
        _as_before(),
        _workers_gpus(command, workers),
        tempfile.TemporaryDirectory() as folder,
        interruptible(error=told_to_end),
    ):
        # its launcher fills in ${local_rank} and takes $$ for $
        words = [word.replace("$", "$$") for word in (folder, *command.words()[1:])]
        try:
            launcher = elastic_launch(_config(workers, meeting, folder), sys.executable)
            launcher(*_program("worker", *words)[1:])
        except ChildFailedError as error:
            ended = {rank: failure.exitcode for rank, failure in error.failures.items()}
        except SignalException:
            ended = {}
        except RendezvousError as error:
            raise UserError(
                f"The {workers.nodes} machines of the training did not meet at {meeting.host}, port "
                f"{meeting.port} ({error}). Check that they reach one another, and run it again."
            ) from error
        told = {int(path.name): int(path.read_text()) for path in Path(folder).glob("[0-9]*")}
    return _status(told, ended, workers)


def _program(*words: str) -> list[str]:
    """This module as a program."""
    return [sys.executable, "-m", PROGRAM, *words]


def _config(workers: Workers, meeting: Meeting, folder: str) -> LaunchConfig:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    return LaunchConfig(
        min_nodes=workers.nodes,
        max_nodes=workers.nodes,
        nproc_per_node=workers.processes,
        run_id=meeting.name,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{meeting.host}:{meeting.port}",
        rdzv_configs={"is_host": meeting.is_host, "timeout": MEETING_SECONDS},
        local_addr="localhost" if workers.nodes == 1 else os.environ.get("SLURMD_NODENAME"),
        logs_specs=DefaultLogsSpecs(log_dir=f"{folder}/logs"),  # left to itself it leaves a folder behind
        max_restarts=0,
        signals_to_handle=UNUSED.name,
        shutdown_timeout=int(SAVING_SECONDS),
    )


@contextlib.contextmanager
def _workers_gpus(command: Command, workers: Workers) -> Iterator[None]:
    """GPUs for this machine's workers, who see no other; with a device that is named, all that there are."""
    if command.device != "auto":
        yield
        return
    with gpus.lease(workers.processes, setting=workers.lower[1]) as taken:
        os.environ.update(gpus.as_environment(taken))
        yield


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Give signal handlers and environment back; keep torch's launcher from telling of failures itself."""
    variables = os.environ.copy()
    handlers = {number: signal.getsignal(number) for number in (*ENDING, UNUSED)}
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)
        os.environ.clear()
        os.environ.update(variables)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _status(told: Mapping[int, int], ended: Mapping[int, int], workers: Workers) -> int:
    """One exit status of those that the workers told at their end, and those that the launcher saw.

    When one fails the launcher ends the others: what they say then is not the cause.
    """
    if MISTAKE in told.values():
        return MISTAKE
    for rank, status in ended.items():
        if rank not in told and status < 0 and -status != signal.SIGTERM:
            raise UserError(
                f"Worker {rank} of the {workers.work} was killed by {signal.Signals(-status).name}: often "
                f"the system's answer to too little memory. Lower {workers.lower[0]} or ask for more."
            )
    found = [status for status in (*ended.values(), *told.values()) if status > 0 and status != INTERRUPTED]
    if crashed := [status for status in found if status != LOST]:
        return crashed[0]
    if found:
        raise UserError(
            f"The processes of the {workers.work} lost one another: a machine or the network has failed. Run "
            "the same command again: it goes on from the last saved state."
        )
    return 0 if len(told) == workers.processes and not any(told.values()) else INTERRUPTED


def _work(folder: Path, module: str, arguments: Sequence[str]) -> int:
    """Be a worker: run the command in this process and leave its exit status in `folder`."""
    die_with_parent()
    sys.argv = [module, *arguments]
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    (folder / os.environ["RANK"]).write_text(str(status))
    return status


# -- several machines: one agent on each, started by srun


def _run_agents(command: Command, workers: Workers) -> int:
    """Start one agent on every machine of the Slurm job around us, and wait for all."""
    job, first = _allocated(workers.nodes)
    port = 10_000 + int(job) % 20_000  # below the ports that systems give out themselves
    agent = _program("agent", str(workers.processes), str(workers.nodes), first, str(port), *command.words())
    process = subprocess.Popen(
        # tied: srun ends with us, however that happens
        [sys.executable, "-m", MODULE, "tied", *_srun(workers.nodes), *agent],
        env=slurm.outer_environment() | {"SPHERE_REPRO_TIED": "1"},
        start_new_session=True,  # srun kills its tasks at once on SIGINT and SIGTERM: they go another way
    )
    status = _wait(process, job)
    if status < 0 or status in (INTERRUPTED, 128 + signal.SIGTERM):
        return INTERRUPTED
    if status > 128:
        raise UserError(
            f"A worker of the training was killed by signal {status - 128}. Look at the lines above and "
            "at the job's memory (seff, sacct)."
        )
    return status


def _allocated(nodes: int) -> tuple[str, str]:
    """Number and first machine of the Slurm job around us, which has `nodes` machines."""
    job = slurm.job_id()
    found = slurm.hosts(job) if job else []
    if job and len(found) == nodes:
        return job, found[0]
    where = f"Slurm job {job} has {len(found)}" if job else "this is no Slurm job"
    raise UserError(
        f"execution.nodes is {nodes}, but {where}. Use --profile profiles/slurm or a Slurm job of {nodes} "
        "machines, or set execution.nodes to 1."
    )


def _srun(nodes: int) -> list[str]:
    """One task on each machine with all its processors and GPUs, beside whatever step we run in.

    The first to end gives the others the time to save.
    """
    shape = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", "--overlap", "--cpu-bind=none"]
    return ["srun", *shape, "--kill-on-bad-exit=0", f"--wait={SAVING_SECONDS:.0f}"]


def _wait(process: subprocess.Popen[bytes], job: str) -> int:
    """Wait for srun; the first interrupt is passed to all workers, the next (`signals`) ends them."""
    for passed in (False, True):
        try:
            return process.wait()
        except KeyboardInterrupt:
            if passed:
                process.terminate()
            else:
                notice("interrupted; waiting for the workers to save.")
                slurm.command("scancel", "--signal=TERM", job)
    return process.wait()


def _be_agent(workers: Workers, host: str, port: int, command: Command) -> int:
    """Be the agent of this machine, a task of srun."""
    die_with_parent()
    # before torch is loaded: at the end its store warns of every machine that hung up before this one
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    job, place = slurm.job_id(), os.environ.get("SLURM_NODEID", "0")
    return _run_workers(command, workers, Meeting(f"sphere-repro-{job}", host, port, place == "0"))


def main(words: Sequence[str]) -> int:
    """The program that `launch` starts; not for use by hand."""
    kind, *rest = words
    if kind == "worker":
        return _work(Path(rest[0]), rest[1], rest[2:])
    processes, nodes, host, port, device, module, *arguments = rest
    command = Command(module, tuple(arguments), device)
    try:
        return _be_agent(Workers(int(processes), int(nodes)), host, int(port), command)
    except UserError as error:
        print(f"sphere-repro: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

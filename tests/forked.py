"""Snakemake without its start: a process that has loaded it forks for each call.

Loading takes more than half of the CPU time of a call that has nothing to do. What follows is Snakemake's own
command line, in a process of its own. That the installed command starts is tested where others call it:
`workflow/scripts/run.py` and the stages of DVC.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
LOADED = multiprocessing.get_context("forkserver")
LOADED.set_forkserver_preload(["snakemake.cli"])


def snakemake(
    folder: Path, command: Sequence[str], variables: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of a `snakemake …`, in `folder` and with these environment variables alone.

    Raises:
        subprocess.TimeoutExpired: it takes longer than `seconds`.
    """
    with tempfile.TemporaryDirectory() as place:
        streams = Path(place, "out"), Path(place, "err")
        process = LOADED.Process(target=_call, args=(folder, list(command), dict(variables), streams))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, seconds)
        out, err = (path.read_text() for path in streams)
    return subprocess.CompletedProcess(command, process.exitcode, out, err)


def _call(folder: Path, command: list[str], variables: dict[str, str], streams: tuple[Path, Path]) -> None:
    for number, path in enumerate(streams, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    # what pytest has put there is not what a shell has
    sys.path[:] = [str(folder / "src"), *(name for name in sys.path if not TESTS.is_relative_to(name))]
    sys.argv = command
    from snakemake.cli import main

    main()

"""A verb's work in several processes: this one launches them and waits."""

from __future__ import annotations

import argparse

from sphere_repro.machine import launch
from sphere_repro.machine.launch import Workers
from sphere_repro.machine.processes import is_worker


def launched(options: argparse.Namespace, workers: Workers) -> bool:
    """Have the same command run in several workers, where several are asked for; whether that was done.

    Raises:
        KeyboardInterrupt: it was interrupted; the workers have ended.
        UserError: a worker was killed, or there are too few GPUs.
    """
    if workers.processes * workers.nodes == 1 or is_worker():
        return False
    options.status = launch.launch(options.arguments, workers, options.device)
    if options.status == launch.INTERRUPTED:
        raise KeyboardInterrupt
    return True

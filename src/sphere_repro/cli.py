"""The command line: `sphere-repro VERB …`, also `python -m sphere_repro VERB …`.

Each verb is a module of `commands`; here is what they share.

Exit status: 0 done; 1 compared, and they disagree; 2 the user's mistake, told in one sentence; 3 planned,
and the machine is too small for it; 130 interrupted.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sphere_repro import __version__
from sphere_repro.commands.files import keep_inputs
from sphere_repro.commands.verb import Verb, at_most
from sphere_repro.errors import UserError
from sphere_repro.machine import portable, slurm
from sphere_repro.machine.allocator import keep_freed_memory
from sphere_repro.machine.devices import out_of_memory
from sphere_repro.machine.notes import note, print_anything
from sphere_repro.machine.processes import die_with_parent, is_worker, waits_for_leader
from sphere_repro.machine.signals import interruptible

# In the order of the help. A new verb needs its module in `commands`, found by its name, and its place here.
VERBS = (
    *("prepare", "train", "import", "sample", "samples", "images", "encode"),
    *("reference", "score", "uniformity"),
    *("figure", "figures", "page", "table", "paper-tables", "claims", "compare", "overview"),
    *("download", "fetch", "new", "check", "plan", "tied", "explain", "import-released"),
    *("generate", "edit", "crossover", "interpolate", "reconstruct", "serve", "export"),
)
MODULES = {"import": "import_"}  # a word of Python's names no module
MOST_THREADS = 1024
# Most mistakes are every worker's: the leader tells them, and its launcher ends the others while they wait.
LEADER_FIRST_SECONDS = 5.0


class _Parser(argparse.ArgumentParser):
    """Complains in one sentence."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"sphere-repro: {message}. See '{self.prog} --help'.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status."""
    print_anything()
    options = parser().parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)  # for processes that help
    verb = verbs()[options.verb]
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    portable.pin()
    with interruptible(ends=arguments is None):  # temporary files are removed on the way out
        return _status(verb, options)


def _status(verb: Verb, options: argparse.Namespace) -> int:
    try:
        if os.environ.get("SPHERE_REPRO_TIED"):  # set by the workflow's rules
            die_with_parent()
        line = run(verb, options)
    except UserError as error:
        return _complain(str(error), options.log)
    except KeyboardInterrupt:
        return _interrupted(verb, options.log)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return _complain(f"{verb.name} ran out of memory. {verb.out_of_memory}", options.log)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return _complain(
            f"{verb.name}: the system refused: {error.strerror or error}{place}. Check path and disk.",
            options.log,
        )
    note(line, options.log)
    if options.log is None and line:
        _print(line)
    return int(options.status)


def run(verb: Verb, options: argparse.Namespace) -> str:
    """Carry out the verb; return the line that says what was done.

    Raises:
        UserError: what the verb raises, or options that do not fit together.
    """
    keep_inputs(options, verb.beside)
    if verb.torch:
        keep_freed_memory()
        _set_threads(options.threads)
    return verb.run(options)


def _set_threads(threads: int) -> None:
    """Fix torch's threads before the first operation: results then do not depend on the machine's cores."""
    import torch

    torch.set_num_threads(threads)


def _print(line: str) -> None:
    """Print to whoever listens; one who stops listening, as head does, is nobody's mistake."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end


def _interrupted(verb: Verb, log: Path | None) -> int:
    if is_worker():  # its launcher tells it once for all
        return 130
    note(f"{verb.name}: interrupted", log)
    start = "\n" if sys.stderr.isatty() else ""  # after the ^C that a terminal shows
    print(f"{start}sphere-repro: interrupted. The same command takes up the work again.", file=sys.stderr)
    if verb.takes_turns:
        slurm.take_another_turn()
    return 130


def _complain(sentence: str, log: Path | None) -> int:
    if waits_for_leader():
        time.sleep(LEADER_FIRST_SECONDS)
    text = " ".join(sentence.split())
    text += "" if text.endswith((".", "?")) else "."
    text = text.replace("?.", "?")
    print(f"sphere-repro: {text}", file=sys.stderr)
    note(f"failed: {text}", log)
    return 2


@functools.cache
def verbs() -> dict[str, Verb]:
    """Every verb by its name, in the order of the help."""
    names = [MODULES.get(name, name.replace("-", "_")) for name in VERBS]
    found: list[Verb] = [importlib.import_module(f"sphere_repro.commands.{name}").VERB for name in names]
    return {verb.name: verb for verb in found}


def parser() -> argparse.ArgumentParser:
    """The reader of the whole command line."""
    whole = _Parser(prog="sphere-repro", description="Reproduce the Sphere Encoder (arXiv 2602.15030).")
    whole.add_argument("--version", action="version", version=f"sphere-repro {__version__}")
    readers = whole.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    for verb in verbs().values():
        reader = readers.add_parser(verb.name, help=verb.text, description=verb.text)
        reader.add_argument(
            "--log", type=Path, help="append one line on this job to FILE, instead of printing it"
        )
        reader.add_argument(
            "--threads", type=at_most(MOST_THREADS), default=1, help="CPU threads (default 1)"
        )
        reader.add_argument("--device", default="auto", help=verb.device)
        reader.set_defaults(status=0)  # a verb may set another status
        verb.add_options(reader)
    return whole

"""The command line: `sphere-repro VERB …`, also `python -m sphere_repro VERB …`.

Exit status: 0 done; 2 the user's mistake, told in one sentence; 3 planned, and the machine is too small for
it; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sphere_repro import __version__
from sphere_repro.errors import UserError
from sphere_repro.machine import slurm
from sphere_repro.machine.devices import out_of_memory
from sphere_repro.machine.notes import note
from sphere_repro.machine.processes import die_with_parent, is_worker, waits_for_leader
from sphere_repro.machine.signals import interruptible

MOST_THREADS = 1024
# Most mistakes are every worker's: the leader tells them, and its launcher ends the others while they wait.
LEADER_FIRST_SECONDS = 5.0
MOST_IMAGES = 100_000_000  # names in an archive have eight digits
DEVICE = "auto, cpu, cuda, cuda:1, … (default auto)"
BATCHES = {
    "sample": "Lower sampling.batch_size.",
    "reference": "Lower score.batch_size.",
    "score": "Lower score.batch_size.",
}


class _Parser(argparse.ArgumentParser):
    """Complains in one sentence."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(2, f"sphere-repro: {message}. See '{self.prog} --help'.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return the exit status."""
    options = _parser().parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)  # for processes that help
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    with interruptible(ends=arguments is None):  # temporary files are removed on the way out
        return _status(options)


def _status(options: argparse.Namespace) -> int:
    try:
        if os.environ.get("SPHERE_REPRO_TIED"):  # set by the workflow's rules
            die_with_parent()
        line = _run(options)
    except UserError as error:
        return _complain(str(error), options.log)
    except KeyboardInterrupt:
        if is_worker():  # its launcher tells it once for all
            return 130
        note(f"{options.verb}: interrupted", options.log)
        start = "\n" if sys.stderr.isatty() else ""  # after the ^C that a terminal shows
        print(f"{start}sphere-repro: interrupted. The same command takes up the work again.", file=sys.stderr)
        if options.verb == "train":
            slurm.take_another_turn()
        return 130
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        remedy = BATCHES.get(options.verb, "Use a machine with more of it.")
        return _complain(f"{options.verb} ran out of memory. {remedy}", options.log)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return _complain(
            f"{options.verb}: the system refused: {error.strerror or error}{place}. Check path and disk.",
            options.log,
        )
    note(line, options.log)
    if options.log is None and line:
        _print(line)
    return int(options.status)


def _print(line: str) -> None:
    """Print to whoever listens; one who stops listening, as head does, is nobody's mistake."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end


def _run(options: argparse.Namespace) -> str:
    _set_threads(options)
    from sphere_repro import dispatch

    return dispatch.run(options)


def _set_threads(options: argparse.Namespace) -> None:
    """Fix torch's threads before the first operation: results then do not depend on the machine's cores."""
    if options.needs_torch:
        import torch

        torch.set_num_threads(options.threads)


def _complain(sentence: str, log: Path | None) -> int:
    if waits_for_leader():
        time.sleep(LEADER_FIRST_SECONDS)
    text = " ".join(sentence.split())
    text += "" if text.endswith((".", "?")) else "."
    text = text.replace("?.", "?")
    print(f"sphere-repro: {text}", file=sys.stderr)
    note(f"failed: {text}", log)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sphere-repro", description="Reproduce the Sphere Encoder (arXiv 2602.15030).")
    parser.add_argument("--version", action="version", version=f"sphere-repro {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    _job_verbs(verbs)
    _result_verbs(verbs)
    _hand_verbs(verbs)
    return parser


def _add(
    verbs: argparse._SubParsersAction[_Parser],
    name: str,
    text: str,
    *,
    torch: bool = True,
    device: str = DEVICE,
) -> _Parser:
    verb: _Parser = verbs.add_parser(name, help=text, description=text)
    verb.add_argument("--log", type=Path, help="append one line on this job to FILE, instead of printing it")
    verb.add_argument("--threads", type=_at_most(MOST_THREADS), default=1, help="CPU threads (default 1)")
    verb.add_argument("--device", default="auto", help=device)
    verb.set_defaults(needs_torch=torch, status=0)  # a verb may set another status
    return verb


def _job_verbs(verbs: argparse._SubParsersAction[_Parser]) -> None:
    """Verbs that take a job: as JSON, or as a study and a run."""

    def job(name: str, text: str, *, torch: bool = True) -> _Parser:
        verb = _add(verbs, name, text, torch=torch)
        verb.add_argument("--job", help="the job's parameters as JSON (what the workflow passes)")
        verb.add_argument("--study", type=Path, help="a study file, with --run, instead of --job")
        verb.add_argument("--run", help="name of the run in the study")
        verb.add_argument("--out", type=Path, required=True, help="file to write")
        return verb

    prepare = job("prepare", "make a dataset's image archive", torch=False)
    prepare.add_argument("--raw", type=Path, help="folder of the downloads (default data/raw/DATASET)")
    prepare.add_argument("--state", type=Path, default=Path(".state"), help="folder of half-made archives")
    train = job("train", "train a run")
    train.add_argument("--data", type=Path, required=True, help="prepared image archive")
    train.add_argument("--curves", type=Path, required=True, help="CSV of the losses to write")
    train.add_argument("--live", type=Path, help="folder of curves that grow during training (DVCLive)")
    train.add_argument("--state", type=Path, default=Path(".state"), help="folder of half-trained models")
    train.add_argument("--execution", help="how to compute, as JSON: processes, micro_batch_size, …")
    job("import", "make a run's model of the released checkpoint that the study names")
    for name, text in (("sample", "draw a sample set"), ("encode", "encode training images to latents")):
        verb = job(name, text)
        verb.add_argument("--set", help="name of the sample set, with --study")
        verb.add_argument("--model", type=Path, required=True, help="model file of the run")
        verb.add_argument("--data", type=Path, required=True, help="prepared image archive")
    reference = job("reference", "features of the real images")
    reference.add_argument("--data", type=Path, required=True, help="prepared image archive")
    reference.add_argument("--extractor", help="feature extractor, with --study")
    score = job("score", "compare a run's sample sets with the real images")
    score.add_argument("--data", type=Path, required=True, help="prepared image archive")
    score.add_argument("--reference", type=Path, required=True, help="features of the real images")
    score.add_argument("--sets", type=Path, nargs="+", required=True, help="archives of the sample sets")
    score.add_argument("--extractor", help="feature extractor, with --study")
    uniformity = job("uniformity", "how uniform the latents are on the sphere", torch=False)
    uniformity.add_argument("--latents", type=Path, required=True, help="latents of the run")
    uniformity.add_argument("--baseline", type=Path, help="latents of the VAE baseline")


def _result_verbs(verbs: argparse._SubParsersAction[_Parser]) -> None:
    """Verbs that read result files only."""
    figure = _add(verbs, "figure", "draw a figure from result files", torch=False)
    figure.add_argument(
        "name", help="samples, posterior-hole, uniformity, distance-by-steps, training-curves or ablations"
    )
    figure.add_argument(
        "inputs", nargs="*", metavar="KEY=PATH", help="result files by name, e.g. real=data/…zip"
    )
    figure.add_argument("--subject", default="", help="what the title names, e.g. the run")
    figure.add_argument("--out", type=Path, required=True, help="PNG to write")
    table = _add(verbs, "table", "gather scores into one CSV", torch=False)
    table.add_argument("scores", type=Path, nargs="+", help="score files in the order of the rows")
    table.add_argument("--out", type=Path, required=True, help="CSV to write")
    table.add_argument("--metrics", type=Path, help="JSON of the same numbers to write")
    table.add_argument("--expected", type=Path, help="published numbers to show, params/expected.yaml")
    claims = _add(verbs, "claims", "test the paper's statements on the results", torch=False)
    claims.add_argument("--scores", type=Path, nargs="+", required=True)
    claims.add_argument("--uniformity", type=Path, nargs="*", default=[])
    claims.add_argument("--table", type=Path, help="table whose published numbers are judged as well")
    claims.add_argument("--out", type=Path, required=True, help="JSON to write")


def _hand_verbs(verbs: argparse._SubParsersAction[_Parser]) -> None:
    """Verbs for use by hand."""
    download = _add(verbs, "download", "fetch, verify and unpack a dataset's files", torch=False)
    download.add_argument(
        "dataset", help="cifar10, animal-faces, oxford-flowers, or imagenet (your own copy)"
    )
    download.add_argument("--raw", type=Path, help="folder of the downloads (default data/raw/DATASET)")
    check = _add(verbs, "check", "check a study file and list its jobs", torch=False)
    check.add_argument("study", type=Path)
    _plan_verb(verbs)
    tied = _add(verbs, "tied", "run a command that ends with its parent (for rules)", torch=False)
    tied.add_argument("command", nargs=argparse.REMAINDER)
    explain = _add(verbs, "explain", "where a result comes from, and what has changed since", torch=False)
    explain.add_argument("result", type=Path, help="any file under results/ or data/prepared/")
    explain.add_argument("--json", action="store_true", help="the whole chain as JSON")
    released = _add(verbs, "import-released", "convert a released checkpoint to a model file")
    released.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.pth")
    released.add_argument("config", type=Path, metavar="CONFIG.json")
    released.add_argument("out", type=Path, metavar="OUT.safetensors")
    generate = _add(verbs, "generate", "draw images from any model file")
    generate.add_argument("model", type=Path, metavar="MODEL.safetensors")
    generate.add_argument("out", type=Path, metavar="OUT.zip")
    generate.add_argument("--count", type=_at_most(MOST_IMAGES), default=64, help="images (default 64)")
    generate.add_argument("--steps", type=_at_most(1000), default=4, help="steps (default 4)")
    generate.add_argument("--strength", choices=("fixed", "linear"), default="fixed")
    generate.add_argument("--noise", choices=("shared", "independent"), default="shared")
    generate.add_argument(
        "--guidance", type=float, default=1.0, metavar="SCALE", help="at least 1 (default 1)"
    )
    generate.add_argument("--position", choices=("enc", "dec", "combo"), default="combo")
    generate.add_argument("--weights", choices=("raw", "ema"), default="raw")
    generate.add_argument("--seed", type=int, default=0)


def _plan_verb(verbs: argparse._SubParsersAction[_Parser]) -> None:
    text = "what a study costs, and whether it fits here (status 3: it does not)"
    plan = _add(verbs, "plan", text, device="this, measured now, or one of a table, e.g. h100 (default this)")
    plan.set_defaults(device="this")
    plan.add_argument("study", type=Path)
    plan.add_argument(
        "--utilisation",
        type=_share,
        default=0.35,
        metavar="SHARE",
        help="of the device's peak, above 0 to 1 (default 0.35)",
    )
    plan.add_argument("--json", action="store_true", help="the plan as JSON")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and at most 1, not '{text}'")
    return value


def _at_most(most: int) -> Callable[[str], int]:
    """A reader of whole numbers from 1 to `most`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = 0
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}, not '{text}'")
        return value

    return read

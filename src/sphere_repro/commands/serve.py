"""`sphere-repro serve`: a page on which to play with a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb, need_extra
from sphere_repro.machine import gpus
from sphere_repro.machine.notes import notice

PORT, HOST = 8000, "127.0.0.1"
NEEDED = ("flask", "waitress")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="RUN|MODEL",
        help="a finished run of the study, a model file, a run's folder or a released checkpoint "
        "(default: the study's first Sphere Encoder)",
    )
    parser.add_argument("--configfile", type=Path, help="the study (default: the demo)")
    parser.add_argument(
        "--beside", type=Path, metavar="MODEL", help="a VAE to show beside it (default: the run's baseline)"
    )
    parser.add_argument("--weights", choices=("raw", "ema"), default="raw", help="default raw")
    parser.add_argument(
        "--host", default=HOST, help=f"address to listen at (default {HOST}: this machine alone)"
    )
    parser.add_argument("--port", type=port, default=PORT, help=f"default {PORT}; 0: any that is free")


def port(text: str) -> int:
    """A reader of port numbers."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, not '{text}'")
    return int(text)


def run(o: argparse.Namespace) -> str:
    need_extra("serve", "serve", NEEDED)
    from sphere_repro.serving.application import application
    from sphere_repro.serving.listening import address, is_loopback, listen, names_of
    from sphere_repro.serving.stage import find, set_up
    from sphere_repro.study.places import DEFAULT_STUDY

    with gpus.device(o.device) as device:
        stage = set_up(find(o.model, o.configfile or Path(DEFAULT_STUDY), o.beside), o.weights, device)
        server = listen(application(stage, names_of(o.host)), o.host, o.port)
        if not is_loopback(o.host):
            notice(f"everybody who reaches {o.host} can use this page: it asks for no password.")
        if stage.why:
            notice(f"no VAE stands beside the model: {stage.why}.")
        print(f"serve: {stage.found.name} at {address(server)} — Ctrl-C ends it", flush=True)
        try:
            server.run()
        except KeyboardInterrupt:  # before the server heard of it
            pass
        finally:
            server.close()
    return "serve: ended"


VERB = Verb("serve", "a page on which to play with a model", add_options, run)

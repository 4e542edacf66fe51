"""`sphere-repro export`: a model's networks as ONNX, and a page that runs them in a browser."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from sphere_repro.commands.verb import Verb, need_extra
from sphere_repro.errors import UserError
from sphere_repro.machine.folders import atomic_folder, refuse_taken

NEEDED = ("onnx", "onnxruntime", "onnxscript")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="RUN|MODEL",
        help="a finished run of the study, a model file, a run's folder or a released checkpoint",
    )
    parser.add_argument("--onnx", action="store_true", required=True, help="encoder.onnx and decoder.onnx")
    parser.add_argument(
        "--out",
        dest="folder",
        type=Path,
        metavar="FOLDER",
        help="new, or an empty one (default exported/RUN)",
    )
    parser.add_argument("--configfile", type=Path, help="the study (default: the demo)")
    parser.add_argument("--weights", choices=("raw", "ema"), default="raw", help="default raw")
    parser.add_argument(
        "--page", action="store_true", help="a page beside them that runs them in a browser: index.html"
    )
    parser.add_argument(
        "--beside", type=Path, metavar="MODEL", help="a VAE to show on the page (default: the run's baseline)"
    )
    parser.add_argument(
        "--runtime", type=Path, metavar="FOLDER", help="of onnxruntime-web (default: npm fetches it)"
    )


def run(o: argparse.Namespace) -> str:
    need_extra("export", "export", NEEDED)
    if (o.beside or o.runtime) and not o.page:
        raise UserError("--beside and --runtime are for the page. Add --page, or leave them out.")
    import torch

    from sphere_repro.exporting.folder import exportable, write_metadata, write_networks
    from sphere_repro.exporting.runtime import runtime
    from sphere_repro.exporting.static import stage_of_page, write_page
    from sphere_repro.sampling.opened import open_model
    from sphere_repro.serving.stage import find
    from sphere_repro.study.places import DEFAULT_STUDY

    found = find(o.model, o.configfile or Path(DEFAULT_STUDY), o.beside)
    out = o.folder or Path("exported") / found.place.stem
    refuse_taken(out)
    stage = stage_of_page(found, o.weights) if o.page else None
    opened = stage.opened if stage else open_model(found.place, o.weights, torch.device("cpu"))
    beside = stage.beside if stage else None
    model = exportable(opened, found.place)
    with runtime(o.runtime) if stage else contextlib.nullcontext() as place, atomic_folder(out) as folder:
        written = write_networks(folder, opened, model, o.weights, beside)
        if stage and place:
            write_page(folder, stage, written.files, place)
        write_metadata(folder, opened, model, o.weights, written, beside)
    where = f"; the page is {out / 'index.html'}" if stage else ""
    return f"export: {out}, which differs from torch by {written.largest:.1e} at most{where}"


VERB = Verb("export", "a model's networks as ONNX, checked against torch; a page", add_options, run)

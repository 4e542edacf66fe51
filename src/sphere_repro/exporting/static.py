"""The page of a model as a folder of files that needs no server: the networks run in the browser.

Networks and runtime stand in scripts, as base64: a page that is opened as a file may read no other file.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from sphere_repro.errors import UserError
from sphere_repro.exporting.runtime import MODULE, SCRIPT, WASM
from sphere_repro.machine.files import write_text
from sphere_repro.models.autoencoder import PlainAutoencoder, VariationalAutoencoder
from sphere_repro.models.checkpoint import Weights
from sphere_repro.serving.page import FILES, file, page
from sphere_repro.serving.stage import Found, Stage, set_up

HERE = Path(__file__).parent
OWN = ("random.js", "drawing.js", "images.js", "commands.js", "browser.js")
SCRIPTS = (SCRIPT, "runtime.js", "networks.js", *OWN)
SERVERS = "server.js"  # of the page that is served
MOST_BYTES = 300_000_000  # of all networks: a browser holds no text much longer
SAID = (
    "The networks run in this browser, and nothing is sent. Seeds mean what they mean to the verbs. Sums are "
    "made in another order, so that a pixel may differ from the verb's by one of 255."
)


def stage_of_page(found: Found, weights: Weights) -> Stage:
    """The models of a page; beside it none whose code is others' or whose images have another size.

    Raises:
        UserError: as `set_up`.
    """
    stage = set_up(found, weights, torch.device("cpu"))
    if stage.beside is None:
        return stage
    model = stage.beside.checkpoint.model
    if not isinstance(model, VariationalAutoencoder | PlainAutoencoder):
        why = f"{found.beside} is a pretrained one, whose networks are not exported"
    elif model.shape.image_size != stage.model.shape.image_size:
        why = f"{found.beside} draws images of another size"
    else:
        return stage
    return replace(stage, beside=None, why=why)


def write_page(folder: Path, stage: Stage, networks: Mapping[str, Path], runtime: Path) -> None:
    """Write `index.html` and what it loads into `folder`.

    Args:
        folder: that is there.
        stage: the model, and the one beside it.
        networks: ONNX files: `encoder`, `decoder`, and `beside`, the other model's decoder, if any.
        runtime: folder of onnxruntime-web.

    Raises:
        UserError: the networks are too large for a page.
    """
    size = sum(path.stat().st_size for path in networks.values())
    if size > MOST_BYTES:
        raise UserError(
            f"{stage.found.place}: the networks have {size / 1e6:.0f} MB, and a page takes "
            f"{MOST_BYTES / 1e6:.0f}. Export without --page."
        )
    write_text(folder / "index.html", page(stage, SCRIPTS, SAID))
    for name in FILES.keys() - {SERVERS}:
        write_text(folder / name, file(name))
    for name in OWN:
        shutil.copyfile(HERE / name, folder / name)
    shutil.copyfile(runtime / SCRIPT, folder / SCRIPT)
    _script(folder / "networks.js", "networks", networks)
    _script(folder / "runtime.js", "runtime", {"module": runtime / MODULE, "wasm": runtime / WASM})


def _script(path: Path, name: str, files: Mapping[str, Path]) -> None:
    """A script that gives `name` the files' contents, in base64."""
    held = {key: base64.b64encode(each.read_bytes()).decode("ascii") for key, each in files.items()}
    write_text(path, f'"use strict";\nglobalThis.{name} = {json.dumps(held)};\n')

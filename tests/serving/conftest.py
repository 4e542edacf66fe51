"""Shared by all tests of serving: small models on a stage, and a client that asks as the page does."""

from __future__ import annotations

import base64
import contextlib
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flask.testing import FlaskClient
from PIL import Image

from conftest import PATIENCE, ROOT, environment
from small_models import write_models
from sphere_repro.serving.application import application
from sphere_repro.serving.stage import Found, Stage, set_up


def stage_of(kind: str, beside: str | None = None) -> Stage:
    place = Path(f"{kind}.safetensors")
    found = Found(
        kind, place, None if beside is None else Path(f"{beside}.safetensors"), "none was asked for"
    )
    return set_up(found, "raw", torch.device("cpu"))


def client_of(stage: Stage) -> FlaskClient:
    return application(stage, frozenset({"localhost"})).test_client()


def pixels_of(cell: dict[str, Any]) -> np.ndarray:
    head, content = cell["image"].split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own process in `folder`, at a free port, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sphere_repro", "serve", *arguments, "--port", "0"],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serve: ") and " at http://127.0.0.1:" in line, line
        yield process, line.split()[3]
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page of a conditional Sphere Encoder with a VAE beside it."""
    folder = tmp_path_factory.mktemp("served")
    write_models(folder)
    with serving(folder, "sphere.safetensors", "--beside", "vae.safetensors") as (_, address):
        yield address


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a model file of each kind."""
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    return tmp_path


@pytest.fixture
def client(place: Path) -> FlaskClient:
    """Asks a conditional Sphere Encoder with a VAE beside it."""
    return client_of(stage_of("sphere", "vae"))

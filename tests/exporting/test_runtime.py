"""The page's runtime: its lock, and what is told where it cannot be had; the page's folder."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from small_models import write_models
from sphere_repro import cli
from sphere_repro.exporting import runtime, static
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.serving.stage import Found

EXPORT = ["export", "sphere.safetensors", "--onnx", "--page", "--out", "out"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    return tmp_path


def write_runtime(folder: Path, version: str) -> None:
    """A folder that looks like the runtime's."""
    (folder / "dist").mkdir(parents=True)
    (folder / "dist" / runtime.SCRIPT).write_text(f"/*!\n * ONNX Runtime Web v{version}\n */\n")
    (folder / "dist" / runtime.MODULE).write_bytes(b"module")
    (folder / "dist" / runtime.WASM).write_bytes(b"\0asm")


def write_npm(folder: Path, script: str) -> None:
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)


def test_the_lock_has_digests_and_no_addresses() -> None:
    text = (runtime.LOCK / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert "://" not in text and packages[""]["dependencies"] == {runtime.NAME: runtime.version()}
    assert packages[f"node_modules/{runtime.NAME}"]["version"] == runtime.version()
    for name in packages.keys() - {""}:
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", packages[name]["integrity"]), name


def test_a_folder_that_is_no_runtime_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(place.iterdir())
    assert cli.main([*EXPORT, "--runtime", "nowhere"]) == 2
    assert f"nowhere has no {runtime.SCRIPT}. Give the folder of {runtime.NAME}" in capsys.readouterr().err
    assert sorted(place.iterdir()) == before
    write_runtime(place / "old", "1.2.3")
    assert cli.main([*EXPORT, "--runtime", "old"]) == 2
    assert f"is not {runtime.NAME} {runtime.version()}" in capsys.readouterr().err
    assert cli.main([*EXPORT[:3], "--runtime", "old"]) == 2
    assert "are for the page. Add --page" in capsys.readouterr().err


def test_what_npm_does_not_fetch_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "bin").mkdir()
    monkeypatch.setenv("PATH", str(place / "bin"))
    assert cli.main(EXPORT) == 2
    assert "there is no npm here to fetch it" in capsys.readouterr().err
    write_npm(place / "bin", "echo 'npm error network is down' >&2; exit 1")
    assert cli.main(EXPORT) == 2
    assert "npm did not fetch onnxruntime-web" in (told := capsys.readouterr().err)
    assert "npm error network is down. Try again" in told
    write_npm(place / "bin", "exit 3")
    assert cli.main(EXPORT) == 2
    assert "it left with 3" in capsys.readouterr().err
    assert not (place / "out").exists()


def test_the_folder_holds_the_page_and_says_what_of(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runtime(place / "runtime", runtime.version())
    assert cli.main([*EXPORT, "--runtime", "runtime", "--beside", "vae.safetensors"]) == 0
    assert "the page is out/index.html" in capsys.readouterr().out
    names = {path.name for path in Path("out").iterdir()}
    html = Path("out/index.html").read_text()
    asked = set(re.findall(r'(?:src|href)="([\w.]+)"', html))
    assert asked and asked <= names and "server.js" not in names
    about = json.loads(Path("out/metadata.json").read_text())
    assert about["files"].keys() == names - {"metadata.json"}
    assert about["beside"]["sha256"] == file_hash(Path("out/beside.onnx"))
    assert about["inputs"].keys() == {"model", "beside model"}
    held = json.loads(Path("out/networks.js").read_text().split(" = ")[1].rstrip(";\n"))
    for name in ("encoder", "decoder", "beside"):
        assert base64.b64decode(held[name]) == Path(f"out/{name}.onnx").read_bytes()


def test_what_has_no_page_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runtime(place / "runtime", runtime.version())
    assert cli.main(["export", "vae.safetensors", "--onnx", "--page", "--runtime", "runtime"]) == 2
    assert "is a VAE. Give the Sphere Encoder" in capsys.readouterr().err
    monkeypatch.setattr(static, "MOST_BYTES", 1000)
    assert cli.main([*EXPORT, "--runtime", "runtime"]) == 2
    assert "and a page takes" in capsys.readouterr().err and not (place / "out").exists()


def test_beside_it_stands_none_that_cannot_be_shown(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found("sphere", Path("sphere.safetensors"), Path("vae.safetensors"))
    stage = static.stage_of_page(found, "raw")
    assert stage.beside is not None and stage.why == ""
    model = stage.beside.checkpoint.model
    model.shape = model.shape.model_copy(update={"image_size": 16})
    monkeypatch.setattr(static, "set_up", lambda *given: stage)
    smaller = static.stage_of_page(found, "raw")
    assert smaller.beside is None and "images of another size" in smaller.why

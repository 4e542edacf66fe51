"""The verb: it listens, answers, ends, and tells what is in its way."""

from __future__ import annotations

import importlib.util
import json
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from conftest import PATIENCE
from sphere_repro import cli

from .conftest import serving


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_on_the_loopback_alone_and_ends_when_told(number: int, place: Path) -> None:
    before = sorted(path.name for path in place.iterdir())
    with serving(place, "sphere.safetensors") as (process, address):
        with urllib.request.urlopen(f"{address}draw?count=1&steps=2") as response:
            assert len(json.load(response)["rows"][0]["cells"]) == 2
        port = int(address.rsplit(":", 1)[1].strip("/"))
        own = {line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
        assert f"0100007F:{port:04X}" in own and f"00000000:{port:04X}" not in own
        process.send_signal(number)
        out, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (0, "serve: ended\n")
        assert sorted(path.name for path in place.iterdir()) == before


def test_a_port_that_is_taken_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert cli.main(["serve", "sphere.safetensors", "--port", port]) == 2
    told = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 is taken" in told and "--port" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "203.0.113.9"], "203.0.113.9 is no address of this machine"),
        (["--host", "no such host"], "no such host is no address of this machine"),
        (["--port", "65536"], "must be a whole number from 0 to 65535"),
        (["--port", "-1"], "--port"),
    ],
)
def test_what_is_no_address_is_told(
    arguments: list[str], sentence: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = cli.main(["serve", "sphere.safetensors", "--port", "0", *arguments])
    except SystemExit as left:
        status = int(left.code or 0)
    assert status == 2 and sentence in capsys.readouterr().err


def test_another_address_comes_with_a_warning(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("waitress.server.TcpWSGIServer.run", lambda _server: None)
    assert cli.main(["serve", "sphere.safetensors", "--host", "0.0.0.0", "--port", "0"]) == 0
    told = capsys.readouterr()
    assert "everybody who reaches 0.0.0.0 can use this page" in told.err
    assert "no VAE stands beside the model" in told.err and told.out.endswith("serve: ended\n")
    assert cli.main(["serve", "sphere.safetensors", "--beside", "vae.safetensors", "--port", "0"]) == 0
    assert capsys.readouterr().err == ""


def test_without_the_extra_it_says_what_to_install(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "waitress" else find(name))
    assert cli.main(["serve", "sphere.safetensors"]) == 2
    assert "serve needs waitress, not installed here" in capsys.readouterr().err

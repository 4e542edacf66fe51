"""Published weights: taken where they lie, else fetched; a sentence where there is no network."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sphere_repro.data import pretrained
from sphere_repro.data.pretrained import Published, fetch
from sphere_repro.errors import UserError

CONTENT = b"weights" * 1000
OTHER = b"other weights"


BODIES = {
    "/good.pth": CONTENT,
    "/other.pth": OTHER,
    "/bad.pth": CONTENT[1:],
    "/short.pth": CONTENT[:-5],
}


class Server(BaseHTTPRequestHandler):
    """`short.pth` ends before its announced length, `odd.pth` is no HTTP at all, others are not there."""

    def do_GET(self) -> None:
        if self.path == "/odd.pth":
            self.wfile.write(b"what is this\r\n\r\n")
            return
        body = BODIES.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(CONTENT if self.path == "/short.pth" else body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "torch" / "hub" / "checkpoints"


def published(server: str, name: str, content: bytes = CONTENT) -> Published:
    return Published(f"{server}/{name}", hashlib.sha256(content).hexdigest())


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("**/*") if path.is_file())


def refused(*wanted: Published) -> str:
    with pytest.raises(UserError) as raised:
        fetch(wanted)
    sentence = str(raised.value)
    assert "\n" not in sentence
    return sentence


def test_fetched_once_and_kept_where_torch_looks(server: str, folder: Path) -> None:
    wanted = [published(server, "good.pth"), published(server, "other.pth", OTHER)]
    assert fetch(wanted) == [folder / "good.pth", folder / "other.pth"]
    assert (folder / "good.pth").read_bytes() == CONTENT
    assert (folder / "other.pth").read_bytes() == OTHER
    assert files(folder) == ["good.pth", "other.pth"]
    gone = closed_port()
    assert fetch([published(gone, "good.pth")]) == [folder / "good.pth"]


def test_an_existing_copy_needs_no_network(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "good.pth").write_bytes(CONTENT)
    assert fetch([published(closed_port(), "good.pth")]) == [folder / "good.pth"]


def test_an_existing_file_that_differs_is_refused_and_left(server: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "good.pth").write_bytes(CONTENT[:-1])
    sentence = refused(published(server, "good.pth"), published(server, "other.pth", OTHER))
    assert f"{folder / 'good.pth'} are not the published file" in sentence
    assert "Delete it" in sentence and f"{server}/good.pth" in sentence
    assert (folder / "good.pth").read_bytes() == CONTENT[:-1]
    assert files(folder) == ["good.pth"]


@pytest.mark.parametrize("name", ["bad.pth", "short.pth"])
def test_a_download_that_differs_is_not_kept(server: str, folder: Path, name: str) -> None:
    sentence = refused(published(server, name))
    assert f"{server}/{name} delivers is not the published file" in sentence
    assert str(folder / name) in sentence
    assert files(folder) == []


@pytest.mark.parametrize("name", ["absent.pth", "odd.pth"])
def test_a_server_without_the_file(server: str, folder: Path, name: str) -> None:
    sentence = refused(published(server, name))
    assert f"could not be fetched from {server}/{name} (" in sentence and "()" not in sentence
    assert f"download {server}/{name} to {folder / name}." in sentence
    assert files(folder) == []


def test_without_a_network_all_that_is_missing_is_named(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "other.pth").write_bytes(OTHER)
    host = closed_port()
    names = ("first.pth", "second.pth")
    first, second = (published(host, name) for name in names)
    sentence = refused(first, published(host, "other.pth", OTHER), second)
    assert "refused" in sentence
    both = " and ".join(f"{host}/{name} to {folder / name}" for name in names)
    assert f"download {both}." in sentence
    assert files(folder) == ["other.pth"]


def test_a_silent_server_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "DOWNLOAD_TIMEOUT_SECONDS", 0.2)
    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "timed out" in refused(published(host, "good.pth"))
    assert socket.getdefaulttimeout() == before
    assert files(folder) == []


def test_a_folder_that_cannot_be_made(server: str, folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True)
    folder.parent.write_text("a file where a folder should be")
    assert "cannot be written" in refused(published(server, "good.pth"))

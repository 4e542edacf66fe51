"""A real HTTP server on loopback that serves bytes well or badly, as a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Faults:
    """What goes wrong. Those that end in `first` happen to the first so many requests only.

    Attributes:
        cut_after, cut_first: bytes after which the connection is cut.
        stall_after, stall_first: bytes after which nothing more comes.
        busy_first, busy: requests answered with this status instead.
        longer: bytes by which the announced length exceeds what is sent (negative: falls short of it).
        unannounced: no length is told; the end of the connection ends the body.
        no_ranges: requests for a part get the whole.
        wrong_range: the part sent begins elsewhere than asked for.
        corrupt: position of a byte that is changed on the way, or -1.
        missing: status of every answer, or 0.
    """

    cut_after: int = 0
    cut_first: int = 0
    stall_after: int = 0
    stall_first: int = 0
    busy: int = 503
    busy_first: int = 0
    longer: int = 0
    unannounced: bool = False
    no_ranges: bool = False
    wrong_range: bool = False
    corrupt: int = -1
    missing: int = 0
    tag: str = '"one"'


@dataclass
class Server:
    """Contents by path, faults, and the requests that came."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    ranges: list[str] = field(default_factory=list)  # the Range header of each request, "" without
    paths: list[str] = field(default_factory=list)
    port: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        faults, number = self.faults, len(self.ranges) + 1
        wanted = request.headers.get("Range", "")
        self.ranges.append(wanted)
        self.paths.append(request.path)
        content = self.files.get(request.path.lstrip("/").partition("?")[0])
        if faults.missing or content is None:
            return self._status(request, faults.missing or 404)
        if number <= faults.busy_first:
            return self._status(request, faults.busy, {"Retry-After": "0"})
        same = request.headers.get("If-Range", faults.tag) == faults.tag
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and same else 0
        if faults.no_ranges:
            start = 0
        if start >= len(content):
            return self._status(request, 416, {"Content-Range": f"bytes */{len(content)}"})
        self._send(request, content, start, number)
        return None

    def _status(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None
    ) -> None:
        request.send_response(status)
        for key, value in {"Content-Length": "0", **(headers or {})}.items():
            request.send_header(key, value)
        request.end_headers()

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, start: int, number: int) -> None:
        faults = self.faults
        if faults.corrupt >= 0:
            changed = bytearray(content)
            changed[faults.corrupt] ^= 0xFF
            content = bytes(changed)
        told = start + 1 if start and faults.wrong_range else start
        body, total = content[told:], len(content) + faults.longer
        request.send_response(206 if start else 200)
        request.send_header("ETag", faults.tag)
        if start:
            request.send_header("Content-Range", f"bytes {told}-{total - 1}/{total}")
        if not faults.unannounced:
            request.send_header("Content-Length", str(len(body) + faults.longer))
        request.end_headers()
        request.close_connection = True
        if number <= faults.cut_first:
            request.wfile.write(body[: faults.cut_after])
        elif number <= faults.stall_first:
            request.wfile.write(body[: faults.stall_after])
            request.wfile.flush()
            self.stopped.wait(30)
        else:
            request.wfile.write(body)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of loopback, while this lasts."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                server.handle(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        http.shutdown()
        http.server_close()
        thread.join()


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Listens for the page's questions until Ctrl-C, and writes nothing."""

from __future__ import annotations

import errno
import ipaddress
import socket

from flask import Flask
from waitress import create_server
from waitress.server import BaseWSGIServer

from sphere_repro.errors import UserError
from sphere_repro.serving.uploads import MOST_BYTES

LOOPBACK = "127.0.0.1"
THREADS = 4  # one computes; the others read and send
ROOM = 2 * MOST_BYTES  # bytes of a question or an answer that stay in memory: none comes to a file


def names_of(host: str) -> frozenset[str]:
    """Names under which a machine that listens at `host` may be called."""
    return frozenset(
        {"localhost", host.lower(), *(() if is_loopback(host) else (socket.gethostname().lower(),))}
    )


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def listen(app: Flask, host: str, port: int) -> BaseWSGIServer:
    """A server that listens at `host`; port 0 is any free one.

    Raises:
        UserError: the port is taken, or the address is none of this machine.
    """
    try:
        return create_server(
            app, host=host, port=port, threads=THREADS, ident=None, max_request_body_size=MOST_BYTES,
            inbuf_overflow=ROOM, outbuf_overflow=ROOM, clear_untrusted_proxy_headers=True,
        )  # fmt: skip
    except PermissionError as error:
        raise UserError(f"Port {port} is for root alone. Give another with --port, or 0 for any.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"Port {port} of {host} is taken, perhaps by another page like this. Give another with "
                "--port, or 0 for any that is free."
            ) from error
        raise UserError(f"{host} is no address of this machine: {error.strerror or error}.") from error
    except ValueError as error:  # waitress looks the name up
        raise UserError(f"{host} is no address of this machine: {error}.") from error


def address(server: BaseWSGIServer) -> str:
    """Where the page is, e.g. http://127.0.0.1:8000/."""
    host, port = str(server.effective_host), int(server.effective_port)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

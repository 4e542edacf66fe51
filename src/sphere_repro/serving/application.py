"""The web application: the page with its files, and an address for each view that answers in JSON."""

from __future__ import annotations

import base64
import io
import threading
import time
import traceback
from collections.abc import Mapping
from typing import IO, Any

from flask import Flask, Request, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from sphere_repro.data.images import encode
from sphere_repro.errors import UserError
from sphere_repro.serving.answers import Answer, Cell, Row, answer
from sphere_repro.serving.asked import VIEWS, FromImages
from sphere_repro.serving.guard import HEADERS, refusal
from sphere_repro.serving.page import FILES, file, page
from sphere_repro.serving.stage import Stage
from sphere_repro.serving.uploads import MOST_BYTES, Upload
from sphere_repro.strict import parse

IMAGES = ("first", "second")  # names of the files that come with a question


class _InMemory(Request):
    """A request whose files stay in memory, up to the limit on all of it: nothing is written."""

    max_content_length = MOST_BYTES
    max_form_memory_size = MOST_BYTES
    max_form_parts = 2 * len(IMAGES)

    def _get_file_stream(self, *_given: Any, **_named: Any) -> IO[bytes]:
        return io.BytesIO()


class _Application(Flask):
    request_class = _InMemory


def application(stage: Stage, allowed: frozenset[str]) -> Flask:
    """What answers for the models of `stage`, called by a name in `allowed` or by an address in digits.

    One question is answered at a time: each then has the processor, and none slows another's drawing down.
    """
    app, turn, html = _Application(__name__, static_folder=None), threading.Lock(), page(stage)

    @app.before_request
    def _guard() -> Response | None:
        why = refusal(dict(request.headers), allowed, page=request.path == "/")
        return _fault(why, 403) if why else None

    @app.after_request
    def _headers(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    @app.errorhandler(UserError)
    def _told(error: UserError) -> Response:
        return _fault(str(error), 400)

    @app.errorhandler(Exception)
    def _failed(error: Exception) -> Response:
        return _unforeseen(error)

    @app.get("/")
    def _page() -> Response:
        return Response(html, mimetype="text/html")

    @app.get("/<name>")
    def _file(name: str) -> Response:
        if name in VIEWS:
            return _answered()
        if name not in FILES:
            return _fault(f"There is no {name[:100]!r} here. Open the page itself: /.", 404)
        return Response(file(name), mimetype=FILES[name])

    @app.post("/<name>")
    def _posted(name: str) -> Response:
        if name not in VIEWS:
            return _fault(f"There is no {name[:100]!r} here. Open the page itself: /.", 404)
        return _answered()

    def _answered() -> Response:
        asked = parse(VIEWS[request.path.strip("/")], _settings(), "The address")
        uploads = _uploads() if isinstance(asked, FromImages) else []
        with turn:
            started = time.perf_counter()
            found = answer(stage, asked, uploads)
            seconds = time.perf_counter() - started
        return jsonify({**as_json(found), "milliseconds": round(1000 * seconds, 1)})

    return app


def as_json(found: Answer) -> dict[str, Any]:
    """An answer as the page takes it: images as addresses that hold their PNG."""
    rows = [_row(row) for row in found.rows]
    return {"rows": rows, "notes": list(found.notes), "angles": list(found.angles)}


def _row(row: Row) -> dict[str, Any]:
    beside = None if row.beside is None else _cell(row.beside)
    return {"name": row.name, "cells": [_cell(cell) for cell in row.cells], "beside": beside}


def _cell(cell: Cell) -> dict[str, str]:
    image = f"data:image/png;base64,{base64.b64encode(encode(cell.image)).decode()}"
    return {"name": cell.name, "image": image, "command": cell.command, "file": cell.file}


def _settings() -> Mapping[str, str]:
    """Of the address; a setting that is left empty has its default.

    Raises:
        UserError: one is given twice.
    """
    for name, values in request.args.lists():
        if len(values) > 1:
            raise UserError(f"The address says {name[:100]!r} twice. Say it once.")
    return {name: value for name, value in request.args.items() if value}


def _uploads() -> list[Upload | None]:
    found = [request.files.get(name) for name in IMAGES]
    return [None if each is None else Upload(each.filename or "image", each.read()) for each in found]


def _unforeseen(error: Exception) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        most = f"{MOST_BYTES / 1e6:g} MB"
        return _fault(f"What was sent is larger than the {most} that are taken. Give smaller images.", 413)
    if isinstance(error, HTTPException):
        return _fault(f"The request cannot be answered: {error.name}.", error.code or 400)
    traceback.print_exception(error)  # on the terminal: a mistake of ours
    return _fault("The model could not answer; the terminal says why.", 500)


def _fault(sentence: str, status: int) -> Response:
    response = jsonify({"error": " ".join(sentence.split())})
    response.status_code = status
    return response

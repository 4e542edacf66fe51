"""Which autoencoder a study names, and a hub that gives it, or is gated, slow, or lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from data.server import Faults, Server, closed_port, serving
from sphere_repro.data import hub, hub_download
from sphere_repro.data.download import Patience
from sphere_repro.data.hub import Pretrained
from sphere_repro.errors import UserError
from sphere_repro.strict import parse

COMMIT, OTHER = "a" * 40, "b" * 40
WEIGHTS = "diffusion_pytorch_model.safetensors"
FILES = {"config.json": b'{"_class_name": "AutoencoderKL"}', WEIGHTS: bytes(range(256)) * 50}
SHA = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
QUICK = Patience(connect=5, read=0.5, attempts=2, pause=0.01)
MODEL = Pretrained(source="owner/name", revision=COMMIT)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "secret")
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.port}/")
        publish(server)
        yield server


def publish(
    server: Server, commit: str = COMMIT, folder: str = "", files: dict[str, bytes] = FILES, **told: Any
) -> None:
    """Put files at a commit of owner/name, which `main` and the commit itself lead to."""
    rows = [
        {"rfilename": f"{folder}{name}", "lfs": {"sha256": hashlib.sha256(content).hexdigest()}}
        if name.endswith("safetensors")
        else {"rfilename": f"{folder}{name}"}
        for name, content in files.items()
    ]
    about = {"sha": commit, "siblings": rows, "cardData": {"license": "mit"}} | told
    for revision in ("main", commit):
        server.files[f"api/models/owner/name/revision/{revision}"] = json.dumps(about).encode()
    for name, content in files.items():
        server.files[f"owner/name/resolve/{commit}/{folder}{name}"] = content


def record(model: Pretrained) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(model.record.read_text())
    return found


def test_files_their_digests_and_the_record(server: Server) -> None:
    assert hub_download.download(MODEL, QUICK) == MODEL.record
    assert {path.name: path.read_bytes() for path in MODEL.place.iterdir()} == FILES
    found = record(MODEL)
    assert (found["commit"], found["licence"], found["source"]) == (COMMIT, "mit", "owner/name")
    assert {row["name"]: row["sha256"] for row in found["files"]} == SHA
    assert hub.verified(MODEL) == SHA
    asked = len(server.paths)
    hub_download.download(MODEL, QUICK)
    assert len(server.paths) == asked  # what is there is verified, and no hub is asked
    assert record(MODEL)["licence"] == "mit"


def test_a_subfolder(server: Server) -> None:
    publish(server, folder="vae/", files=FILES | {"more.txt": b""})
    model = Pretrained(source="owner/name", revision=COMMIT, subfolder="vae")
    hub_download.download(model, QUICK)
    assert {path.name for path in model.place.iterdir()} == set(FILES)
    with pytest.raises(UserError, match="such files lie in the subfolder vae"):
        hub_download.download(MODEL, QUICK)


def test_a_branch_is_held_where_it_was_first(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    model = Pretrained(source="owner/name")
    hub_download.download(model, QUICK)
    assert f"the commit fetched is {COMMIT}" in capsys.readouterr().err
    publish(server, OTHER, files=FILES | {WEIGHTS: b"newer"})
    for path in model.place.iterdir():
        path.unlink()
    hub_download.download(model, QUICK)
    assert record(model)["commit"] == COMMIT and hub.verified(model) == SHA


def test_a_pinned_one_is_not_told(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    hub_download.download(MODEL, QUICK)
    assert "may change" not in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model(server: Server, status: int) -> None:
    server.faults = Faults(missing=status)
    with pytest.raises(UserError) as told:
        hub_download.download(MODEL, QUICK)
    for words in ("is gated", f"{status}", "accept its licence", "/owner/name", "HF_TOKEN", str(MODEL.place)):
        assert words in str(told.value)
    assert "secret" not in str(told.value)


def test_a_gated_model_that_tells_of_its_files(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the hub does: the description is free, the files are not."""
    usual = Server.handle

    def handle(self: Server, request: BaseHTTPRequestHandler) -> None:
        if "/resolve/" in request.path:
            return self._status(request, 403)
        return usual(self, request)

    monkeypatch.setattr(Server, "handle", handle)
    with pytest.raises(UserError, match=r"is gated, private or not there \(HTTP status 403\)"):
        hub_download.download(MODEL, QUICK)
    assert not MODEL.record.exists()


def test_the_token_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str | None] = set()
    usual = Server.handle

    def handle(self: Server, request: BaseHTTPRequestHandler) -> None:
        seen.add(request.headers.get("Authorization"))
        usual(self, request)

    monkeypatch.setattr(Server, "handle", handle)
    hub_download.download(MODEL, QUICK)
    assert seen == {"Bearer secret"}
    assert "secret" not in repr(Patience(headers={"Authorization": "Bearer secret"}))


def test_a_slow_hub(server: Server) -> None:
    server.faults = Faults(stall_after=10, stall_first=1000)
    with pytest.raises(UserError, match=r"does not answer .*fetches it with your study; or copy its config"):
        hub_download.download(MODEL, QUICK)


def test_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(UserError, match=r"does not answer .*copy its config\.json and"):
        hub_download.download(MODEL, QUICK)


def test_a_hub_that_sends_other_bytes_than_it_announces(server: Server) -> None:
    server.files[f"owner/name/resolve/{COMMIT}/{WEIGHTS}"] = FILES[WEIGHTS][::-1]
    with pytest.raises(UserError, match="wrong digest"):
        hub_download.download(MODEL, QUICK)
    assert not MODEL.record.exists() and not (MODEL.place / WEIGHTS).exists()


def test_a_hub_that_sends_other_bytes_than_the_study_names(server: Server) -> None:
    model = Pretrained(source="owner/name", revision=COMMIT, sha256={"config.json": "0" * 64})
    with pytest.raises(UserError, match="wrong digest"):
        hub_download.download(model, QUICK)
    assert not model.record.exists()


def test_a_hub_that_answers_with_another_commit(server: Server) -> None:
    publish(server, OTHER)
    path = f"api/models/owner/name/revision/{COMMIT}"
    server.files[path] = server.files[f"api/models/owner/name/revision/{OTHER}"]
    with pytest.raises(UserError, match=f"answers with commit {OTHER} instead of {COMMIT}"):
        hub_download.download(MODEL, QUICK)


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"siblings": [], "sha": "main"}', b"[]"])
def test_a_hub_that_answers_nonsense(server: Server, answer: bytes) -> None:
    server.files[f"api/models/owner/name/revision/{COMMIT}"] = answer
    with pytest.raises(UserError, match="is no description of a model"):
        hub_download.download(MODEL, QUICK)


def test_a_model_that_is_not_there(server: Server) -> None:
    with pytest.raises(UserError, match="does not exist at"):
        hub_download.download(Pretrained(source="owner/other", revision=COMMIT), QUICK)


def test_pickled_weights_are_not_fetched(server: Server) -> None:
    publish(server, files={"config.json": b"{}", "diffusion_pytorch_model.bin": b"code"})
    with pytest.raises(UserError, match=r"diffusion_pytorch_model\.bin, a pickled file"):
        hub_download.download(MODEL, QUICK)
    assert not any("resolve" in path for path in server.paths)


def test_files_that_somebody_put_there(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    MODEL.place.mkdir(parents=True)
    for name, content in FILES.items():
        (MODEL.place / name).write_bytes(content)
    hub_download.download(MODEL, QUICK)
    assert server.paths == [] and record(MODEL)["commit"] == hub_download.BY_HAND
    assert "put there by hand" in capsys.readouterr().err
    named = MODEL.model_copy(update={"sha256": SHA | {WEIGHTS: "0" * 64}})
    with pytest.raises(UserError, match="that of the study is"):
        hub_download.download(named, QUICK)


def test_half_of_several_parts_is_not_all(tmp_path: Path) -> None:
    for name in ("config.json", "diffusion_pytorch_model-00001-of-00002.safetensors"):
        (tmp_path / name).write_bytes(b"{}")
    assert hub.missing(tmp_path) == "it holds no diffusion_pytorch_model-00002-of-00002.safetensors"


def test_a_file_that_was_changed_afterwards(server: Server) -> None:
    hub_download.download(MODEL, QUICK)
    (MODEL.place / WEIGHTS).write_bytes(b"other")
    with pytest.raises(UserError, match=f"is not the file that {MODEL.record} names"):
        hub.verified(MODEL)
    with pytest.raises(UserError, match="that of the first download is"):
        hub_download.download(MODEL, QUICK)
    (MODEL.place / WEIGHTS).unlink()
    with pytest.raises(UserError, match="has not been fetched yet"):
        hub.verified(MODEL)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "name"}, "is neither OWNER/NAME on the hub nor a folder"),
        ({"source": "a/b/c"}, "write a folder with ./ or / in front"),
        ({"source": "./a", "revision": "main"}, "revision has no meaning for a folder"),
        ({"source": "a/b", "subfolder": "../c"}, "subfolder"),
        ({"source": "a/b", "subfolder": "/c"}, "subfolder"),
        ({"source": "a/b", "sha256": {"model.bin": "0" * 64}}, "'model.bin' is no file that is read"),
        ({"source": "a/b", "sha256": {"config.json": "0"}}, "sha256.config.json"),
    ],
)
def test_descriptions_that_are_wrong(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as told:
        parse(Pretrained, fields, "here")
    assert words in str(told.value)


def test_versions_have_names_of_their_own() -> None:
    fields: list[dict[str, Any]] = [
        *({}, {"revision": COMMIT}, {"revision": "main"}, {"subfolder": "main"}),
        {"subfolder": "main", "revision": "main"},
    ]
    assert len({Pretrained(source="a/b", **each).name for each in fields}) == len(fields)

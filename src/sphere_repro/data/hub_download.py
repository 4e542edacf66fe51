"""An autoencoder fetched from a hub of models: a version asked for, its files verified, and a record of both.

The hub is that of $HF_ENDPOINT; $HF_TOKEN, or the token that `hf auth login` has stored, opens gated models.
A revision that is a branch may move on: the first download's commit and digests are held from then on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from sphere_repro.data.download import Patience, cause, fetch
from sphere_repro.data.hub import (
    COMMIT,
    CONFIG,
    INDEX,
    PICKLED,
    WEIGHTS,
    Pretrained,
    files_of,
    missing,
    only_pickled,
)
from sphere_repro.data.sources import SourceFile
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_json
from sphere_repro.machine.locks import only_one
from sphere_repro.machine.notes import notice
from sphere_repro.provenance.hashes import file_hash

HUB = "https://huggingface.co"
BY_HAND = "put there by hand"


@dataclass(frozen=True)
class Version:
    """What a hub says of a model at one commit.

    Attributes:
        commit: 40 hexadecimal digits.
        digests: SHA-256 by name of the files that are read; None where the hub tells none.
        licence: its name, as the model's page gives it.
    """

    commit: str
    digests: Mapping[str, str | None]
    licence: str | None


def download(wanted: Pretrained, patience: Patience | None = None) -> Path:
    """Have the files of an autoencoder in its folder, verified, and write their record beside it.

    What is there already is verified and not fetched again; where all of it is, no hub is asked.

    Returns:
        The record's path.

    Raises:
        UserError: the hub cannot be reached, gives no such model or only to those who accepted its licence,
            the weights are pickled, or a file is not what it should be.
    """
    if wanted.local:
        raise UserError(f"{wanted} is a folder of yours: there is nothing to fetch.")
    patience = replace(patience or Patience(), headers=_asking())
    with only_one(wanted.place.with_name(f".{wanted.name}.lock"), f"{wanted} is being fetched"):
        held = _read_first(wanted)
        if missing(wanted.place):
            version = _ask(wanted, held.get("commit"), patience)
            files = _fetched(wanted, version, held.get("sha256", {}), patience)
        else:
            version, files = _present(wanted, held)
        first = {"commit": version.commit, "sha256": {row["name"]: row["sha256"] for row in files}}
        write_json(_first(wanted), first)
        about = wanted.model_dump(mode="json", include={"source", "revision", "subfolder"})
        write_json(
            wanted.record, about | {"commit": version.commit, "licence": version.licence, "files": files}
        )
    if not wanted.pinned:
        notice(
            f"{wanted} names no commit, and what it means may change: the commit fetched is "
            f"{version.commit}, which "
            f"{_first(wanted)} holds from now on. Write it into the study as revision."
        )
    return wanted.record


def endpoint() -> str:
    """The hub's address."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _asking() -> dict[str, str]:
    """What opens gated models, where there is any such thing."""
    try:
        from huggingface_hub import get_token

        token = get_token()
    except ImportError:
        token = os.environ.get("HF_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _first(wanted: Pretrained) -> Path:
    return wanted.record.with_name(f"{wanted.name}.first.json")


def _read_first(wanted: Pretrained) -> dict[str, Any]:
    """Commit and digests of the first download."""
    path = _first(wanted)
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    return found


def _present(wanted: Pretrained, held: Mapping[str, Any]) -> tuple[Version, list[dict[str, Any]]]:
    """Files that lie there: those of the first download, or somebody's copy of what the study names."""
    files = files_of(wanted.place)
    rows: list[dict[str, Any]] = [
        {"name": path.name, "bytes": path.stat().st_size, "sha256": file_hash(path)} for path in files
    ]
    known = {**held.get("sha256", {}), **wanted.sha256}
    for row in rows:
        if known.get(row["name"], row["sha256"]) != row["sha256"]:
            who = "the study" if row["name"] in wanted.sha256 else "the first download"
            raise UserError(
                f"{wanted.place / row['name']} has the wrong digest: sha256 {row['sha256']}, but that of "
                f"{who} is "
                f"{known[row['name']]}. Delete it and run the same command to fetch it again."
            )
    if absent := sorted(known.keys() - {row["name"] for row in rows}):
        raise UserError(f"{wanted.place} lacks {', '.join(absent)}. Delete the folder and fetch it again.")
    if not held:
        notice(f"{wanted.place} was {BY_HAND}: no hub was asked which version it is.")
    record = read_json(wanted.record) if wanted.record.is_file() else {}
    proven = all(row["name"] in wanted.sha256 for row in rows if WEIGHTS.fullmatch(row["name"]))
    commit = held.get("commit") or (wanted.revision if proven and wanted.pinned else None) or BY_HAND
    return Version(commit, {}, record.get("licence")), rows


def _fetched(
    wanted: Pretrained, version: Version, held: Mapping[str, str], patience: Patience
) -> list[dict[str, Any]]:
    absent = sorted(wanted.sha256.keys() - version.digests.keys())
    if absent:
        raise UserError(
            f"{wanted} has no {', '.join(absent)}, of which the study names a digest. Correct the study."
        )
    rows = []
    for name, told in version.digests.items():
        url = f"{endpoint()}/{wanted.source}/resolve/{version.commit}/{_path(wanted, name)}"
        _refuse_closed(url, wanted, patience)
        digest = wanted.sha256.get(name) or told
        file = SourceFile(name=name, url=url, digest=f"sha256:{digest}" if digest else None)
        found = fetch(file, wanted.place, held.get(name), patience)
        if held.get(name, found) != found:
            raise UserError(
                f"{wanted.place / name} is not the file of the first download: its SHA-256 is {found}, and "
                f"{_first(wanted)} says {held[name]}. Delete {_first(wanted)} if the new one is right."
            )
        size = (wanted.place / name).stat().st_size
        rows.append({"name": name, "url": url, "bytes": size, "published": told, "sha256": found})
    return rows


def _path(wanted: Pretrained, name: str) -> str:
    return quote(f"{wanted.subfolder}/{name}" if wanted.subfolder else name)


def _ask(wanted: Pretrained, commit: str | None, patience: Patience) -> Version:
    """The files of a model at the commit held, or else at the study's revision."""
    revision = commit if commit and COMMIT.fullmatch(commit) else wanted.revision or "main"
    url = f"{endpoint()}/api/models/{wanted.source}/revision/{quote(revision, safe='')}?blobs=true"
    answer = _get(url, wanted, patience)
    try:
        told = answer.json()
        found = {str(row["rfilename"]): (row.get("lfs") or {}).get("sha256") for row in told["siblings"]}
        commit, licence = str(told["sha"]), (told.get("cardData") or {}).get("license")
        if not COMMIT.fullmatch(commit):
            raise ValueError("sha")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"What {url} answers is no description of a model ({error}). {_by_hand(wanted)}"
        ) from error
    if wanted.pinned and commit != wanted.revision:
        raise UserError(
            f"{url} answers with commit {commit} instead of {wanted.revision}. Nothing was fetched. Try "
            "again, or "
            "ask who keeps this hub."
        )
    return Version(commit, _read_files(wanted, found), None if licence is None else str(licence))


def _read_files(wanted: Pretrained, found: Mapping[str, str | None]) -> dict[str, str | None]:
    """Of all files of a model those that are read, by their names in the subfolder."""
    prefix = f"{wanted.subfolder}/" if wanted.subfolder else ""
    own = {name.removeprefix(prefix): digest for name, digest in found.items() if name.startswith(prefix)}
    weights = {name: digest for name, digest in sorted(own.items()) if WEIGHTS.fullmatch(name)}
    if not weights:
        pickled = [name for name in sorted(own) if name.endswith(PICKLED) and "/" not in name]
        fault = only_pickled(pickled) if pickled else "it has no diffusion_pytorch_model.safetensors"
        others = sorted(
            {name.rpartition("/")[0] for name in own if WEIGHTS.fullmatch(name.rpartition("/")[2])}
        )
        hint = f" there; such files lie in the subfolder{'s' if len(others) > 1 else ''} {', '.join(others)}"
        raise UserError(f"{wanted} cannot be used: {fault}{hint if others else ''}. Correct the study.")
    if CONFIG not in own:
        raise UserError(f"{wanted} cannot be used: it has no {CONFIG}. Correct the study.")
    index = {INDEX: own[INDEX]} if INDEX in own else {}
    return {CONFIG: own[CONFIG], **index, **weights}


def _refuse_closed(url: str, wanted: Pretrained, patience: Patience) -> None:
    """Ask for a file and hang up: a gated model tells of its files, and gives none."""
    _get(url, wanted, patience, look=True)


def _get(url: str, wanted: Pretrained, patience: Patience, *, look: bool = False) -> requests.Response:
    try:
        answer = requests.get(
            url, headers=patience.headers, stream=look, timeout=(patience.connect, patience.read)
        )
        if look:
            answer.close()
    except requests.RequestException as error:
        raise UserError(
            f"{wanted} cannot be fetched: {endpoint()} does not answer ({cause(error)}). {_by_hand(wanted)}"
        ) from error
    if answer.status_code in (401, 403):
        raise UserError(
            f"{wanted} is gated, private or not there (HTTP status {answer.status_code}): accept its "
            "licence at "
            f"{endpoint()}/{wanted.source}, put a token of that account into HF_TOKEN (or run 'hf auth "
            "login'), and "
            f"run the same command again. {_by_hand(wanted)}"
        )
    if answer.status_code == 404:
        raise UserError(f"{wanted} does not exist at {endpoint()}: correct source, revision or subfolder.")
    if answer.status_code >= 400:
        raise UserError(
            f"{wanted} cannot be fetched: {endpoint()} answers {answer.status_code}. {_by_hand(wanted)}"
        )
    return answer


def _by_hand(wanted: Pretrained) -> str:
    return (
        "On a machine with a network 'sphere-repro fetch params/STUDY.yaml' fetches it with your study; "
        "or copy its "
        f"config.json and diffusion_pytorch_model.safetensors to {wanted.place} and run the same command."
    )

"""The downloads of one dataset: fetched, verified, unpacked, and recorded in one small file.

They lie in `data/raw/<name>/`, which git ignores; the record `data/raw/<name>.json` says what they are and
holds no time and no path of the machine, so that the same downloads give the same record.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from sphere_repro.data import imagenet
from sphere_repro.data.download import Patience, digests_of, fetch
from sphere_repro.data.publishers import FLOWERS, UNPACKED, class_files, open_images
from sphere_repro.data.sources import Source, SourceFile
from sphere_repro.data.unpack import unpack
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_json, writing
from sphere_repro.machine.locks import only_one
from sphere_repro.provenance.hashes import file_hash

DOWNLOADS = Path("data/raw")
TREE = "tree"  # beside the names of files in NAME.first.json


def download(name: str, source: Source, folder: Path, patience: Patience | None = None) -> Path:
    """Have all downloads of a dataset in `folder`, unpacked and counted, and write their record beside it.

    What is there already is verified and not fetched again.

    Args:
        name: of the dataset.
        source: its row of the table.
        folder: `…/<name>`, the record is `….json`.
        patience: with the servers.

    Returns:
        The record's path.

    Raises:
        UserError: a file cannot be had or is not what its publisher says, or the numbers of images and
            classes are not those of the table.
    """
    if not source.files:
        raise UserError(f"{name} needs no download: it ships inside scikit-learn.")
    with only_one(folder.with_name(f".{folder.name}.lock"), f"{name} is being downloaded"):
        facts = _own_copy(source, folder) if source.by_hand else _fetched(source, folder, patience)
        open_images(name, source, folder)  # counts them
        facts |= _held_tree(source, folder)
        about = {"dataset": name, "title": source.title, "version": source.version, "licence": source.licence}
        write_json(record_of(folder), about | facts | {"images": source.images})
    return record_of(folder)


def record_of(folder: Path) -> Path:
    """The record of the downloads in `folder`."""
    return folder.with_name(f"{folder.name}.json")


def checked_record(folder: Path) -> Path:
    """The record of the downloads in `folder`, if both are there.

    Raises:
        UserError: one of them is missing.
    """
    record = record_of(folder)
    if not record.is_file() or not folder.is_dir():
        raise UserError(
            f"{folder} has not been downloaded yet: {record if folder.is_dir() else folder} is missing. Run "
            f"'sphere-repro download {folder.name}' first."
        )
    return record


def _fetched(source: Source, folder: Path, patience: Patience | None) -> dict[str, Any]:
    """Fetch every file, hold the first download's digest where the publisher gives none, and unpack."""
    held = _read_first(folder)
    files = []
    for file in source.files:
        found = fetch(file, folder, None if TREE in held else held.get(file.name), patience)
        if file.digest is None and file.name not in held and not file.repacked:
            held[file.name] = found
            write_json(_first(folder), held)
        files.append(_row(file, folder / file.name, sha256=found))
    _unpack(source, folder, files)
    return {"files": files}


def _held_tree(source: Source, folder: Path) -> dict[str, str]:
    """Hold the first download's images, where several archives have the same ones."""
    if not any(file.repacked for file in source.files):
        return {}
    first, tree = _first(folder), tree_digest(source, folder)
    held = _read_first(folder)
    if held.setdefault(TREE, tree) != tree:
        raise UserError(
            f"The images in {folder} are not those of the first download: their digest is {tree}, and "
            f"{first} says {held[TREE]}. Delete {folder} and run the same command again; if that ends here "
            "too, the files were changed at their source."
        )
    write_json(first, held)
    return {TREE: tree}


def _first(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.first.json")


def _read_first(folder: Path) -> dict[str, str]:
    """Digests of the first download, by the names of its files."""
    path = _first(folder)
    held: dict[str, str] = read_json(path) if path.is_file() else {}
    return held


def tree_digest(source: Source, folder: Path) -> str:
    """SHA-256 over split, class, name and SHA-256 of every image: what archives of the same files share."""
    lines = ["/".join(path.parts[-3:]) + f" {file_hash(path)}\n" for path in class_files(folder, source)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _row(file: SourceFile, path: Path, **digests: str) -> dict[str, Any]:
    return {
        "name": file.name,
        "url": file.url,
        "bytes": path.stat().st_size,
        "published": file.digest,
        **digests,
    }


def _unpack(source: Source, folder: Path, files: list[dict[str, Any]]) -> None:
    """Unpack the archives among `files`, unless these very files have been unpacked already."""
    done, unpacked = folder / "unpacked.json", folder / UNPACKED
    if unpacked.is_dir() and done.is_file() and read_json(done) == files:
        return
    place = unpacked / FLOWERS if source.loader == "flowers102" else unpacked
    with writing(unpacked):
        done.unlink(missing_ok=True)
        for left in (unpacked, *folder.glob(f".{UNPACKED}.*")):  # an older one, or what a killed one left
            shutil.rmtree(left, ignore_errors=True)
        for file in source.files:
            if file.name.endswith((".tgz", ".tar.gz", ".zip")):
                unpack(folder / file.name, place)
        for file in source.files:
            if file.name.endswith(".mat"):
                shutil.copyfile(folder / file.name, place / file.name)
    write_json(done, files)


def _own_copy(source: Source, folder: Path) -> dict[str, Any]:
    """What the user's own copy consists of; a tar is verified, and left alone even where it is wrong."""
    place = imagenet.find(folder, source)
    if place.is_dir():
        return {"files": [], "form": "class folders"}
    file = source.files[0]
    kind, _, published = (file.digest or "").partition(":")
    found = digests_of(place, kind)[kind]
    if found != published:
        raise UserError(
            f"{place} has the wrong digest: {kind} {found}, but the publisher's is {kind} {published}. Fetch "
            f"it again from {source.by_hand}; it is left as it is."
        )
    return {"files": [_row(file, place)], "form": "tar"}

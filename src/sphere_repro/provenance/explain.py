"""The chain of one result back to the data, from the records that lie beside results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.code import code_has_changed, code_hash
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.record import commit, versions

Link = dict[str, Any]
WORTH_SHOWING = (
    *("run", "set", "figure", "verb", "seed", "weights", "count", "extractor"),
    *(
        "scheme",
        "class",
        "input",
        "cut",
        "pair",
        "generation",
        "step",
        "pass",
        "path",
        "point",
        "row",
        "column",
    ),
)


def trace(result: Path, recorded: str | None = None, seen: dict[Path, Link] | None = None) -> Link:
    """One result, its record, and recursively what went into it.

    Args:
        result: a file of results/ or data/prepared/, paths relative to the working directory.
        recorded: the SHA-256 that the result's user recorded, to say whether the file has changed.
        seen: links made before, so that a shared input is traced once.

    Returns:
        path, sha256, record (None where there is none), changes (sentences), inputs (name → link).

    Raises:
        UserError: the result does not exist, or its record is broken.
    """
    seen = {} if seen is None else seen
    if recorded is None and not result.is_file():
        raise UserError(f"{result} does not exist. Make it first, or run dvc checkout.")
    link: Link = {"path": str(result), "sha256": file_hash(result) if result.is_file() else None}
    if result in seen:
        return {
            **link,
            "record": None,
            "inputs": {},
            "changes": _file_changes(link, recorded),
            "shown": "above",
        }
    seen[result] = link
    record = read_record(result)
    link["record"] = record
    link["changes"] = (
        _file_changes(link, recorded) + _code_changes(record) + _own_change(link, record, result)
    )
    inputs = (record or {}).get("inputs", {})
    link["inputs"] = {name: trace(Path(item["path"]), item["sha256"], seen) for name, item in inputs.items()}
    return link


def read_record(result: Path) -> Link | None:
    """The provenance of a result: a JSON beside it, a part of it, in it, or a notebook's parameters."""
    if result.suffix == ".ipynb":
        return _notebook_record(result)
    beside = result if result.suffix == ".json" else result.with_suffix(".json")
    for place in (beside, result.with_name("model.json")):
        if place.is_file() and (place == beside or result.name == "training.csv"):
            found = read_json(place)
            origin = found.get("provenance", found) if isinstance(found, dict) else {}
            if isinstance(origin, dict) and "code" in origin:
                return {
                    **origin,
                    **{key: found[key] for key in ("job", "started", "seconds") if key in found},
                }
    return _embedded_record(result) if result.suffix == ".png" and result.is_file() else None


def _embedded_record(picture: Path) -> Link | None:
    """What a picture of a verb says of itself, with the hash of its pixels as they are now."""
    from sphere_repro.provenance.embedded import read_embedded  # loads Pillow, which other results need not

    found = read_embedded(picture)
    return None if found is None else {**found[0], "pixels_now": found[1]}


def text(link: Link, depth: int = 0) -> str:
    """The chain as an indented list, newest first."""
    indent = "  " * depth
    lines = [f"{indent}{link['path']}  {(link['sha256'] or 'missing')[:12]}"]
    if link.get("shown"):
        lines[0] += "  (see above)"
    record = link.get("record")
    if record:
        lines += [f"{indent}    {line}" for line in _about(record)]
    lines += [f"{indent}  ! {change}" for change in link["changes"]]
    return "\n".join([*lines, *(text(item, depth + 1) for item in link["inputs"].values())])


def _about(record: Link) -> list[str]:
    code = record["code"]
    lines = [f"code {_commit(code)}, modules {', '.join(code['modules']) or 'all'} {code['sha256'][:12]}"]
    parameters = record.get("job") or record.get("parameters") or {}
    if isinstance(score := parameters.get("score"), dict):
        parameters = parameters | {"extractor": score.get("extractor")}
    shown = {key: parameters[key] for key in WORTH_SHOWING if key in parameters}
    if shown:
        lines.append(", ".join(f"{key} {value}" for key, value in shown.items()))
    if "verb" in parameters:
        lines.append(f"settings {json.dumps(parameters.get('settings'), ensure_ascii=False)}")
    if "started" in record:
        lines.append(f"made {record['started']} in {record['seconds']} s on {record.get('device', 'cpu')}")
    if outside := record.get("interpreter", {}).get("outside"):
        lines.append(f"from outside of the environment: {', '.join(outside)}")
    if isinstance(model := parameters.get("pretrained"), dict):
        lines.append(_about_pretrained(model, record))
    if isinstance(start := parameters.get("init_from"), dict):
        lines.append(f"starts from the raw weights of {start.get('run') or start['path']}")
    lines += [
        f"goes on from epoch {segment['after_epochs']:g}, step {segment['from_step']}, of a finished training"
        for segment in record.get("segments", ())
        if "after_epochs" in segment
    ]
    if "source" in record:
        lines.append(f"source: {record['source']['title']}, {record['source']['version']}")
    return lines


def _about_pretrained(model: Link, record: Link) -> str:
    """Where a pretrained autoencoder comes from, and how its latents are normalised."""
    place = "/".join(filter(None, (model["source"], model.get("subfolder"))))
    commit = f" at {record['commit']}" if record.get("commit") else ""
    licence = f", licence {record['licence']}" if record.get("licence") else ""
    return f"pretrained: {record['network']} of {place}{commit}{licence}; {record['normalisation']}"


def _commit(code: Link) -> str:
    why = f" ({code['unknown']})" if "unknown" in code else ""
    return (code.get("commit") or "no commit")[:12] + (
        " with uncommitted changes" if code.get("dirty") else why
    )


def _file_changes(link: Link, recorded: str | None) -> list[str]:
    if recorded is None or recorded == link["sha256"]:
        return []
    if link["sha256"] is None:
        return ["is missing now"]
    return [f"has changed since it was read here: {recorded[:12]} then, {link['sha256'][:12]} now"]


def _own_change(link: Link, record: Link | None, result: Path) -> list[str]:
    """A file that is no longer what its own record says was written."""
    pixels = (record or {}).get("pixels")
    if pixels and pixels != record["pixels_now"]:  # type: ignore[index]
        return [f"was edited after it was made: pixels {pixels[:12]} then, {record['pixels_now'][:12]} now"]  # type: ignore[index]
    written = (record or {}).get("sha256")
    is_main = result.suffix not in {".json", ".ipynb"} and result.name != "training.csv"
    if written and is_main and link["sha256"] not in {None, written}:
        return [f"was edited after it was made: {written[:12]} then, {link['sha256'][:12]} now"]
    return []


def _code_changes(record: Link | None) -> list[str]:
    if not record:
        return []
    changes = []
    code, segments = record["code"], record.get("segments", [])
    hashes = [segment["code"]["sha256"] for segment in segments]
    changes += [
        f"steps from {segment['from_step']} on were trained by other code than those before"
        for segment, before, now in zip(segments[1:], hashes, hashes[1:], strict=False)
        if before != now
    ]
    if code_has_changed(code):
        changes.append(f"the code that makes it has changed since (modules {', '.join(code['modules'])})")
    today = versions()
    for name, version in record.get("versions", {}).items():
        if today.get(name) != version:
            changes.append(f"{name} was {version}, is {today.get(name, 'not installed')}")
    return changes


def _notebook_record(result: Path) -> Link | None:
    """An executed notebook names its inputs in its parameters; they are hashed as they are now."""
    try:
        notebook = json.loads(result.read_text(encoding="utf-8"))
        inputs = notebook["metadata"]["papermill"]["parameters"]["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    paths = [path for path in _strings(inputs) if Path(path).is_file()]
    files = {path: {"path": path, "sha256": file_hash(path)} for path in paths}
    code = {**commit(), "modules": ["figures"], "sha256": code_hash("figures")}
    return {"code": code, "parameters": {"notebook": result.stem}, "inputs": files}


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in items for text in _strings(item)]

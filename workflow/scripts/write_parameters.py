"""Write params/schema.json and the table in params/README.md from the package's models."""

from __future__ import annotations

import json
import sys
import types
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.study.config import Study  # noqa: E402

HEADER = """\
# Parameters

Written by `make parameters` from [`src/sphere_repro/study`](../src/sphere_repro/study), the single source; do
not edit. A study is one YAML file in this folder. An unknown key is
an error that names the nearest known one. Editors that read [`schema.json`](schema.json) complete and check
the keys while you type.

*section*: where the method's description speaks of the key (– : this harness's own). *released*: what the
authors' code used, by dataset where it differs; empty where unknown. *ours*: the default. *reason*: why ours
differs, or what was chosen where the paper is silent.

| key | meaning | unit | allowed | section | released | ours | reason |
|---|---|---|---|---|---|---|---|
"""
FOOTER = """
## Open questions of the released code

- Weights and their average were once bfloat16 by default, later not; which setting gave the published numbers
  is unknown. Here both are float32, and bfloat16 is autocast only.
- The editing strength only reaches the name of the file there. Here it scales the noise of every step.
- The released crossover script applies full noise although the paper's page says none. Here there is none,
  unless `strength` says so.
- With one step the released editing script returns a random generation. Here it refines the image once.
- The released interpolation draws the later steps' noise anew for each point. Here the path shares it by
  default.
- The recorded configuration is written there before the learning rate is scaled with the batch. Here the key
  is the rate at a global batch of 256, and the training's log has the rate that was used.
- The weight of the latent consistency cannot be 0 there. Here 0 leaves the term out.
- Bilinear interpolation of a conditional model draws a random class for each cell there. Here the class
  embeddings of the four corners are mixed with the same weights as the latents.
"""


def schema() -> str:
    """The JSON schema of a study."""
    return json.dumps(Study.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def ledger() -> str:
    """Every key of a study, and the open questions of the released code."""
    lines = ("| " + " | ".join(cell.replace("|", "or") for cell in row) + " |\n" for row in rows())
    return HEADER + "".join(lines) + FOOTER


def rows() -> typing.Iterator[tuple[str, ...]]:
    """The ledger's cells, key by key."""
    for key, field in keys(Study, ""):
        told = entries(field)
        released = "" if "released" not in told else released_text(told["released"])
        yield (
            f"`{key}`",
            field.description or "",
            told.get("unit", "–"),
            f"`{allowed(field)}`",
            told.get("section", "–"),
            released,
            default(field),
            told.get("reason", ""),
        )


def entries(field: FieldInfo) -> dict[str, typing.Any]:
    """What `sphere_repro.ledger` says of a key."""
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def released_text(value: object) -> str:
    """One value, or each with the datasets that it was used for."""
    if not isinstance(value, dict):
        return f"`{value}`"
    groups: dict[str, list[str]] = {}
    for dataset, one in value.items():
        groups.setdefault(f"`{one}`", []).append(dataset)
    return "; ".join(f"{one} {', '.join(datasets)}" for one, datasets in groups.items())


def keys(model: type[BaseModel], prefix: str) -> typing.Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        nested, suffix = nested_model(field.annotation)
        key = f"{prefix}{name}{suffix}"
        if nested is None or entries(field):
            yield key, field
        if nested is not None:
            yield from keys(nested, f"{key}.")


def nested_model(annotation: object) -> tuple[type[BaseModel] | None, str]:
    """The model inside an annotation, and what its key carries: `.NAME` of a mapping, `[]` of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = typing.get_args(annotation)
    inner = next((a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), None)
    marks = {dict: ".NAME", tuple: "[]"}
    return inner, marks.get(typing.get_origin(annotation), "") if arguments else ""


def allowed(field: FieldInfo) -> str:
    bounds = [str(item) for item in field.metadata if not isinstance(item, types.FunctionType)]
    names = type_name(field.annotation)
    limits = [f"{sign} {getattr(item, name)}" for item in field.metadata
              for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
              if getattr(item, name, None) is not None]  # fmt: skip
    return " ".join([names, *limits]) if bounds else names


def type_name(annotation: object) -> str:
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        told = [item.json_schema_extra for item in arguments if isinstance(item, FieldInfo)]
        listed = [item["enum"] for item in told if isinstance(item, dict) and "enum" in item]
        return " / ".join(listed[0]) if listed else type_name(arguments[0])
    if typing.get_origin(annotation) is typing.Literal:
        return " / ".join(str(value) for value in arguments)
    if arguments and annotation is not None:
        names = [type_name(item) for item in arguments if item is not Ellipsis]
        return " / ".join(dict.fromkeys(names))
    return "none" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "*required*" if field.default_factory is None else ""
    return (
        "none"
        if value is None or value == ""
        else f"`{value}`"
        if not isinstance(value, tuple)
        else f"`{', '.join(str(getattr(each, 'name', each)) for each in value)}`"
    )


if __name__ == "__main__":
    (ROOT / "params" / "schema.json").write_text(schema(), encoding="utf-8")
    (ROOT / "params" / "README.md").write_text(ledger(), encoding="utf-8")

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

from sphere_repro.config import Study  # noqa: E402

HEADER = """\
# Parameters

Written by `make parameters` from [`src/sphere_repro/config.py`](../src/sphere_repro/config.py), the single
source; do not edit. A study is one YAML file in this folder. An unknown key is an error that names the
nearest known one.
Editors that read [`schema.json`](schema.json) complete and check the keys while you type.

| key | meaning | allowed | default |
|---|---|---|---|
"""


def schema() -> str:
    """The JSON schema of a study."""
    return json.dumps(Study.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def ledger() -> str:
    """Every key of a study: meaning, allowed values, default."""
    return HEADER + "".join(rows(Study, ""))


def rows(model: type[BaseModel], prefix: str) -> typing.Iterator[str]:
    for name, field in model.model_fields.items():
        nested, suffix = nested_model(field.annotation)
        key = f"{prefix}{name}{suffix}"
        if nested is not None:
            yield from rows(nested, f"{key}.")
        else:
            cells = (f"`{key}`", field.description or "", f"`{allowed(field)}`", default(field))
            yield "| " + " | ".join(cell.replace("|", "or") for cell in cells) + " |\n"


def nested_model(annotation: object) -> tuple[type[BaseModel] | None, str]:
    """The model inside an annotation, and what its key carries: `.NAME` of a mapping, `[]` of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in {dict, tuple} and arguments:
        inner = next((a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), None)
        return inner, ".NAME" if origin is dict else "[]"
    return None, ""


def allowed(field: FieldInfo) -> str:
    bounds = [str(item) for item in field.metadata if not isinstance(item, types.FunctionType)]
    names = type_name(field.annotation)
    limits = [f"{sign} {getattr(item, name)}" for item in field.metadata
              for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
              if getattr(item, name, None) is not None]  # fmt: skip
    return " ".join([names, *limits]) if bounds else names


def type_name(annotation: object) -> str:
    arguments = typing.get_args(annotation)
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
        else f"`{', '.join(map(str, value))}`"
    )


if __name__ == "__main__":
    (ROOT / "params" / "schema.json").write_text(schema(), encoding="utf-8")
    (ROOT / "params" / "README.md").write_text(ledger(), encoding="utf-8")

"""Records that refuse what they do not know, and the sentences in which they say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sphere_repro.errors import UserError, nearest

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=60)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Bounds far beyond use, so that a slip of the pen is told at once. Names in an archive have eight digits.
MOST_IMAGES, MOST_BATCH, MOST_DRAWS = 100_000_000, 1_000_000, 1_000_000
MOST_PROCESSES = 4096
# Products of two such numbers, and what they make of a loss, still fit float32.
MOST = 1e6
Limited = Annotated[float, Field(ge=0, le=MOST)]
LimitedPositive = Annotated[float, Field(gt=0, le=MOST)]


def is_none(value: Any) -> bool:
    return value is None


class UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error: PyYAML would keep the last one, silently."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()

    def flatten_mapping(self, node: Any) -> None:
        """Called for every mapping; one that has been merged into already holds overridden keys twice."""
        if id(node) not in self._flat:
            self._flat.add(id(node))
            self._refuse_doubles(node)
        super().flatten_mapping(node)

    def construct_number(self, node: Any) -> Any:
        """A number as people read it: YAML 1.1 takes 1:30 for 90 (base 60) and 010 for 8 (base 8)."""
        kind, text = str(node.tag).rpartition(":")[2], str(node.value)
        number = getattr(self, f"construct_yaml_{kind}")(node)
        if ":" in text or (kind == "int" and re.match(r"[-+]?0[0-7_]+$", text)):
            problem = f"YAML reads {text} as the number {number:g}: write that, or '{text}' in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return number

    def _refuse_doubles(self, node: Any) -> None:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                problem = f"key '{key}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)


for _kind in ("int", "float"):
    UniqueKeys.add_constructor(f"tag:yaml.org,2002:{_kind}", UniqueKeys.construct_number)


class Strict(BaseModel):
    """A record that refuses unknown keys and names the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key, value in data.items():
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {quoted(key)}{nearest(str(key), cls.model_fields)}")
                if isinstance(value, bool) and cls.model_fields[key].annotation in _NUMBERS:
                    raise ValueError(f"{key} is a number, not {str(value).lower()}")
        return data


_NUMBERS = (int, float, int | None)


def quoted(word: object) -> str:
    """`word` in quotes; line breaks and half characters, which no sentence can carry, escaped."""
    escaped = "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(word)
    )
    return f"'{escaped}'"


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Which of our values are others there, in words; empty where none is."""
    told = [
        f"{key} is {theirs.get(key)} there, but {ours[key]} here"
        for key in ours
        if theirs.get(key) != ours[key]
    ]
    return "; ".join(told)


Record = TypeVar("Record", bound=Strict)


def parse(record: type[Record], data: Any, where: str) -> Record:
    """`data` as a `record`; errors name the key, the value and `where` it stands.

    Raises:
        UserError: unknown key, wrong type or range, values that contradict each other.
    """
    try:
        return record.model_validate(data)
    except ValidationError as error:
        complaints = list(dict.fromkeys(_sentence(item) for item in error.errors()))
        raise UserError(f"{where}: " + "; ".join(complaints[:5])) from error


def _sentence(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"] if not _is_union_label(part))
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "value_error":
        return f"{place}: {message}" if place else message
    if item["type"] == "missing":
        return f"{place} is missing"
    if item["type"] == "string_pattern_mismatch":
        wanted = "lower-case letters, digits and single hyphens, such as digits-vae"
        return f"{place or 'the study'}: {item['input']!r:.80} is no name; names are {wanted}"
    message = message[0].lower() + message[1:]
    return f"{place or 'the study'}: {message}, not {item['input']!r:.80}"


def _is_union_label(part: Any) -> bool:
    """Pydantic names the branches of a union in the location; people do not need them."""
    return isinstance(part, str) and (part == "Size" or part.startswith(("literal[", "function-")))

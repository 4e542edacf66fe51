"""Classes by their names: one class that somebody asks for, all of them on an axis."""

from __future__ import annotations

from collections.abc import Sequence

from sphere_repro.errors import UserError, nearest


def class_number(asked: str, classes: int, names: Sequence[str] | None = None) -> int:
    """The class that is called `asked`: its name, or its number from 0.

    A name counts before a number: where classes are called `1`, `10`, `2`, then `10` is class 1.

    Raises:
        UserError: there is no such class, or there are no classes.
    """
    if not classes:
        raise UserError(f"There is no class '{asked}': the model is unconditional.")
    if names and asked in names:
        return names.index(asked)
    if asked.isdecimal() and int(asked) < classes and not (names and all(name.isdecimal() for name in names)):
        return int(asked)
    if names:
        raise UserError(f"There is no class '{asked}'{nearest(asked, names)}")
    raise UserError(
        f"There is no class '{asked}': the model's classes are 0 to {classes - 1}, without names."
    )


def one_each(names: Sequence[str] | None, classes: int) -> tuple[str, ...] | None:
    """Names for `classes` classes: those that have none are called by their numbers."""
    if names is None:
        return None
    return tuple(class_word(label, names) for label in range(classes))


def class_word(label: int, names: Sequence[str] | None) -> str:
    """How the class `label` is called: its name, or its number where it has none."""
    return names[label] if names and label < len(names) else str(label)


def short_word(label: int, names: Sequence[str] | None, letters: int) -> str:
    """The same in at most `letters` letters."""
    word = class_word(label, names)
    return word if len(word) <= letters else f"{word[: letters - 1]}…"

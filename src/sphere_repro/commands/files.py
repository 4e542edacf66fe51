"""The files that a command names: pairs KEY=PATH, and no output over an input."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import check_writable

OUTPUTS = ("out", "curves", "metrics", "executed")


def pairs(options: argparse.Namespace) -> dict[str, Path]:
    """Files given as KEY=PATH.

    Raises:
        UserError: one is not of this form.
    """
    items = [item.partition("=") for item in getattr(options, "inputs", ())]
    for key, sign, path in items:
        if not (key and sign and path):
            raise UserError(f"'{key}{sign}{path}' is not of the form KEY=PATH. Write it as real=data/….zip.")
    return {key: Path(path) for key, _, path in items}


def keep_inputs(options: argparse.Namespace, beside: tuple[str, ...]) -> None:
    """Refuse at once an output that cannot be written, or that would overwrite what the command reads.

    Args:
        beside: suffixes of the files that the verb writes beside --out under the same name.

    Raises:
        UserError: there is such an output.
    """
    given = {name: value if isinstance(value, list) else [value] for name, value in vars(options).items()}
    given["inputs"] = list(pairs(options).values())
    paths = [(name, path) for name, values in given.items() for path in values if isinstance(path, Path)]
    written = [(f"--{name}", path) for name, path in paths if name in OUTPUTS]
    if getattr(options, "out", None) is not None:
        written += [(f"the {suffix} beside --out", options.out.with_suffix(suffix)) for suffix in beside]
    taken = {path.resolve(): f"--{name}" for name, path in paths if name not in (*OUTPUTS, "log")}
    for name, path in written:
        check_writable(path)
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            raise UserError(f"{path} is both {other} and {name}: one would overwrite the other. Rename one.")

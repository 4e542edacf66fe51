"""Which curves a study has results for, and what the figures of them read: steps, guidance, angle, KL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphere_repro.study.config import Run
    from sphere_repro.study.files import StudyFiles
    from sphere_repro.study.generation import Generation

PAPERS = ("fixed", "shared")  # strength and noise of the paper's scheme
ANGLE = "alpha-max"  # the axis of ablations that changes the largest noise angle
LENGTH = "training-length"  # the one that changes how long is trained


def run_of(name: str) -> str:
    """The run of which `name` is a training."""
    from sphere_repro.study import replicates  # here: the help names figures, and would wait for pydantic

    return replicates.run_of(name)


def of_run(files: StudyFiles, run: str) -> dict[str, str]:
    """Scores of a run and of its further trainings, by names that begin with `scores`."""
    found = {name: path for name, path in files.scores().items() if run_of(name) == run}
    return {f"scores{name.removeprefix(run)}": path for name, path in found.items()}


def refinement(files: StudyFiles, run: str) -> dict[str, str]:
    """Beside the scores the sets of the first guidance that was drawn."""
    generations = files.study.runs[run].sampling.generations
    first = _guidance(generations[0])
    names = [generation.name for generation in generations if _guidance(generation) == first]
    return {**{name: files.places.sample(run, name) for name in names}, **of_run(files, run)}


def refined(files: StudyFiles) -> list[str]:
    """The Sphere Encoders with a curve to draw: two numbers of steps at least, above one, in one scheme."""
    return [run for run in files.spheres if max(_curve_lengths(files, run), default=0) > 1]


def _curve_lengths(files: StudyFiles, run: str) -> list[int]:
    """For each scheme of the first guidance the number of sets of more than one step."""
    generations = files.study.runs[run].sampling.generations
    first = _guidance(generations[0])
    schemes = [
        (each.strength, each.noise) for each in generations if each.steps > 1 and _guidance(each) == first
    ]
    return [schemes.count(scheme) for scheme in dict.fromkeys(schemes)]


def _guidance(generation: Generation) -> tuple[float, str]:
    """Scale and position; without guidance there is no position."""
    scale = generation.guidance.scale
    return scale, generation.guidance.position if scale > 1 else ""


def guided(files: StudyFiles) -> list[str]:
    """The Sphere Encoders with two guided sets at least of as many steps, by the paper's scheme."""
    found = []
    for run in files.spheres:
        steps = [
            each.steps
            for each in files.study.runs[run].sampling.generations
            if each.guidance.scale > 1 and (each.steps == 1 or (each.strength, each.noise) == PAPERS)
        ]
        if any(steps.count(number) > 1 for number in steps):
            found.append(run)
    return found


def angled(files: StudyFiles) -> list[str]:
    """One figure of a study whose runs differ in their largest noise angle."""
    return [""] if any(_varies(run, ANGLE) for run in files.study.runs.values()) else []


def _varies(run: Run, axis: str) -> bool:
    return run.ablation is not None and run.ablation.axis == axis


def _along(files: StudyFiles, axis: str) -> dict[str, str]:
    """Scores of the first run and of those that differ along `axis`, of all their trainings."""
    runs = files.study.runs
    first = next(iter(runs))
    return {
        name: path
        for name, path in files.scores().items()
        if run_of(name) == first or _varies(runs[name], axis)
    }


def angles(files: StudyFiles, _subject: str) -> dict[str, str]:
    """The first run and those of other angles, and the records of their models."""
    scores = _along(files, ANGLE)
    models = {
        f"model.{name}": f"{files.places.model(name).removesuffix('.safetensors')}.json"
        for name in scores
        if name == run_of(name)
    }
    return {**scores, **models}


def weighed(files: StudyFiles) -> list[str]:
    """The Sphere Encoders that VAEs of two KL weights at least name as the run they are a baseline of."""
    runs = files.study.runs
    return [
        sphere
        for sphere in files.noised
        if len({runs[run].loss.kl for run in _baselines(files, sphere) if runs[run].model.kind == "vae"}) > 1
    ]


def _baselines(files: StudyFiles, sphere: str) -> list[str]:
    """The runs that name `sphere`, without further trainings."""
    return [run for run in files.first if files.study.runs[run].baseline_of == sphere]


def trade_off(files: StudyFiles, sphere: str) -> dict[str, str]:
    """Scores by `ROLE.RUN` of every training, and the records of the VAEs' models, which say their weights.

    Roles are the kinds; a Sphere Encoder of the same images without noise is `spherified`.
    """
    runs = files.study.runs
    roles = {run: runs[run].model.kind for run in _baselines(files, sphere) if runs[run].is_trained}
    same = [run for run in files.spheres if runs[run].dataset == runs[sphere].dataset]
    found: dict[str, str] = {
        sphere: "sphere",
        **{run: "spherified" for run in same if not runs[run].loss.alpha_max},
        **roles,
    }
    scores = {
        f"{found[first]}.{name}": path
        for name, path in files.scores().items()
        if (first := run_of(name)) in found
    }
    models = {
        f"model.{run}": f"{files.places.model(run).removesuffix('.safetensors')}.json"
        for run, kind in roles.items()
        if kind == "vae"
    }
    return {**scores, **models}


def of_other_length(files: StudyFiles) -> list[str]:
    """Sphere Encoders that are trained for another time than the first run, which is one too."""
    runs = files.study.runs
    if next(iter(runs)) not in files.spheres:
        return []
    return [name for name in files.spheres if _varies(runs[name], LENGTH)]


def lengthened(files: StudyFiles) -> list[str]:
    """One figure of a study whose runs differ in the length of their training."""
    return [""] if of_other_length(files) else []


def lengths(files: StudyFiles, _subject: str) -> dict[str, str]:
    """The first run and those of other lengths: scores, training curves and what is said of the latents."""
    scores = _along(files, LENGTH)
    first = [name for name in scores if name == run_of(name)]
    curves = {f"curves.{name}": files.places.curves(name) for name in first}
    return {**scores, **curves, **{f"latents.{name}": files.places.uniformity(name) for name in first}}

"""Write the DVC pipeline of a study. Usage: write_pipeline.py params/STUDY.yaml

That of the default study is dvc.yaml. Another study's lies in workflow/pipelines/STUDY, where its path is its
address. What DVC is told comes from the whole study with its defaults, as Snakemake sees it: the first stage
writes each job's parameters to a file that the other stages depend on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import write_text  # noqa: E402
from sphere_repro.planning.outside import outside_paths  # noqa: E402
from sphere_repro.study import catalogue  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.files import Step, StudyFiles  # noqa: E402
from sphere_repro.study.places import DEFAULT_STUDY, archive_file, verdict_file  # noqa: E402

UP = "../../.."  # from a pipeline's folder to the root, where every stage works
HEADER = """\
# Written by `make pipeline STUDY={study}`; write it anew when the study has other runs or sets.
# DVC stores and compares what Snakemake makes: each stage is a target of the workflow. `persist` keeps DVC
# from deleting outputs first, so that a finished run is only hashed. Training and sampling name no code: a
# reformatted comment must not retrain a model (the table says where code has changed since).
"""
Stage = dict[str, Any]


class Pipeline:
    """The stages of one study."""

    def __init__(self, files: StudyFiles, params: str, taken: set[str]) -> None:
        self.files, self.params, self.taken = files, params, taken
        self.places = files.places
        self.default, self.place = self.places.is_default, self.places.summary
        self.steps = files.steps()

    def stages(self) -> dict[str, Stage]:
        """Every stage by name, in the order in which they run."""
        found = {"jobs": self._jobs()}
        for archive in self.files.archives:
            if archive_file(archive) not in self.taken:
                found[f"data-{archive}"] = self._data(archive)
        for run in self.files.study.runs:
            made = "train" if run in self.files.trained else "import"
            found[f"{made}-{run}"] = self._model(run)
            found[f"sample-{run}"] = self._sample(run)
        for archive in self.files.archives:
            found[f"reference-{archive}"] = self._scored("reference", archive)
        for run in self.files.study.runs:
            found[f"score-{run}"] = self._scored("score", run)
        if self.files.measured:
            found["uniformity"] = self._uniformity()
        found |= {"tables": self._tables(), "figures": self._figures()}
        return found | ({"reproduction": self._reproduction()} if self._is_kept else {})

    def _stage(self, cmd: str, deps: Iterable[str], outs: Iterable[Any], **more: Any) -> Stage:
        stage = {} if self.default else {"wdir": UP}
        stage |= {"cmd": cmd, "deps": list(dict.fromkeys(deps)), **more}
        return stage | {"outs": [_kept(out) for out in outs]}

    def _run(self, *targets: str) -> str:
        """The command that has the workflow make `targets`."""
        script = "exec python workflow/scripts/run.py"
        return " ".join([script, "--configfile", self.params, "--cores", "all", "--", *targets])

    def _of(self, rule: str | tuple[str, ...], subject: str) -> list[Step]:
        rules = (rule,) if isinstance(rule, str) else rule
        return [step for step in self.steps if step.rule in rules and step.subject == subject]

    def _told(self, steps: Iterable[Step]) -> list[str]:
        """The files with the parameters of `steps`."""
        return [f"{self.places.jobs}/{step.name}.json" for step in steps]

    def _jobs(self) -> Stage:
        deps = [
            "data/sources.yaml",
            "src/sphere_repro/data",
            "src/sphere_repro/study",
            *outside_paths(self.files.study),
        ]
        cmd = f"exec python workflow/scripts/write_jobs.py {self.params}"
        return self._stage(cmd, deps, [self.places.jobs], params=[{self.params: None}])

    def _data(self, archive: str) -> Stage:
        (step,) = self._of("prepare", archive)
        return self._stage(self._run(step.makes[0]), self._told([step]), step.makes)

    def _model(self, run: str) -> Stage:
        (step,) = self._of(("train", "import_released", "import_pretrained"), run)
        stage = self._stage(self._run(step.makes[0]), [*self._told([step]), *_files(step)], step.makes)
        if step.rule == "train":
            live = self.places.live(run)
            stage["metrics"] = [_kept(f"{live}/metrics.json")]
            stage["plots"] = [_kept(f"{live}/plots/metrics", x="step"), _kept(f"{live}/samples")]
        return stage

    def _sample(self, run: str) -> Stage:
        drawn = self._of("sample", run)
        encoded = self._of("encode", run) if run in self.files.encoded else []
        shown = self._of("images", run)
        steps = [*drawn, *shown, *encoded]
        deps = [*self._told(steps), *(path for step in steps for path in _files(step))]
        outs = [self.places.samples(run), *(path for step in [*shown, *encoded] for path in step.makes)]
        return self._stage(self._run(*(step.makes[0] for step in steps)), deps, outs)

    def _scored(self, rule: str, subject: str) -> Stage:
        steps = self._of(rule, subject)
        inputs = [path for step in steps for path in _files(step)]
        deps = [*self._told(steps), *self._folders(inputs), "src/sphere_repro/metrics"]
        outs = [path for step in steps for path in step.makes]
        return self._stage(self._run(*(step.makes[0] for step in steps)), deps, outs)

    def _uniformity(self) -> Stage:
        steps = [
            step for step in self.steps if step.rule == "uniformity" and step.subject in self.files.measured
        ]
        inputs = [path for step in steps for path in _files(step)]
        judged_by = [f"src/sphere_repro/metrics/{name}.py" for name in ("spherification", "uniformity")]
        deps = [*self._told(steps), *inputs, *judged_by]
        return self._stage(self._run(*(step.makes[0] for step in steps)), deps, [self.places.judged])

    def _tables(self) -> Stage:
        extractors = self.files.study.score.extractors
        scores = [path for each in extractors for path in self.files.scores(each).values()]
        judged = [self.places.judged] if self.files.judged else []
        made_by = self._folders(self.files.made_by())
        images = [self.places.images_record(run) for run in self.files.judged_images]
        published = ["params/expected.yaml", catalogue.RIVALS]
        deps = [*scores, *judged, *images, *made_by, "src/sphere_repro", *published]
        names = ("fid_table.csv", "fid_table.json", "claims.json", "claims.md", "claims.csv")
        outs = [f"{self.place}/{name}" for name in (*names, "tables")]
        metrics = [_kept(f"{self.place}/metrics.json")]
        return self._stage(self._run("tables"), deps, outs, metrics=metrics)

    def _figures(self) -> Stage:
        figures = catalogue.wanted(self.files).values()
        inputs = self._folders(path for figure in figures for path in figure.inputs.values())
        deps = [f"{self.places.jobs}/figures.json", *inputs, "src/sphere_repro/figures", "notebooks"]
        pages = [f"{self.place}/pages"] if any(catalogue.page_files(self.files, "")) else []
        outs = [*self._drawn(), *pages, f"{self.place}/notebooks"]
        return self._stage(self._run("figures"), deps, outs)

    def _drawn(self) -> list[str]:
        """The files of figures. The default study's folder may hold those of another that ran there."""
        if not self.default:
            return [f"{self.place}/figures"]
        names = [path.removesuffix(".png") for path in self._pictures]
        return [f"{name}{form}" for name in names for form in (".png", ".csv", ".json", ".pdf")]

    def _reproduction(self) -> Stage:
        numbers = [f"{path.removesuffix('.png')}.csv" for path in self._pictures]
        made = [f"{self.place}/{name}" for name in ("fid_table.csv", "claims.csv", "tables")]
        drawn = numbers if self.default else [f"{self.place}/figures"]
        records = self._folders(self.files.made_by())
        deps = [self.places.kept, *made, *drawn, *records, "src/sphere_repro/results"]
        verdict = verdict_file(self.place)
        outs = [verdict, *(verdict.replace(".json", form) for form in (".csv", ".md"))]
        return self._stage(self._run(verdict), deps, outs)

    @property
    def _pictures(self) -> list[str]:
        return catalogue.figure_files(self.files, self.place)

    @property
    def _is_kept(self) -> bool:
        """Whether there are results to hold the study's against."""
        return (ROOT / self.places.kept / "fid_table.csv").is_file()

    def _folders(self, paths: Iterable[str]) -> list[str]:
        """`paths`, those in an output folder named by it: DVC is told of the folder."""
        folders = {self.places.samples(run) for run in self.files.study.runs} | {self.places.judged}
        return list(dict.fromkeys(_within(path, folders) for path in paths))


def _within(path: str, folders: set[str]) -> str:
    return next((folder for folder in folders if path.startswith(f"{folder}/")), path)


def _files(step: Step) -> list[str]:
    """The files that a step reads; records of downloads are under git and say so in its parameters."""
    found = [value for key, value in step.reads.items() if key != "raw"]
    return [path for value in found for path in ([value] if isinstance(value, str) else value)]


def _kept(out: str | Stage, **more: Any) -> Stage:
    return {out: {"persist": True, **more}} if isinstance(out, str) else out


def owned_elsewhere(out: Path) -> set[str]:
    """What other pipelines make: DVC wants one maker for each file."""
    found: set[str] = set()
    for path in (ROOT / "dvc.yaml", *ROOT.glob("workflow/pipelines/*/dvc.yaml")):
        if path != out and path.is_file():
            stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
            found.update(name for stage in stages.values() for item in stage["outs"] for name in item)
    return found


def place_of(study: Path) -> tuple[str, Path]:
    """The study's file and its pipeline's, the former relative to the root.

    Raises:
        UserError: the study lies elsewhere, or its file has another name than the study.
    """
    name = load_study(study).study
    if study.resolve() != ROOT / f"params/{name}.yaml":
        raise UserError(f"{study} is not params/{name}.yaml, where its pipeline looks for it. Move it.")
    params = f"params/{name}.yaml"
    return params, ROOT / ("dvc.yaml" if params == DEFAULT_STUDY else f"workflow/pipelines/{name}/dvc.yaml")


def text_of(study: Path) -> tuple[Path, str]:
    """The pipeline's file, and what stands in it.

    Raises:
        UserError: the study is wrong, or lies where no pipeline looks for it.
    """
    params, out = place_of(study)
    stages = Pipeline(StudyFiles(load_study(study)), params, owned_elsewhere(out)).stages()
    body = yaml.safe_dump({"stages": stages}, sort_keys=False, width=110)
    return out, HEADER.format(study=params) + body


def parsed_by_dvc(out: Path) -> str | None:
    """Why DVC cannot work with the pipeline in `out`; None where it can."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(ROOT)) as repo:
            repo.index.check_graph()
    except DvcException as error:
        return str(error)
    return None


def main(arguments: Sequence[str]) -> None:
    out, text = text_of(Path(arguments[0]))
    before = out.read_text(encoding="utf-8") if out.is_file() else None
    write_text(out, text)
    if (fault := parsed_by_dvc(out)) is not None:
        if before is None:
            out.unlink()
        else:
            write_text(out, before)
        raise UserError(f"DVC does not take this pipeline, so nothing is written: {fault}.")
    path = out.relative_to(ROOT)
    print(f"{path} is written. Run it: dvc repro{'' if path == Path('dvc.yaml') else f' {path}'}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"make pipeline: {error}", file=sys.stderr)
        raise SystemExit(2) from None

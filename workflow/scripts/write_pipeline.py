"""Write the DVC pipeline of a study beside the default one. Usage: write_pipeline.py params/STUDY.yaml

The default study's dvc.yaml is the pattern. The copy keeps its tables and figures in results/studies/STUDY
and is addressed by its path: dvc repro workflow/pipelines/STUDY/dvc.yaml.
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
from sphere_repro.models.released import configuration  # noqa: E402
from sphere_repro.study.config import Study, load_study  # noqa: E402

DEFAULT = ROOT / "dvc.yaml"
MAIN = "${score.extractor}"
UP = "../../.."  # from the pipeline's folder to the root, where every stage works
HEADER = """\
# Written by `make pipeline STUDY={study}`; write it anew when the study has other runs or extractors.
# dvc repro {path}
"""


def main(study_file: str) -> None:
    path = Path(study_file)
    study = load_study(path)
    pattern = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    name = path.resolve().relative_to(ROOT).as_posix() if path.resolve().is_relative_to(ROOT) else None
    if name != f"params/{study.study}.yaml":
        raise UserError(f"{path} is not params/{study.study}.yaml, where its pipeline looks for it. Move it.")
    if name in pattern["vars"]:
        raise UserError(f"{path} is the default study, whose pipeline is dvc.yaml itself. Say dvc repro.")
    out = ROOT / "workflow/pipelines" / study.study / "dvc.yaml"
    text = yaml.safe_dump(pipeline(study, pattern, owned_elsewhere(out)), sort_keys=False, width=110)
    write_text(out, HEADER.format(study=name, path=out.relative_to(ROOT)) + text)
    print(f"{out.relative_to(ROOT)} is written. Run it: dvc repro {out.relative_to(ROOT)}")


def pipeline(study: Study, pattern: dict[str, Any], taken: set[str]) -> dict[str, Any]:
    """The pattern for another study, without the prepared datasets that other pipelines make."""
    archives = sorted({run.dataset.archive for run in study.runs.values()})
    own = [name for name in archives if name not in taken]
    variables = {"archives": own, "references": archives, "place": f"results/studies/{study.study}"}
    stages = {name: apart(stage) for name, stage in pattern["stages"].items() if own or name != "data"}
    stages["reference"]["foreach"] = "${references}"
    for name in ("reference", "score"):
        add_extractors(stages[name]["do"], study.score.also)
    if all(run.model.kind == "vae" for run in study.runs.values()):
        without_uniformity(stages)
    if any(run.released for run in study.runs.values()):
        stages = with_imports(stages, study)
    return {"vars": [f"{UP}/params/{study.study}.yaml", variables], "stages": stages}


def apart(stage: dict[str, Any]) -> dict[str, Any]:
    """A stage that works in the root, makes the study's own tables and figures, and leaves nothing to git."""
    body = stage.get("do", stage)
    body = {"wdir": UP, **body, "cmd": body["cmd"]}
    if body["cmd"].split()[-1] in {"tables", "figures"}:
        body["cmd"] += "_apart"
    for kind in ("outs", "metrics"):
        body[kind] = [_cached(item) for item in body.get(kind, [])]
    body = {key: value for key, value in body.items() if value != []}
    return {"foreach": stage["foreach"], "do": body} if "do" in stage else body


def add_extractors(stage: dict[str, Any], further: Sequence[str]) -> None:
    """Let a stage make and own for each further extractor what the pattern has for the study's main one."""

    def copies(names: Iterable[str]) -> list[str]:
        of_main = [name for name in names if MAIN in name]
        return [name.replace(MAIN, extractor) for extractor in further for name in of_main]

    stage["cmd"] = " ".join([stage["cmd"], *copies(stage["cmd"].split())])
    stage["deps"] = [*stage["deps"], *copies(stage["deps"])]
    outs = [path for item in stage["outs"] for path in item]
    stage["outs"] = [*stage["outs"], *({path: {"persist": True}} for path in copies(outs))]


def without_uniformity(stages: dict[str, Any]) -> None:
    """Only Sphere Encoders have latents to judge; DVC would miss the results."""
    outs = [name for item in stages.pop("uniformity")["outs"] for name in item]
    for stage in stages.values():
        body = stage.get("do", stage)
        body["deps"] = [name for name in body["deps"] if name not in outs]


def with_imports(stages: dict[str, Any], study: Study) -> dict[str, Any]:
    """Released models are imported, not trained: they have neither curves nor a live folder."""
    trained, imported = {}, {}
    for name, run in study.runs.items():
        if run.released is None:
            trained[name] = {"dataset": {"name": run.dataset.name, "resolution": run.dataset.pixels}}
        else:
            checkpoint = Path(run.released)
            imported[name] = {
                "checkpoint": checkpoint.as_posix(),
                "configuration": configuration(checkpoint).as_posix(),
            }
    train = stages["train"]["do"]
    body = {
        "wdir": train["wdir"],
        "cmd": train["cmd"],
        "deps": ["${item.checkpoint}", "${item.configuration}"],
        "params": [{file: imports_keys(keys) for file, keys in item.items()} for item in train["params"]],
        "outs": [item for item in train["outs"] if not next(iter(item)).endswith(".csv")],
    }
    models = {"train": {"foreach": trained, "do": train}} if trained else {}
    models["import"] = {"foreach": imported, "do": body}
    found: dict[str, Any] = {}
    for name, stage in stages.items():
        found |= models if name == "train" else {name: stage}
    return found


def imports_keys(keys: list[str]) -> list[str]:
    """The keys of a training that an import uses too, and the checkpoint's path."""
    unused = ("seed", ".training")
    return [key for key in keys if not key.endswith(unused)] + ["runs.${key}.released"]


def owned_elsewhere(out: Path) -> set[str]:
    """The prepared datasets that other pipelines make: DVC wants one maker for each file."""
    files = [DEFAULT, *ROOT.glob("workflow/pipelines/*/dvc.yaml")]
    found: set[str] = set()
    for path in files:
        if path != out:
            for item in yaml.safe_load(path.read_text(encoding="utf-8"))["vars"]:
                found.update(item.get("archives", []) if isinstance(item, dict) else [])
    return found


def _cached(item: dict[str, Any]) -> dict[str, Any]:
    return {path: {key: value for key, value in how.items() if key != "cache"} for path, how in item.items()}


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except UserError as error:
        print(f"make pipeline: {error}", file=sys.stderr)
        raise SystemExit(2) from None

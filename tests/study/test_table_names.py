"""Which of the paper's tables a study has."""

from __future__ import annotations

from conftest import ROOT
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.paper_tables import paper_table_files, table_names


def of(name: str) -> list[str]:
    return table_names(StudyFiles(load_study(ROOT / f"params/{name}.yaml")))


def test_a_study_has_the_tables_of_its_results() -> None:
    scores = [f"scores-{name}" for name in ("cifar10-32px", "animal-faces-256px")]
    assert of("paper")[:2] == scores
    last = ["schemes", "guidance", "cost", "posterior-hole", "uniformity", "posterior-gap", "prior-emptiness"]
    assert of("paper")[4:] == [*last, "memorisation", "image-sets"]
    assert "guidance" not in of("demo") and "posterior-hole" in of("demo")
    assert "image-sets" in of("demo") and "image-sets" not in of("ablations-small")
    assert not {"posterior-hole", "guidance"} & {*of("cifar10-small")}


def test_each_axis_of_ablations_has_a_table() -> None:
    axes = ("loss-terms", "alpha-max", "ratio", "mixer-depth", "hard-cases")
    assert of("ablations")[3:] == [
        *(f"ablation-{axis}" for axis in axes),
        "cost",
        "uniformity",
        "posterior-gap",
        "prior-emptiness",
        "memorisation",
    ]
    assert not any(name.startswith("ablation-") for name in of("demo"))


def test_each_in_three_formats() -> None:
    files = StudyFiles(load_study(ROOT / "params/cifar10-small.yaml"))
    found = paper_table_files(files, "here")
    assert found[:3] == [f"here/tables/scores-cifar10-32px.{suffix}" for suffix in ("csv", "md", "tex")]
    assert len(found) == 3 * len(table_names(files))

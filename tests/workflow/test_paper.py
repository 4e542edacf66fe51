"""The paper's studies through the whole DAG: miniatures of its four datasets, params/paper.yaml's own keys.

Only sizes are reduced, and the networks replaced whose weights cannot be fetched without a network; a key
that paper.yaml misspells, or a path that only the real datasets take, fails here.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_dvc import assert_stages_cover

from conftest import pending, run, snakemake
from data import replicas
from data.server import serving
from miniature import write_checkpoint
from shown import assert_shown
from sphere_repro.data.archive import ImageArchive
from sphere_repro.study import catalogue
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.generation_grid import expanded

pytestmark = pytest.mark.slow

STUDY = "params/paper-small.yaml"
HOME = "results/paper-small"
SUMMARY = "results/studies/paper-small"
TRAINED = ("cifar10-base", "animal-faces-base", "oxford-flowers-base", "imagenet-large", "cifar10-vae")
RELEASED = "imagenet-xlarge"
PTH = f"data/released/{RELEASED}.pth"
SIZE = {"width": 16, "layers": 1, "heads": 2}
IMAGES = {"cifar10": 20, "animal-faces": 11, "oxford-flowers": 9, "imagenet": 6}
CLASSES = {"cifar10": 10, "animal-faces": 3, "oxford-flowers": 3, "imagenet": 3}
FIGURES = {"posterior-hole-cifar10-base", "training-curves"}
# without their jobs: one that is trained, the released one, all together
OTHERS = (f"uniformity-{TRAINED[0]}", f"samples-{RELEASED}", "distance-by-steps")
TARGETS = ["tables", *(f"{SUMMARY}/figures/{name}.png" for name in sorted(FIGURES))]

# Put before torchvision's own digests those of the replicas; Python imports it at its start.
SITE = """\
import importlib.abc
import importlib.machinery
import sys

PATCHES = {patches!r}


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in PATCHES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def patched(module):
            load(module)
            for owner, attributes in PATCHES[name].items():
                for key, value in attributes.items():
                    setattr(getattr(module, owner), key, value)

        spec.loader.exec_module = patched
        return spec


sys.meta_path.insert(0, Finder())
"""


def reduced(paper: dict[str, Any]) -> dict[str, Any]:
    """paper.yaml with fewer runs and smaller numbers; every other key as it stands."""
    runs = {name: paper["runs"][name] for name in (*TRAINED, RELEASED)}
    for entry in runs.values():
        entry["dataset"]["resolution"] = 16
        entry["model"] |= {"encoder": SIZE, "decoder": SIZE}
        # a few steps must show: a fresh model draws one grey image
        entry["training"] |= {"learning_rate": 0.5, "encoder_learning_rate_factor": 1.0}
        entry["training"] |= {"epochs": 4, "warmup_epochs": 1, "batch_size": 4}
        entry["execution"]["micro_batch_size"] = 2
        entry["loss"]["perceptual"] = {"network": "efficientnet-lite1", "size": 16}
        entry["sampling"]["count"] = 12
        if "prior_path" in entry["sampling"]:
            entry["sampling"]["prior_path"] = {"paths": 2, "points": 3}
        if "replicates" in entry:
            entry["replicates"] = 2
        if "generations" in entry["sampling"]:
            entry["sampling"]["generations"] = [
                each
                for each in expanded(entry["sampling"]["generations"])
                if each.get("strength") != "linear"
                and each["steps"] in (1, 2, 4)
                and each.get("noise") != "initial"
            ]
    runs[RELEASED]["released"] = PTH
    score = paper["score"] | {"extractor": "efficientnet-lite0", "also": []}
    score |= {"kid_subsets": 5, "kid_subset_size": 5, "jackknife_groups": 3}
    return paper | {
        "study": "paper-small",
        "runs": runs,
        "score": score,
        "uniformity": {"count": 20, "null_draws": 20},
    }


def write_study(folder: Path) -> None:
    plain = json.loads(json.dumps(yaml.safe_load((folder / "params/paper.yaml").read_text())))  # no aliases
    (folder / STUDY).write_text(yaml.safe_dump(reduced(plain), sort_keys=False))


def replace_sources(folder: Path, monkeypatch: pytest.MonkeyPatch, server: Any) -> None:
    """The replicas in the checkout's table of datasets, and their digests in torchvision."""
    from torchvision.datasets import CIFAR10, Flowers102

    found = {
        "cifar10": replicas.cifar10(monkeypatch, server)[0],
        "oxford-flowers": replicas.oxford_flowers(monkeypatch, server)[0],
        "animal-faces": replicas.animal_faces(monkeypatch, server)[0],
        "imagenet": replicas.imagenet_tar(monkeypatch, folder / "data/raw/imagenet"),
    }
    table = yaml.safe_load((folder / "data/sources.yaml").read_text())
    table |= {name: source.model_dump(mode="json", exclude_defaults=True) for name, source in found.items()}
    (folder / "data/sources.yaml").write_text(yaml.safe_dump(table))
    digests = {
        "torchvision.datasets.cifar": {
            "CIFAR10": {key: getattr(CIFAR10, key) for key in ("train_list", "test_list", "meta")}
        },
        "torchvision.datasets.flowers102": {"Flowers102": {"_file_dict": Flowers102._file_dict}},
    }
    (folder / "src/sitecustomize.py").write_text(SITE.format(patches=digests))


@pytest.fixture(scope="session")
def paper(once, untouched):
    """A checkout in which the miniature has run: table, claims and figures."""

    def make(folder: Path) -> None:
        shutil.copytree(untouched, folder, symlinks=True)
        with pytest.MonkeyPatch.context() as monkeypatch, serving() as server:
            replace_sources(folder, monkeypatch, server)
            write_study(folder)
            write_checkpoint(folder / PTH, load_study(folder / STUDY).runs[RELEASED].architecture, 85)
            done = snakemake(folder, *TARGETS, study=STUDY, check=True)
        folder.joinpath("first.log").write_text(done.stdout + done.stderr)

    return once("paper", make)


@pytest.fixture
def checkout(paper, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(paper, tmp_path / "checkout", symlinks=True)
    return tmp_path / "checkout"


def test_every_run_is_trained_drawn_and_scored(paper):
    rows = list(csv.DictReader((paper / SUMMARY / "fid_table.csv").open()))
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["replicate"] == "0":
            found.setdefault(row["run"], []).append(row["set"])
        assert float(row["frechet"]) > 0 and float(row["frechet_se"]) > 0 and row["code_changed"] == ""
    study = load_study(paper / STUDY)
    assert found == {name: list(study.runs[name].sets) for name in (*TRAINED, RELEASED)}
    assert {row["run"] for row in rows if row["replicate"] == "1"} == {"cifar10-vae"}
    assert "generation-4-fixed-independent-combo1.6" in found["oxford-flowers-base"]


def test_every_dataset_came_through_its_publishers_layout(paper):
    for name, images in IMAGES.items():
        archive = ImageArchive(paper / f"data/prepared/{name}-16px.zip", CLASSES[name])
        assert (len(archive), archive.resolution) == (images, 16)
        assert len(set(archive.labels.tolist())) == min(images, CLASSES[name])
        record = json.loads((paper / f"data/prepared/{name}-16px.json").read_text())
        assert record["inputs"]["raw"]["path"] == f"data/raw/{name}.json"
        assert record["source"].get("format", "png") == ("webp" if name == "imagenet" else "png")


def test_figures_and_claims(paper, tmp_path):
    names = {path.stem for path in paper.glob(f"{SUMMARY}/figures/*.png")}
    assert names == FIGURES
    hole = json.loads((paper / SUMMARY / "figures/posterior-hole-cifar10-base.json").read_text())
    assert "sphere.generation-1" in hole["inputs"]
    figures = catalogue.figures(StudyFiles(load_study(paper / STUDY)))
    for name in OTHERS:
        assert_shown(figures[name], paper, tmp_path / f"{name}.png")
    judged = json.loads((paper / SUMMARY / "claims.json").read_text())["claims"]
    assert {claim["run"] for claim in judged} == {*TRAINED, RELEASED}
    assert {claim["claim"] for claim in judged} >= {"few-steps-beat-one", "vae-prior-far-worse"}


def test_a_released_run_goes_the_same_way_without_a_training(paper):
    home = paper / HOME / RELEASED
    assert not (home / "training.csv").exists() and not (home / "live").exists()
    record = json.loads((home / "model.json").read_text())
    assert record["inputs"]["checkpoint"]["path"] == PTH and record["job"]["content"]
    curves = json.loads((paper / SUMMARY / "figures/training-curves.json").read_text())
    assert set(curves["inputs"]) == {*TRAINED, "notebook"}
    told = run(
        paper, "python", "-m", "sphere_repro", "explain", f"{HOME}/{RELEASED}/scores.efficientnet-lite0.json"
    )
    assert PTH in told.stdout and "!" not in told.stdout


def test_it_is_remade_for_another_checkpoint_alone(checkout):
    assert pending(checkout, *TARGETS, study=STUDY) == set()
    (checkout / PTH).rename(checkout / "away.pth")
    assert pending(checkout, *TARGETS, study=STUDY) == set()  # as in a clone
    (checkout / PTH).write_bytes((checkout / "away.pth").read_bytes() + b" ")
    jobs = pending(checkout, *TARGETS, study=STUDY)
    assert {f"import_released {RELEASED}", f"samples {RELEASED}", f"score {RELEASED}", "fid_table"} <= jobs
    assert not {job for job in jobs if job.startswith("train") or "cifar10" in job}


def test_its_pipeline_covers_every_output(checkout):
    run(checkout, "make", "-o", "env", "pipeline", f"STUDY={STUDY}")
    assert_stages_cover(checkout, STUDY, ["tables", "figures"], at_least=30)


def test_the_full_studies_can_be_planned_by_snakemake(checkout):
    run(
        checkout, "git", "checkout", "-q", "data/sources.yaml"
    )  # of the real datasets: replicas are too small
    for name, least in (("demo", 30), ("paper", 100), ("released", 60), ("ablations", 100)):
        text = snakemake(checkout, "-n", study=f"params/{name}.yaml", check=True).stdout
        assert int(text.split("\ntotal")[-1].split()[0]) >= least, name
    alone = "results/released/imagenet-large/scores.inception.json"
    jobs = pending(checkout, alone, study="params/released.yaml")
    assert {job for job in jobs if job.startswith("import")} == {"import_released imagenet-large"}
    failed = snakemake(checkout, "results/released/imagenet-large/model.json", study="params/released.yaml")
    text = failed.stdout + failed.stderr
    assert (
        failed.returncode
        and "data/released/imagenet-large.pth does not exist. Put the authors' checkpoint" in text
    )
    assert "Traceback" not in text

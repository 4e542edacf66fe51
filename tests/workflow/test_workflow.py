"""The whole DAG on the smoke study, in a temporary copy of the checkout."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import PurePath

import numpy as np
import pytest
import yaml
from PIL import Image

from conftest import SMOKE, pending, run, snakemake
from data import replicas
from data.server import Faults, serving
from sphere_repro.data.archive import ImageArchive
from sphere_repro.machine import portable
from sphere_repro.provenance.integrity import write_record
from sphere_repro.study import catalogue
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.paper_tables import paper_table_files

pytestmark = pytest.mark.slow


def test_the_table_is_complete(finished):
    rows = list(csv.DictReader((finished / "results/fid_table.csv").open()))
    assert [(row["run"], row["set"]) for row in rows] == [
        ("digits", "reconstruction"),
        ("digits", "generation-1"),
        ("digits", "generation-4-fixed-shared"),
        ("digits-vae", "reconstruction"),
        ("digits-vae", "prior"),
        ("digits-vae", "posterior"),
    ]
    for row in rows:
        assert row["metric"] == "frechet-efficientnet-lite0-128px-bicubic"
        assert float(row["frechet"]) > 0 and float(row["frechet_se"]) > 0
        assert int(row["count"]) == 64 and int(row["reference_count"]) == 128


def test_every_image_archive_and_model_has_its_provenance(finished):
    for path in finished.glob("results/smoke/*/**/*"):
        if path.suffix in {".zip", ".safetensors", ".npz"}:
            record = json.loads(path.with_suffix(".json").read_text())
            assert record, path


def test_a_second_call_has_nothing_to_do(finished):
    again = snakemake(finished)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_clean_run_warns_of_nothing(finished):
    logs = [finished / ".state/first.log", *finished.glob("logs/**/*.log")]
    for path in logs:
        text = path.read_text().lower()
        assert "warning" not in text and "traceback" not in text, path


def test_each_job_leaves_one_line_in_its_log(finished):
    for path in finished.glob("logs/**/*.log"):
        assert len(path.read_text().splitlines()) == 1, path


def test_one_parameter_of_one_run_reaches_only_what_follows_from_it(workspace):
    changed = yaml.safe_load((workspace / SMOKE).read_text())
    changed["runs"]["digits"]["sampling"]["count"] = 60
    (workspace / "params/changed.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    jobs = pending(workspace, study="params/changed.yaml")
    assert {"samples digits", "score digits", "fid_table"} <= jobs
    assert not any(job.startswith(("train", "prepare", "reference", "encode", "uniformity")) for job in jobs)
    assert not {"samples digits-vae", "score digits-vae"} & jobs


def changed_steps(folder):
    """The smoke study with another number of steps in one set; as a study of its own."""
    changed = yaml.safe_load((folder / SMOKE).read_text())
    changed["runs"]["digits"]["sampling"]["generations"] = [{"steps": 1}, {"steps": 3}]
    (folder / "params/changed.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    return "params/changed.yaml"


def test_one_set_of_other_parameters_is_drawn_alone(workspace):
    """One job draws the sets of a run; those that stand keep their bits and their records."""
    samples = workspace / "results/smoke/digits/samples"
    before = {path.name: path.read_bytes() for path in samples.iterdir()}
    study = changed_steps(workspace)
    assert "uniformity digits" not in pending(workspace, study=study)
    snakemake(workspace, "tables", study=study, check=True)
    assert "1 of 4 sets drawn" in (workspace / "logs/samples/digits.log").read_text()
    assert {name: (samples / name).read_bytes() for name in before} == before
    assert (samples / "generation-3-fixed-shared.zip").is_file()
    wanted = "results/smoke/digits/samples/generation-1.zip"
    snakemake(workspace, wanted, "--force", study=study, check=True)
    assert "1 of 4 sets drawn" in (workspace / "logs/samples/digits.log").read_text()
    assert (workspace / wanted).read_bytes() == before["generation-1.zip"]


def test_a_failed_job_leaves_the_sets_that_stood_and_loses_none_that_it_drew(workspace):
    """Snakemake deletes or restores what a failed job leaves: finished sets wait where it does not look."""
    samples = workspace / "results/smoke/digits/samples"
    before = {path.name: path.read_bytes() for path in samples.iterdir()}
    study = changed_steps(workspace)
    (samples / "reconstruction.zip").unlink()
    module = workspace / "src/sphere_repro/commands/sample.py"
    whole = module.read_text()
    broken = whole.replace(
        "    return timed(", '    if "-3-" in job.set:\n        raise UserError("broken")\n    return timed('
    )
    module.write_text(broken)
    failed = snakemake(workspace, "tables", study=study)
    assert failed.returncode == 1 and "broken" in failed.stdout + failed.stderr
    kept = {path.name: path.read_bytes() for path in samples.iterdir()}
    assert kept == {name: before[name] for name in before if name != "reconstruction.zip"}
    (waiting,) = workspace.glob(".state/samples/*/reconstruction.zip")
    assert waiting.read_bytes() == before["reconstruction.zip"]
    drawn = waiting.with_suffix(".json").read_bytes()
    module.write_text(whole)
    snakemake(workspace, "tables", study=study, check=True)
    assert (samples / "reconstruction.json").read_bytes() == drawn
    assert (samples / "reconstruction.zip").read_bytes() == before["reconstruction.zip"]


def test_several_trainings_of_a_run_only_add_jobs(workspace):
    changed = yaml.safe_load((workspace / SMOKE).read_text())
    changed["runs"]["digits"]["replicates"] = 2
    (workspace / "params/changed.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    compared = {
        "fid_table",
        "claims",
        "paper_tables",
        "draw",  # what compares all runs
    }
    jobs = pending(workspace, study="params/changed.yaml")
    assert jobs == {"train digits_r1", "samples digits_r1", "score digits_r1", *compared}
    snakemake(workspace, "tables", study="params/changed.yaml", check=True)
    rows = list(csv.DictReader((workspace / "results/fid_table.csv").open()))
    found = {(row["run"], row["replicate"], row["set"]): row for row in rows}
    assert len(rows) == len(found) == 9
    first, second = (found["digits", number, "generation-1"] for number in "01")
    assert first["frechet"] != second["frechet"]
    mean, deviation = float(first["frechet_mean"]), float(first["frechet_deviation"])
    assert mean == pytest.approx((float(first["frechet"]) + float(second["frechet"])) / 2, rel=1e-5)
    assert deviation == pytest.approx(abs(mean - float(first["frechet"])) * 2**0.5, rel=1e-3)
    claims = csv.DictReader((workspace / "results/claims.csv").open())
    (compared_claim,) = [row for row in claims if row["claim"] == "sphere-prior-not-far-worse"]
    assert "2 trainings of digits, one of digits-vae" in compared_claim["numbers"]
    assert pending(workspace) == {"fid_table", "claims", "paper_tables"}  # of one training each again


def test_an_edited_figure_module_redraws_and_trains_nothing(workspace):
    module = workspace / "src/sphere_repro/figures/samples.py"
    module.write_text(module.read_text() + "\n# edited\n")
    assert pending(workspace) == {"draw digits"}


def test_a_figure_that_is_named_before_the_others_are_there_is_drawn_alone(workspace):
    named = ("results/figures/training-curves.png", "results/notebooks/samples-digits.ipynb")
    assert pending(workspace, *named) == set()
    for path in workspace.glob("results/figures/*"):
        path.unlink()
    (workspace / "results/smoke/digits/scores.efficientnet-lite0.json").unlink()
    assert pending(workspace, named[0]) == {"figure training-curves"}
    assert pending(workspace, named[1]) == {"figure samples-digits", "score digits"}
    rest = {"figure distance-by-steps", "draw digits", "score digits"}
    assert rest | {"figure training-curves"} <= pending(workspace, "all", named[0])
    assert {"draw", "draw digits", "score digits"} <= pending(workspace)
    whole = (named[0], "results/figures/distance-by-steps.png")
    assert pending(workspace, *whole) == {"draw", "score digits"}
    snakemake(workspace, named[0], check=True)
    assert pending(workspace, named[0]) == set()


def test_edited_training_code_retrains_nothing_but_is_told(workspace):
    module = workspace / "src/sphere_repro/training/loop.py"
    module.write_text(module.read_text() + "\n# edited\n")
    assert pending(workspace) == {"fid_table", "claims", "paper_tables"}  # the claims read the table
    snakemake(workspace, check=True)
    rows = list(csv.DictReader((workspace / "results/fid_table.csv").open()))
    assert {row["code_changed"] for row in rows} == {"training"}
    told = run(workspace, "python", "-m", "sphere_repro", "explain", "results/fid_table.csv")
    assert "the code that makes it has changed since" in told.stdout


EDITED = (
    "data/prepared/digits-8px.zip",
    "results/smoke/digits/model.safetensors",
    "results/smoke/digits/training.csv",
    "results/smoke/digits/samples/generation-1.zip",
    "results/smoke/digits/latents.npz",
    "results/smoke/reference/digits-8px.efficientnet-lite0.npz",
    "results/smoke/digits/scores.efficientnet-lite0.json",
    "results/uniformity/smoke/digits.json",
    "results/fid_table.csv",
    "results/claims.csv",
    "results/figures/training-curves.png",
)


ONE_OF_EACH_FORM = tuple({PurePath(name).suffix: name for name in EDITED}.values())


@pytest.mark.parametrize(("damage", "names"), [("edited", EDITED), ("truncated", ONE_OF_EACH_FORM)])
def test_an_edited_result_is_named_before_anything_reads_it(workspace, damage, names):
    for name in names:
        path = workspace / name
        whole = path.read_bytes()
        path.write_bytes(edited(whole) if damage == "edited" else whole[: len(whole) // 2])
        done = snakemake(workspace)
        assert done.returncode == 2, (name, done.stdout, done.stderr)
        assert name in done.stderr and "Traceback" not in done.stderr
        assert "dvc checkout" in done.stderr or "is not a readable JSON file" in done.stderr
        path.write_bytes(whole)
    assert pending(workspace) == set()


def edited(content):
    """Other bytes of the same length; in JSON, another number."""
    if content.startswith(b"{"):
        place = content.rindex(b"0")
        return content[:place] + b"1" + content[place + 1 :]
    return content[:-1] + bytes([content[-1] ^ 1])


def test_a_deleted_result_is_made_again(workspace):
    scores = "results/smoke/digits/scores.efficientnet-lite0.json"
    for name in (scores, "results/figures/training-curves.png"):
        (workspace / name).unlink()
    jobs = pending(workspace)
    assert "draw" in jobs
    assert not any(job.startswith(("prepare", "train", "sample", "encode", "reference")) for job in jobs)
    assert pending(workspace, scores) == {
        "score digits"
    }  # asked for, since nothing that is asked for lacks it


def test_results_of_another_revision_are_never_taken(workspace):
    """As after dvc checkout of other results: Snakemake's records are those of the study's parameters."""
    path = workspace / "results/smoke/digits/samples/generation-1.json"
    record = json.loads(path.read_text())
    record["job"]["count"] = 50
    write_record(path, record, [path.with_suffix(".zip")])
    again = {"samples digits", "score digits", "fid_table", "draw digits"}
    assert again <= pending(workspace)
    assert again <= pending(workspace)  # a dry run changes nothing
    snakemake(workspace, "tables", check=True)
    assert json.loads(path.read_text())["job"]["count"] == 64
    assert pending(workspace, "tables") == set()


def test_results_of_other_parameters_are_never_taken_without_snakemakes_records(workspace):
    shutil.rmtree(workspace / ".snakemake")
    study = yaml.safe_load((workspace / SMOKE).read_text())
    study["runs"]["digits"]["training"]["batch_size"] = 32
    (workspace / SMOKE).write_text(yaml.safe_dump(study, sort_keys=False))
    jobs = pending(workspace)
    assert {"train digits", "samples digits", "score digits", "fid_table"} <= jobs
    assert "train digits-vae" not in jobs


def test_touched_files_of_the_same_content_make_nothing_old(workspace):
    for path in workspace.glob("data/prepared/*"):
        os.utime(path)
    assert pending(workspace) == set()


def test_the_report_is_made_offline(workspace):
    finished = workspace
    done = snakemake(finished, "--report", "results/report.html")
    assert done.returncode == 0, done.stderr
    text = (finished / "results/report.html").read_text()
    files = StudyFiles(load_study(finished / SMOKE))
    wanted = [*paper_table_files(files, "results"), "results/fid_table.csv", "results/claims.csv"]
    for made in (catalogue.figure_files, catalogue.page_files, catalogue.notebook_files):
        wanted += made(files, "results")
    start = text.index("var categories = ") + len("var categories = ")
    categories, _ = json.JSONDecoder().raw_decode(text[start:])
    assert set(categories) == {"Tables", "Figures", "Notebooks"}
    listed = [path for groups in categories.values() for paths in groups.values() for path in paths]
    assert sorted(listed) == sorted(wanted)
    captions = re.findall(r'"caption": "((?:[^"\\]|\\.)*)"', text)
    assert len(captions) == len(wanted) and all(captions)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sed": 1}, "did you mean 'seed'"),
        ({"seed": "many"}, "seed"),
        (
            {"runs": {"digits": {"dataset": {"name": "digit"}, "training": {"epochs": 1}}}},
            "did you mean 'digits'",
        ),
    ],
)
def test_a_wrong_study_is_one_sentence_and_status_two(checkout, change, expected):
    study = yaml.safe_load((checkout / SMOKE).read_text()) | change
    (checkout / "params/wrong.yaml").write_text(yaml.safe_dump(study))
    done = snakemake(checkout, "-n", study="params/wrong.yaml")
    assert done.returncode == 2
    assert expected in done.stderr and "Traceback" not in done.stderr


def test_another_study_replaces_the_default_one_whole(finished):
    done = snakemake(finished, "-n", "--forceall")
    assert "photo-patches" not in done.stdout


def own_study(folder, **dataset):
    """A study of one run on images of one's own."""
    study = yaml.safe_load((folder / SMOKE).read_text())
    run_of = study["runs"]["digits"]
    run_of["dataset"] = {"folder": "cats", "resolution": 8, **dataset}
    run_of["training"]["batch_size"] = 8  # no dataset here has many images
    study |= {"study": "own", "runs": {"cats": run_of}}
    (folder / "params/own.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return "params/own.yaml"


def cats(place):
    """Eighty pictures in two class folders."""
    random = np.random.default_rng(0)
    for index in range(80):
        path = place / ("sleeping" if index % 2 else "awake") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(path)


def test_a_portable_study_is_computed_so_and_nothing_is_old_for_it(workspace):
    path = workspace / SMOKE
    path.write_text("execution: {portable: true}\n" + path.read_text())
    assert pending(workspace) == set()
    model = "results/smoke/digits/model.safetensors"
    before = json.loads((workspace / model).with_suffix(".json").read_text())["machine"]
    (workspace / model).unlink()
    snakemake(workspace, model, check=True)
    after = json.loads((workspace / model).with_suffix(".json").read_text())["machine"]
    assert (before["portable"], after["portable"]) == (False, portable.possible())


def test_one_study_may_use_images_in_several_ways(checkout):
    cats(checkout / "cats")
    cats(checkout / "more/cats")
    study = own_study(checkout)
    content = yaml.safe_load((checkout / study).read_text())
    plain = content["runs"]["cats"]
    ways = {
        "plain": {"folder": "cats/"},
        "without": {"folder": "cats", "classes": 0},
        "others": {"folder": "more/cats"},
        "named": {"folder": "more/cats", "name": "same"},
        "alike": {"folder": "cats", "name": "same"},
        "digits": {"name": "digits"},
        "digits-again": {"name": "digits", "resolution": 8},
    }
    for name, dataset in ways.items():
        own = {} if "digits" in name else {"resolution": 8}
        content["runs"][name] = plain | {"dataset": dataset | own, "model": {"conditional": False}}
    (checkout / study).write_text(yaml.safe_dump(content, sort_keys=False))
    snakemake(checkout, "data", study=study, check=True)
    archives = {path.name: ImageArchive(path) for path in checkout.glob("data/prepared/*.zip")}
    assert len(archives) == 6 and sum(archive.labels is None for archive in archives.values()) == 1
    assert pending(checkout, "data", study=study) == set()
    assert pending(checkout, "references", study=study) == {"reference"}


def test_a_folder_of_ones_own_is_prepared_again_when_its_pictures_change(checkout):
    cats(checkout / "cats")
    study = own_study(checkout, name="cats")
    snakemake(checkout, "data", study=study, check=True)
    (path,) = checkout.glob("data/prepared/cats-*-8px.json")
    record = json.loads(path.read_text())
    assert record["class_counts"] == [40, 40] and record["job"]["content"] == record["content"]
    assert pending(checkout, "data", study=study) == set()
    for path in checkout.glob("cats/*/*.png"):
        os.utime(path, (10**9, 10**9))
    assert pending(checkout, "data", study=study) == set()
    (checkout / "cats").rename(checkout / "away")
    study = own_study(checkout, name="cats", classes=2)  # on a machine without the pictures
    assert pending(checkout, "data", study=study) == set()
    (checkout / "away").rename(checkout / "cats")
    (checkout / "cats/awake/0.png").unlink()
    assert pending(checkout, "data", study=study) == {"prepare"}
    assert {"prepare", "train cats"} <= pending(checkout, study=study)


def test_a_dataset_is_downloaded_before_it_is_prepared(checkout, monkeypatch):
    with serving() as server:
        source, pixels, labels = replicas.animal_faces(monkeypatch, server)
        table = yaml.safe_load((checkout / "data/sources.yaml").read_text())
        table["animal-faces"] = source.model_dump(mode="json", exclude_defaults=True)
        (checkout / "data/sources.yaml").write_text(yaml.safe_dump(table))
        study = own_study(checkout)
        text = (checkout / study).read_text().replace("folder: cats", "name: animal-faces")
        (checkout / study).write_text(text)
        assert pending(checkout, "data", study=study) == {"download", "prepare"}
        server.faults = Faults(missing=404)
        failed = snakemake(checkout, "data", study=study)
        assert failed.returncode and server.url("afhq.zip") in failed.stdout + failed.stderr
        server.faults = Faults()
        snakemake(checkout, "data", study=study, check=True)
    archive = ImageArchive(checkout / "data/prepared/animal-faces-8px.zip", 3)
    assert len(archive) == len(pixels) and archive.labels.tolist() == labels
    shutil.rmtree(checkout / "data/raw/animal-faces")
    assert pending(checkout, "data", study=study) == set()
    told = run(checkout, "git", "status", "--porcelain", "-uall").stdout
    assert "data/raw/animal-faces.json" in told and "data/raw/animal-faces.first.json" in told
    assert "data/raw/animal-faces/" not in told

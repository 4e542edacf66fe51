"""Pretrained autoencoders through the whole DAG: one from a hub on loopback, one from a folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

from conftest import pending, run, snakemake
from data.server import serving
from shown import assert_shown
from sphere_repro.study import catalogue
from sphere_repro.study.config import load_study
from sphere_repro.study.files import StudyFiles
from tiny_autoencoders import saved

pytestmark = pytest.mark.slow

STUDY = "params/holes-small.yaml"
COMMIT = "d" * 40
DATASET = {"name": "digits", "resolution": 8}
SIZE = {"width": 16, "layers": 1, "heads": 2}
SAMPLING = {"count": 60}


def written() -> dict[str, object]:
    sphere = {
        "dataset": DATASET,
        "model": {"encoder": SIZE, "decoder": SIZE, "encoder_mixer_depth": 1, "decoder_mixer_depth": 1},
        "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
        "training": {"epochs": 1, "warmup_epochs": 0, "precision": "float32"},
        "sampling": SAMPLING | {"generations": [{"steps": 1}]},
    }
    from_hub = {"kind": "pretrained-vae", "source": "owner/name", "subfolder": "vae", "revision": COMMIT}
    score = {"extractor": "efficientnet-lite0", "jackknife_groups": 3, "kid_subsets": 5, "kid_subset_size": 5}
    score["reference_count"] = 128
    return {
        "study": "holes-small",
        "runs": {
            "digits": sphere,
            "from-hub": {
                "dataset": DATASET,
                "model": from_hub,
                "sampling": SAMPLING,
                "baseline_of": "digits",
            },
            "own": {
                "dataset": DATASET,
                "model": {"kind": "pretrained-vae", "source": "./mine"},
                "sampling": SAMPLING,
            },
        },
        "score": score,
        "uniformity": {"count": 60, "null_draws": 20},
        "figures": ["posterior-hole-models"],
    }


def publish(server, folder: Path) -> None:
    """The autoencoder in `folder`, in the subfolder vae of owner/name."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    about = {"sha": COMMIT, "siblings": [{"rfilename": f"vae/{name}"} for name in files]}
    server.files[f"api/models/owner/name/revision/{COMMIT}"] = json.dumps(about).encode()
    server.files |= {f"owner/name/resolve/{COMMIT}/vae/{name}": content for name, content in files.items()}


def test_from_a_hub_and_a_folder_to_figures(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / STUDY).write_text(yaml.safe_dump(written(), sort_keys=False))
    saved(tmp_path / "theirs", flux2=True)
    saved(checkout / "mine", scaling_factor=0.5)
    with serving() as server:
        publish(server, tmp_path / "theirs")
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.port}")
        done = snakemake(checkout, study=STUDY)
    assert done.returncode == 0, done.stderr[-3000:]
    assert pending(checkout, study=STUDY) == set()

    place = checkout / "results/studies/holes-small"
    rows = list(csv.DictReader((place / "fid_table.csv").open()))
    found = {(row["run"], row["set"]) for row in rows if row["model"] == "pretrained-vae"}
    sets = ("reconstruction", "prior", "posterior")
    assert found == {(name, each) for name in ("from-hub", "own") for each in sets}
    files = StudyFiles(load_study(checkout / STUDY))
    others = catalogue.figures(files)
    assert [path.stem for path in (place / "figures").glob("*.png")] == ["posterior-hole-models"]
    for name in ("posterior-hole-from-hub", "posterior-hole-own", "distance-by-steps"):
        assert_shown(others[name], checkout, tmp_path / f"{name}.png")
    page = (place / "pages/posterior-hole-models.html").read_text()
    assert all(f'"name": "{name}"' in page for name in ("digits", "from-hub", "own"))
    assert (place / "notebooks/posterior-hole-models.ipynb").is_file()
    claims = json.loads((place / "claims.json").read_text())["claims"]
    told = [claim for claim in claims if claim["run"] == "own"]
    assert [claim["claim"] for claim in told] == ["vae-prior-far-worse"]
    assert "authors' choice" in told[0]["note"]

    said = run(
        checkout, "python", "-m", "sphere_repro", "explain", "results/holes-small/from-hub/samples/prior.zip"
    )
    assert f"AutoencoderKLFlux2 of owner/name/vae at {COMMIT}" in said.stdout
    run(checkout, "python", "workflow/scripts/write_pipeline.py", STUDY)
    stages = yaml.safe_load((checkout / "workflow/pipelines/holes-small/dvc.yaml").read_text())["stages"]
    assert "import-own" in stages and "mine" in stages["jobs"]["deps"]

    saved(checkout / "mine", scaling_factor=0.9)  # another autoencoder: its run is made anew, no other
    again = pending(checkout, study=STUDY)
    assert {"import_pretrained own", "sample own", "score own"} <= again
    assert not any(job.endswith(("from-hub", "digits")) for job in again if not job.startswith("figure"))
    assert files.fetched

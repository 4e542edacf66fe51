"""A pretrained autoencoder through the verbs: fetched from a hub, imported, drawn from, scored, traced."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from data.server import serving
from sphere_repro.cli import main
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.loading import to_unit
from sphere_repro.models.checkpoint import load_model
from sphere_repro.sampling.painting import latents
from sphere_repro.sampling.precision import lower
from sphere_repro.sampling.refine import sample_noise, to_bytes
from sphere_repro.study import jobs
from sphere_repro.study.config import load_study
from tiny_autoencoders import saved

COMMIT = "c" * 40
MODEL, DATA = "results/holes/theirs/model.safetensors", "data/prepared/digits-8px.zip"
SAMPLES = "results/holes/theirs/samples"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study of one pretrained autoencoder, FLUX.2's class, and an archive of 40 digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    run = {
        "dataset": {"name": "digits", "resolution": 8},
        "model": {"kind": "pretrained-vae", "source": "owner/name"},
        "sampling": {"count": 24, "batch_size": 10},
    }
    study = {"study": "holes", "runs": {"theirs": run}, "score": {"extractor": "efficientnet-lite0"}}
    Path("study.yaml").write_text(yaml.safe_dump(study))
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    write_archive(Path(DATA), images, [index % 10 for index in range(40)])
    return tmp_path


def fetched(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """`fetch`, from a hub on loopback that has the files in `folder`."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.port}")
        rows = [{"rfilename": name} for name in files]
        about = json.dumps({"sha": COMMIT, "siblings": rows, "cardData": {"license": "mit"}})
        server.files["api/models/owner/name/revision/main"] = about.encode()
        server.files |= {f"owner/name/resolve/{COMMIT}/{name}": content for name, content in files.items()}
        return main(["fetch", *words])


def run(verb: str, *words: str) -> None:
    assert main([verb, "--study", "study.yaml", "--run", "theirs", *words]) == 0


def test_from_the_hub_to_images(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "study.yaml"]) == 0
    said = capsys.readouterr().out
    assert (
        "no commit: what it means is decided when it is first fetched" in said and "not fetched yet" in said
    )
    assert main(["import", "--study", "study.yaml", "--run", "theirs", "--out", MODEL]) == 2
    assert "has not been fetched yet" in capsys.readouterr().err and not Path(MODEL).exists()

    saved(place / "theirs", flux2=True)
    assert fetched(place / "theirs", monkeypatch, "study.yaml") == 0
    assert f"the commit fetched is {COMMIT}" in capsys.readouterr().err
    run("import", "--out", MODEL)
    for name in ("reconstruction", "prior", "posterior"):
        run("sample", "--set", name, "--model", MODEL, "--data", DATA, "--out", f"{SAMPLES}/{name}.zip")
    capsys.readouterr()
    assert main(["explain", f"{SAMPLES}/prior.zip"]) == 0
    said = capsys.readouterr().out
    for words in ("AutoencoderKLFlux2 of owner/name", COMMIT, "licence mit", "batch normalisation"):
        assert words in said
    origin = json.loads(Path(MODEL).with_suffix(".json").read_text())
    weights = place / "theirs/diffusion_pytorch_model.safetensors"
    assert origin["digests"][weights.name] == hashlib.sha256(weights.read_bytes()).hexdigest()

    drawn = {name: ImageArchive(Path(f"{SAMPLES}/{name}.zip")) for name in ("prior", "posterior")}
    pixels = {name: np.stack([each.read(i) for i in range(24)]) for name, each in drawn.items()}
    assert (pixels["prior"] != pixels["posterior"]).any() and len(np.unique(pixels["prior"], axis=0)) == 24


def test_the_estimate_is_of_posterior_draws_of_all_images(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn again by hand: the same noise, the mean and deviation of all latents, in float64."""
    saved(place / "theirs", scaling_factor=0.7, shift_factor=0.3)
    assert fetched(place / "theirs", monkeypatch, "study.yaml") == 0
    run("import", "--out", MODEL)
    run("sample", "--set", "posterior", "--model", MODEL, "--data", DATA, "--out", f"{SAMPLES}/posterior.zip")
    checkpoint, source = load_model(MODEL), ImageArchive(Path(DATA))
    seed = jobs.seed_for(load_study("study.yaml"), "theirs")
    x = to_unit(torch.from_numpy(np.stack([source.read(i) for i in range(40)])).permute(0, 3, 1, 2))
    z = latents(checkpoint, x, None, seed, range(40)).double()
    mean, deviation = z.mean(0).float(), z.var(0, unbiased=False).sqrt().float()
    noise = sample_noise(seed, range(24), (16, 4), 1)[0]
    with torch.no_grad():
        wanted = to_bytes(checkpoint.model.decode(mean + deviation * noise)).numpy()
    found = ImageArchive(Path(f"{SAMPLES}/posterior.zip"))
    shown = np.stack([found.read(index) for index in range(24)])
    assert np.abs(shown.astype(int) - wanted).max() <= 1  # batches of another size round otherwise
    with torch.no_grad():  # nor would any other draw do
        others = to_bytes(checkpoint.model.decode(noise)), to_bytes(checkpoint.model.decode(mean + noise))
    assert all(np.abs(shown.astype(int) - other.numpy()).max() > 20 for other in others)


def test_bfloat16_leaves_the_normalisation_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(place / "theirs", flux2=True)
    assert fetched(place / "theirs", monkeypatch, "study.yaml", "--run", "theirs") == 0
    run("import", "--out", MODEL)
    model, x = load_model(MODEL).model, torch.zeros(2, 3, 8, 8)
    with torch.no_grad():
        before = model.posterior(x)[0]  # type: ignore[union-attr]
        lower(model, "bfloat16")
        after = model.posterior(x)[0]  # type: ignore[union-attr]
        assert model.decode(after).dtype == torch.float32
    state = load_file(MODEL)
    assert torch.equal(model.spread, state["raw.spread"]) and after.dtype == torch.float32
    assert not torch.equal(before, after) and torch.allclose(before, after, atol=0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "fetch needs either a study file or --model JSON"),
        (["study.yaml", "--model", "{}"], "fetch needs either a study file or --model JSON"),
        (["study.yaml", "--run", "their"], "no pretrained-vae is called 'their', did you mean 'theirs'"),
        (["--model", '{"source": "x"}'], "is neither OWNER/NAME on the hub nor a folder"),
        (["--model", '{"source": "./x"}'], "there is nothing to fetch"),
    ],
)
def test_what_fetch_cannot_do(
    place: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", *words]) == 2
    assert said.partition(",")[0] in capsys.readouterr().err


def test_a_study_that_takes_nothing_from_a_hub(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("study.yaml").read_text().replace("owner/name", "./mine")
    Path("study.yaml").write_text(text)
    assert main(["fetch", "study.yaml"]) == 0
    assert "takes nothing from a hub" in capsys.readouterr().out


def test_diffusers_is_not_loaded_before_it_is_needed(place: Path) -> None:
    program = (
        "import sys; from sphere_repro.cli import main; assert main(['check', 'study.yaml']) == 0; "
        "import sphere_repro.sampling.sets; sys.exit('diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0

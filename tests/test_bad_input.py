"""Bad input by the command line: one sentence, status 2, nothing lost, nothing left lying about."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from conftest import ROOT
from sphere_repro import verbs
from sphere_repro.cli import main
from sphere_repro.data.archive import ImageArchive, image_name, write_archive
from sphere_repro.data.embedded import digits

SIZE = {"width": 16, "layers": 1, "heads": 2}
MODEL = {
    "encoder": SIZE,
    "decoder": SIZE,
    "pixel_head": "conv",
    "encoder_mixer_depth": 1,
    "decoder_mixer_depth": 1,
}
TRAINING = {
    "epochs": 2,
    "warmup_epochs": 0.1,
    "batch_size": 16,
    "learning_rate": 8e-3,
    "precision": "float32",
    "ema_decay": 0.9,
}
STUDY: dict[str, Any] = {
    "study": "test",
    "runs": {
        "digits": {
            "dataset": {"name": "digits"},
            "model": MODEL,
            "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
            "training": TRAINING,
            "sampling": {"count": 24, "batch_size": 8, "generations": [{"steps": 1}, {"steps": 2}]},
        },
        "digits-vae": {
            "dataset": {"name": "digits"},
            "model": MODEL | {"kind": "vae"},
            "loss": {"pix_recon_perceptual": 0, "kl": 1e-4},
            "training": TRAINING,
            "sampling": {"count": 24, "batch_size": 8},
            "baseline_of": "digits",
        },
    },
    "score": {
        "extractor": "efficientnet-lite0",
        "reference_count": 32,
        "kid_subsets": 5,
        "kid_subset_size": 10,
        "jackknife_groups": 4,
    },
    "uniformity": {"count": 48, "null_draws": 20},
}
SETS = ("reconstruction", "generation-1", "generation-2-fixed-shared")
OLD = b"what was here before"
OLDER = ("a.zip", "a.safetensors", "a.csv", "a.npz", "a.json", "a.png")
INTERRUPTED = "sphere-repro: interrupted. The same command takes up the work again.\n"


class Bench:
    """A finished tiny study in a folder, and the command line beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study = folder / "study.yaml"
        self.data = folder / "digits.zip"
        self.model = folder / "digits" / "model.safetensors"
        self.vae = folder / "digits-vae" / "model.safetensors"
        self.reference = folder / "reference.npz"
        self.scores = folder / "digits" / "scores.json"
        self.curves = folder / "digits" / "training.csv"
        self.latents = folder / "digits" / "latents.npz"
        self.uniformity = folder / "digits" / "uniformity.json"
        self.out = folder / "out"

    def samples(self, run: str = "digits") -> list[Path]:
        return sorted((self.folder / run / "samples").glob("*.zip"))

    def set(self, name: str) -> Path:
        return self.folder / "digits" / "samples" / f"{name}.zip"

    def own_reference(self) -> Path:
        """The reference as a file of its own, which may be spoilt."""
        whole = self.reference.read_bytes()
        self.reference.unlink()
        self.reference.write_bytes(whole)
        return self.reference

    def with_study(self, change: Callable[[dict[str, Any]], object]) -> Path:
        """The study's file, changed."""
        study = yaml.safe_load(self.study.read_text())
        change(study)
        self.study.write_text(yaml.safe_dump(study))
        return self.study

    def command(self, verb: str, **changes: Any) -> list[str]:
        """A good command of `verb`; `changes` replace option values (None: the option is left out)."""
        out = self.out
        job = {"study": self.study, "run": "digits"}
        options: dict[str, dict[str, Any]] = {
            "prepare": {**job, "out": out / "a.zip"},
            "train": {
                **job,
                "data": self.data,
                "out": out / "a.safetensors",
                "curves": out / "a.csv",
                "state": out / "state",
            },
            "sample": {**job, "set": SETS[1], "data": self.data, "model": self.model, "out": out / "a.zip"},
            "encode": {**job, "data": self.data, "model": self.model, "out": out / "a.npz"},
            "reference": {**job, "data": self.data, "out": out / "a.npz"},
            "score": {
                **job,
                "data": self.data,
                "reference": self.reference,
                "sets": self.samples(),
                "out": out / "a.json",
            },
            "uniformity": {**job, "latents": self.latents, "out": out / "a.json"},
            "figure": {"out": out / "a.png"},
            "table": {"out": out / "a.csv"},
            "claims": {"scores": [self.scores], "uniformity": [self.uniformity], "out": out / "a.json"},
            "generate": {"count": 3, "steps": 2},
            "check": {},
            "plan": {"device": "h100"},
        }
        places: dict[str, list[Any]] = {
            "figure": ["training-curves", f"digits={self.curves}"],
            "table": [self.scores],
            "generate": [self.model, out / "a.zip"],
            "check": [self.study],
            "plan": [self.study],
        }
        if "places" in changes:
            places[verb] = changes.pop("places")
        words = [verb, *places.get(verb, [])]
        for name, value in (options[verb] | changes).items():
            if value is not None:
                words += [f"--{name}", *(value if isinstance(value, list) else [value])]
        return [str(word) for word in words]

    def run(self, verb: str, **changes: Any) -> int:
        return main(self.command(verb, **changes))


VERBS = (
    *("prepare", "train", "sample", "encode", "reference", "score", "uniformity"),
    *("figure", "table", "claims", "generate"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study, run once by the command line."""
    bench = Bench(tmp_path_factory.mktemp("bench"))
    bench.study.write_text(yaml.safe_dump(STUDY))
    images, labels = digits()
    write_archive(bench.data, images[:48], np.asarray(labels[:48]))
    for run, model in (("digits", bench.model), ("digits-vae", bench.vae)):
        home = model.parent
        assert bench.run("train", run=run, out=model, curves=home / "training.csv") == 0
        names = SETS if run == "digits" else ("reconstruction", "prior", "posterior")
        for name in names:
            out = home / "samples" / f"{name}.zip"
            assert bench.run("sample", run=run, set=name, model=model, out=out) == 0
        assert bench.run("encode", run=run, model=model, out=home / "latents.npz") == 0
    assert bench.run("reference", out=bench.reference) == 0
    assert bench.run("score", out=bench.scores) == 0
    assert bench.run("uniformity", out=bench.uniformity) == 0
    shutil.rmtree(bench.out, ignore_errors=True)
    return bench.folder


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output is flushed to the disk, which costs the tests more than all the rest."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def bench(finished: Path, tmp_path: Path) -> Bench:
    """A copy that a test may spoil, with older files where the outputs go."""
    shutil.copytree(finished, tmp_path / "bench", ignore=shutil.ignore_patterns("reference.npz"))
    bench = Bench(tmp_path / "bench")
    bench.reference.symlink_to(finished / "reference.npz")  # 13 MB, which few tests spoil: `own_reference`
    bench.out.mkdir()
    for name in OLDER:
        (bench.out / name).write_bytes(OLD)
    return bench


def contents(folder: Path) -> dict[str, Any]:
    """Every file's bytes, or the time of the last change of a large one."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        if path.stat().st_size > 10**6
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def refused(
    bench: Bench, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> Callable[..., str]:
    """Run a command that must fail as all bad input must; its sentence contains all the words."""

    def check(arguments: list[str], *words: str, unchanged: bool = True) -> str:
        before = contents(bench.folder)
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as leave:  # argparse's way out
            status = int(str(leave.code))
        captured = capsys.readouterr()
        assert status == 2
        assert captured.out == ""
        assert captured.err.startswith("sphere-repro: ") and captured.err.count("\n") == 1
        assert captured.err.rstrip().endswith((".", "?"))
        for strange in ("Traceback", "pydantic", "  ", "object at 0x", "?."):
            assert strange not in captured.err
        for word in words:
            assert word in captured.err
        assert not [warning for warning in recwarn if warning.category is not ResourceWarning]
        after = contents(bench.folder)
        assert not [name for name in after if ".part" in name]
        if unchanged:
            assert after == before
        return captured.err

    return check


def test_the_commands_are_good(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """What the other tests spoil works as it stands, and says nothing on standard error."""
    for verb in VERBS:
        assert bench.run(verb) == 0, verb
    assert capsys.readouterr().err == ""
    assert all(data != OLD for data in contents(bench.out).values())


# -- the study


def in_run(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(study: dict[str, Any]) -> None:
        place = study["runs"]["digits"]
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value

    return change


STUDIES: dict[str, tuple[Callable[[dict[str, Any]], object], tuple[str, ...]]] = {
    "misspelt key": (
        in_run("training", "bach_size", value=8),
        ("runs.digits.training", "unknown key 'bach_size'", "did you mean 'batch_size'?"),
    ),
    "unknown key": (in_run("training", "zzz", value=8), ("unknown key 'zzz'", "known are epochs")),
    "wrong type": (in_run("training", "epochs", value="many"), ("runs.digits.training.epochs", "'many'")),
    "wrong range": (in_run("loss", "alpha_max", value=95), ("runs.digits.loss.alpha_max", "less than 90")),
    "patch": (in_run("model", "patch_size", value=3), ("patch_size 3 does not divide the 8-pixel images",)),
    "no batch": (in_run("training", "batch_size", value=0), ("training.batch_size", "not 0")),
    "dataset": (in_run("dataset", "name", value="digit"), ("unknown dataset 'digit'", "'digits'?")),
    "extractor": (
        lambda study: study["score"].update(extractor="inceptoin"),
        ("score.extractor", "'inceptoin'"),
    ),
    "no run": (lambda study: study["runs"].clear(), ("runs",)),
}


@pytest.mark.parametrize("verb", ["check", "plan", "train", "sample"])
@pytest.mark.parametrize("fault", STUDIES)
def test_bad_studies(bench: Bench, refused: Callable[..., str], fault: str, verb: str) -> None:
    change, words = STUDIES[fault]
    bench.with_study(change)
    refused(bench.command(verb), str(bench.study), *words)


def test_study_that_is_none(bench: Bench, refused: Callable[..., str]) -> None:
    refused(bench.command("check", places=[bench.folder / "none.yaml"]), "none.yaml does not exist")
    refused(bench.command("check", places=[bench.folder]), "is not readable YAML")
    refused(bench.command("check", places=[bench.model]), "is not readable YAML")


def test_batch_larger_than_the_dataset(bench: Bench, refused: Callable[..., str]) -> None:
    bench.with_study(in_run("training", "batch_size", value=49))
    refused(bench.command("train"), "runs.digits.training.batch_size is 49", "holds only 48 images")


def test_objective_without_a_term(bench: Bench, refused: Callable[..., str]) -> None:
    for term in ("pix_recon_l1", "pix_con_l1", "lat_con"):
        bench.with_study(in_run("loss", term, value=0))
    refused(bench.command("train"), "runs.digits.loss: every weight is 0")


# -- unknown names


def test_unknown_names(bench: Bench, refused: Callable[..., str]) -> None:
    refused(["trian"], "'trian'", "train")
    refused([], "VERB")
    refused(bench.command("train", run="digit"), "no run is called 'digit'", "'digits'?")
    refused(bench.command("sample", set="generation-3"), "no sample set 'generation-3'", "did you mean")
    refused(bench.command("sample", set=None), "needs --set NAME", *SETS)
    refused(
        bench.command("sample", run="digits-vae", set=SETS[1]), "no sample set", "known are reconstruction"
    )
    refused(bench.command("reference", extractor="lite"), "--extractor", "'lite'")
    refused(bench.command("score", extractor="lite"), "--extractor", "'lite'")
    refused(bench.command("figure", places=["sampels"]), "No figure is called 'sampels'", "'samples'?")
    for name in ("samples", "posterior-hole", "uniformity", "distance-by-steps", "training-curves"):
        refused(bench.command("figure", places=[name]), "needs")
    refused(bench.command("figure", places=["samples", "real"]), "'real' is not of the form KEY=PATH")
    refused(bench.command("train", nonsense="1"), "--nonsense")
    refused(bench.command("score", sets=bench.samples()[:2]), "the archive of", "is not among --sets")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "--count: must be a whole number from 1"),
        ({"count": "x"}, "not 'x'"),
        ({"count": 10**12}, "--count"),
        ({"steps": 1001}, "--steps: must be a whole number from 1 to 1000"),
        ({"guidance": 0.5}, "guidance.scale"),
        ({"guidance": "nan"}, "guidance.scale"),
        ({"guidance": "inf"}, "guidance.scale"),
        ({"strength": "weak"}, "'weak'"),
        ({"noise": "loud"}, "'loud'"),
        ({"position": "up"}, "'up'"),
        ({"weights": "best"}, "'best'"),
        ({"seed": "x"}, "'x'"),
        ({"threads": 0}, "--threads"),
        ({"threads": 10**19}, "--threads"),
        ({"device": "gpu"}, "There is no device 'gpu'"),
        ({"device": "meta"}, "There is no device 'meta'"),
        ({"device": "mps"}, "There is no device 'mps'"),
    ],
)
def test_wrong_options(
    bench: Bench, refused: Callable[..., str], options: dict[str, Any], words: str
) -> None:
    refused(bench.command("generate", **options), words)


@pytest.mark.parametrize("verb", ["train", "sample", "encode", "reference", "score", "generate"])
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_no_gpu(
    bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, verb: str, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(bench.command(verb, device=device), f"Device '{device}'", "torch sees no GPU", "--device cpu")


def test_not_so_many_gpus(bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    refused(bench.command("generate", device="cuda:2"), "There is no device 'cuda:2'")


# -- jobs as JSON


def job_text(bench: Bench, **changes: Any) -> str:
    from sphere_repro import jobs
    from sphere_repro.config import load_study

    job = json.loads(jobs.as_text(jobs.train_job(load_study(bench.study), "digits")))
    for path, value in changes.items():
        place = job
        *parents, last = path.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    return json.dumps(job)


@pytest.mark.parametrize("text", ["{", "", "[]", "3", "null", "NaN", "[" * 100_000])
def test_job_that_is_no_object(bench: Bench, refused: Callable[..., str], text: str) -> None:
    refused(bench.command("train", job=text, study=None, run=None), "--job is not")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sed": 3}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"training__batch_size": 0}, "training.batch_size"),
        ({"training__batch_size": 999}, "runs.digits.training.batch_size is 999"),
        ({"model__patch_size": 3}, "patch_size 3 does not divide"),
        ({"model__ratio": 1000}, "leaves no latent channel"),
        ({"dataset__name": "mnist"}, "unknown dataset 'mnist'"),
        ({"dataset__resolution": 16}, "8-pixel images, but runs.digits wants 16"),
        ({"dataset__name": "photo-patches"}, "runs.digits wants 16"),
        ({"run": "../../a"}, "'../../a' is no name"),
    ],
)
def test_jobs_that_contradict_themselves(
    bench: Bench, refused: Callable[..., str], changes: dict[str, Any], words: str
) -> None:
    text = job_text(bench, **changes)
    refused(bench.command("train", job=text, study=None, run=None), words)


# -- checkpoints


def spoil(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else int(kept)])


@pytest.mark.parametrize("verb", ["sample", "encode", "generate"])
@pytest.mark.parametrize("kept", [0, 7, 100, 0.5, -1])
def test_truncated_checkpoint(bench: Bench, refused: Callable[..., str], verb: str, kept: float) -> None:
    spoil(bench.model, kept)
    refused(bench.command(verb), str(bench.model), "truncated", "train again")


@pytest.mark.parametrize("verb", ["sample", "encode", "generate"])
def test_foreign_checkpoints(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    from safetensors.torch import save_file

    bench.model.unlink()
    refused(bench.command(verb), str(bench.model), "does not exist", "Train the run first")
    bench.model.write_bytes(np.random.default_rng(0).bytes(4000))
    refused(bench.command(verb), str(bench.model), "not a safetensors file")
    save_file({"weight": torch.zeros(3)}, bench.model)
    refused(bench.command(verb), str(bench.model), "not written by sphere-repro")
    torch.save({"model": {"weight": torch.zeros(3)}}, bench.model)
    refused(bench.command(verb), str(bench.model), "import-released")
    shutil.copy(bench.data, bench.model)
    refused(bench.command(verb), str(bench.model), "not a safetensors file")


def test_checkpoint_of_another_resolution(bench: Bench, refused: Callable[..., str]) -> None:
    bench.with_study(in_run("dataset", "resolution", value=16))
    for verb in ("sample", "encode"):
        refused(bench.command(verb), str(bench.model), "makes 8-pixel images", "has 16 pixels")


def test_checkpoint_of_the_other_kind(bench: Bench, refused: Callable[..., str]) -> None:
    refused(bench.command("sample", model=bench.vae), "not a sample set of a VAE")
    arguments = bench.command("sample", run="digits-vae", set="prior", model=bench.model)
    refused(arguments, "not a sample set of a Sphere Encoder")
    refused(bench.command("generate", places=[bench.vae, bench.out / "a.zip"]), "is a VAE")


def test_released_checkpoints(bench: Bench, refused: Callable[..., str]) -> None:
    pth, config, out = bench.folder / "a.pth", bench.folder / "config.json", bench.out / "a.safetensors"

    def arguments() -> list[str]:
        return ["import-released", str(pth), str(config), str(out)]

    refused(arguments(), "config.json does not exist")
    config.write_text("{}")
    refused(arguments(), "config.json does not describe a released model", "'size'")
    given = {"size": 8, "patch": 2, "ch": 8, "classes": 0, "head": "linear", "angle": 80}
    given |= {"ms_e": "s", "ms_d": "s", "mix_e": 0, "mix_d": 0, "sizes": {"s": SIZE}}
    config.write_text(json.dumps(given))
    refused(arguments(), "a.pth does not exist")
    torch.save({"model": {"surplus": torch.zeros(1)}}, pth)
    refused(arguments(), "it lacks decoder", "more")
    torch.save({"model": {}, "code": Trap(bench.folder / "mark")}, pth)
    refused(arguments(), "holds pickled code, which is never run")
    assert not (bench.folder / "mark").exists()
    for content in (b"", b"PK\x03\x04", np.random.default_rng(0).bytes(500)):
        pth.write_bytes(content)
        refused(arguments(), "a.pth is truncated, not a torch file")
    shutil.copy(bench.model, pth)
    refused(arguments(), "a.pth is truncated, not a torch file")


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.mark),)


# -- image archives


def archive_of(path: Path, images: list[Any], labels: Any = ...) -> None:
    """An archive of PIL images or raw bytes; labels count from 0 to 9 unless given."""
    import io
    import zipfile

    rows = [[image_name(index), index % 10] for index in range(len(images))] if labels is ... else labels
    with zipfile.ZipFile(path, "w") as archive:
        for index, image in enumerate(images):
            buffer = io.BytesIO()
            if isinstance(image, bytes):
                buffer.write(image)
            else:
                image.save(buffer, "PNG")
            archive.writestr(image_name(index), buffer.getvalue())
        archive.writestr("dataset.json", json.dumps({"labels": rows}))


def picture(mode: str = "RGB", side: int = 8) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


READERS = ("train", "sample", "encode", "reference")


@pytest.mark.parametrize("verb", READERS)
def test_bad_archives(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    def bad(*words: str) -> None:
        arguments = bench.command(verb, **({"set": "reconstruction"} if verb == "sample" else {}))
        refused(arguments, str(bench.data), *words)

    data = bench.data.read_bytes()
    for kept in (0, 30, len(data) // 2, len(data) - 1):
        bench.data.write_bytes(data[:kept])
        bad("not a readable zip archive")
    shutil.copy(bench.model, bench.data)
    bad("not a readable zip archive")
    good = [picture() for _ in range(47)]
    for mode in ("L", "RGBA", "P"):
        archive_of(bench.data, [picture(mode), *good])
        bad(image_name(0), f"mode {mode}, not RGB")
    archive_of(bench.data, [picture(side=16) for _ in range(48)])
    bad("16-pixel images")
    archive_of(bench.data, [picture(), *good], [[image_name(index), index] for index in range(48)])
    bad("label 47, but the last class is 9")
    archive_of(bench.data, [picture(), *good], None)
    bad("no labels, but 10 classes")
    bench.data.unlink()
    bad("does not exist", "Make it first")


@pytest.mark.parametrize("verb", READERS)
def test_broken_image(bench: Bench, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    archive_of(bench.data, [b"not a picture", *[picture() for _ in range(47)]])
    arguments = bench.command(verb, **({"set": "reconstruction"} if verb == "sample" else {}))
    before = contents(bench.folder)
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and image_name(0) in message and "is broken" in message
    assert contents(bench.folder) == before


def test_bad_image_in_the_middle_of_the_work(bench: Bench, refused: Callable[..., str]) -> None:
    """The reconstruction of 20 images is under way when the 21st turns out to be grey."""
    archive_of(bench.data, [*[picture() for _ in range(20)], picture("L"), *[picture() for _ in range(27)]])
    refused(bench.command("sample", set="reconstruction"), image_name(20), "mode L")


def test_sample_sets_that_do_not_belong(bench: Bench, refused: Callable[..., str]) -> None:
    bad = bench.set("generation-1")
    spoil(bad, 0.9)
    refused(bench.command("score"), str(bad), "not a readable zip archive")
    archive_of(bad, [picture(side=16) for _ in range(24)])
    refused(bench.command("score"), str(bad), "16-pixel images")
    archive_of(bad, [picture(), picture()])
    refused(bench.command("score"), str(bad), "too few for 4 jackknife groups")
    bad.unlink()
    refused(bench.command("score", sets=[bench.set(name) for name in SETS]), str(bad), "does not exist")


# -- results


@pytest.mark.parametrize("kept", [None, 0, 0.5, -1])
def test_reference_that_is_missing_or_cut(
    bench: Bench, refused: Callable[..., str], kept: float | None
) -> None:
    for path in (bench.own_reference(), bench.reference.with_suffix(".json")):
        data = path.read_bytes()
        if kept is None:
            path.unlink()
        else:
            spoil(path, kept if path.suffix == ".npz" or kept != -1 else -2)
        refused(bench.command("score"), str(path), "exist" if kept is None else "Delete it and make it again")
        path.write_bytes(data)


def test_foreign_reference(bench: Bench, refused: Callable[..., str]) -> None:
    beside = bench.reference.with_suffix(".json")
    good, words = bench.own_reference().read_bytes(), "Delete it and make it again"
    shutil.copy(bench.latents, bench.reference)
    refused(bench.command("score"), str(bench.reference), words)
    with bench.reference.open("wb") as file:
        np.savez(file, features=np.array([{}]), mean=0, covariance=0)
    refused(bench.command("score"), str(bench.reference), words)
    bench.reference.write_bytes(good)
    described = json.loads(beside.read_text())
    for content in ([], {}, 3, json.loads(bench.scores.read_text())):
        beside.write_text(json.dumps(content))
        refused(bench.command("score"), str(beside), "does not describe reference statistics")
    beside.write_text(json.dumps(described | {"extractor": "inception"}))
    refused(bench.command("score"), "extractor 'inception'", "Make the reference again")
    beside.write_text(json.dumps(described))
    archive_of(bench.data, [picture() for _ in range(48)])
    refused(bench.command("score"), "other images")


@pytest.mark.parametrize("verb", ["table", "claims", "figure"])
def test_bad_scores(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    path = bench.scores
    arguments = bench.command(
        verb, **({"places": ["distance-by-steps", f"a={path}"]} if verb == "figure" else {})
    )
    good = path.read_text()
    for text in ("", good[:10], good[: len(good) // 2], good[:-3], "\x00"):
        path.write_text(text)
        refused(arguments, str(path), "not a readable JSON file")
    foreign = [[], {}, 3, None, "x", json.loads(bench.reference.with_suffix(".json").read_text())]
    changed = [{"records": 3}, {"records": [3]}, {"records": [{}]}, {"floor": 3}]
    for content in (*foreign, *[json.loads(good) | change for change in changed]):
        path.write_text(json.dumps(content))
        refused(arguments, str(path), "is no scores file", "score the run again")
    path.unlink()
    refused(arguments, str(path), "does not exist")


def test_bad_latents(bench: Bench, refused: Callable[..., str]) -> None:
    good = bench.latents.read_bytes()
    for kept in (0, 10, 0.5, -1):
        spoil(bench.latents, kept)
        refused(bench.command("uniformity"), str(bench.latents), "Delete it and make it again")
        bench.latents.write_bytes(good)
    shutil.copy(bench.reference, bench.latents)
    refused(bench.command("uniformity"), str(bench.latents), "no readable array")
    bench.latents.unlink()
    refused(bench.command("uniformity"), str(bench.latents), "Encode the training images first")


def test_bad_training_log(bench: Bench, refused: Callable[..., str]) -> None:
    for text in ("", "a,b\n1,2\n", "step,loss\n", "step,loss\n1,x\n"):
        bench.curves.write_text(text)
        refused(bench.command("figure"), str(bench.curves), "is no training log")
    bench.curves.unlink()
    refused(bench.command("figure"), str(bench.curves), "does not exist")


# -- where the outputs go


@pytest.mark.parametrize("verb", VERBS)
def test_output_that_cannot_be_written(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    """A file where a folder should be, a folder and a device where the file should be."""
    suffix = Path(bench.command(verb)[-1]).suffix or ".zip"
    (bench.out / "folder.d").mkdir()
    for out in (bench.data / f"a{suffix}", bench.out / "folder.d", Path("/dev/null")):
        changes = {"places": [bench.model, out]} if verb == "generate" else {"out": out}
        refused(bench.command(verb, **changes), "cannot be written", "Choose another output path")
    assert Path("/dev/null").is_char_device()


def test_a_state_folder_that_is_a_file(bench: Bench, refused: Callable[..., str]) -> None:
    refused(bench.command("train", state=bench.data), "cannot be written", "another output path")


@pytest.mark.parametrize(
    ("verb", "changes", "words"),
    [
        ("sample", {"out": "digits.zip"}, "both --data and --out"),
        ("sample", {"out": "digits/model.safetensors"}, "both --model and --out"),
        ("encode", {"out": "digits/../digits.zip"}, "both --data and --out"),
        ("prepare", {"out": "out/b.json"}, "both --out and the .json beside --out"),
        ("train", {"curves": "out/a.safetensors"}, "--curves"),
        ("train", {"curves": "out/a.json"}, "--curves"),
        ("uniformity", {"out": "digits/latents.json"}, "both --latents and the .npz beside --out"),
        ("table", {"out": "digits/scores.json"}, "both --scores and"),
        ("table", {"out": "digits/scores.csv"}, "both --scores and the .json beside --out"),
        ("figure", {"out": "digits/training.csv"}, "both --inputs and --out"),
        ("claims", {"out": "digits/uniformity.json"}, "both --uniformity and --out"),
        ("generate", {"places": ["digits/model.safetensors"] * 2}, "both --model and --out"),
    ],
)
def test_outputs_that_are_inputs(
    bench: Bench, refused: Callable[..., str], verb: str, changes: dict[str, Any], words: str
) -> None:
    placed = {
        name: [bench.folder / item for item in value] if isinstance(value, list) else bench.folder / value
        for name, value in changes.items()
    }
    refused(bench.command(verb, **placed), words, "Rename one")


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The operating system refuses to let any file grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "score"])  # written as the others are
def test_no_space(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    with no_file_above(64):
        refused(bench.command(verb), "No space left on the disk while writing", "Free some space")


@pytest.mark.parametrize("verb", ["train", "sample", "encode", "table"])
def test_no_space_when_the_file_is_finished(
    bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(bench.command(verb), "No space left on the disk while writing")


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here: needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Path]:
    """A disk of 200 kB that holds older outputs."""
    yield from mounted(bench.folder / "disk", "size=200k")


@pytest.fixture
def read_only_disk(bench: Bench) -> Iterator[Path]:
    yield from mounted(bench.folder / "disk", "ro")


@pytest.mark.parametrize("verb", ["prepare", "train", "sample", "encode", "generate"])
def test_a_disk_that_is_really_full(
    bench: Bench, refused: Callable[..., str], small_disk: Path, verb: str
) -> None:
    for suffix in ("zip", "safetensors", "csv", "npz", "json"):
        (small_disk / f"a.{suffix}").write_bytes(OLD)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1024))
            file.flush()
    bench.out = small_disk
    arguments = bench.command(verb, **({"count": 64} if verb == "generate" else {}))
    refused(arguments, "No space left on the disk", unchanged=verb != "train")  # its state folder is new
    os.truncate(filler, filler.stat().st_size - 4096)  # begins to write, and fails in the middle
    refused(arguments, "No space left on the disk", unchanged=verb != "train")
    assert (small_disk / "a.zip").read_bytes() == OLD and (small_disk / "a.safetensors").read_bytes() == OLD


def test_training_goes_on_when_there_is_space_again(
    bench: Bench, capsys: pytest.CaptureFixture[str], small_disk: Path
) -> None:
    """The disk is full for the curves, not for the state: no step is trained twice."""
    arguments = bench.command("train", curves=small_disk / "a.csv")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError):
        filler.write_bytes(bytes(300_000))
    assert main(arguments) == 2
    assert "No space left" in capsys.readouterr().err
    filler.unlink()
    assert main(arguments) == 0
    made = json.loads((bench.out / "a.json").read_text())
    assert made["resumed_at_step"] == made["steps"] == 6
    assert (bench.out / "a.safetensors").read_bytes() == bench.model.read_bytes()
    assert (small_disk / "a.csv").read_bytes() == bench.curves.read_bytes()


@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_is_read_only(
    bench: Bench, refused: Callable[..., str], read_only_disk: Path, verb: str
) -> None:
    bench.out = read_only_disk
    refused(bench.command(verb), "cannot be written", f"{read_only_disk} is read-only")


# -- memory and interruption


OUT_OF_MEMORY: dict[str, Callable[[], object]] = {
    "Python": lambda: bytearray(2**62),
    "NumPy": lambda: np.empty(2**57),
    "torch": lambda: torch.empty(2**60),
    "a GPU": lambda: _raise(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 …")),
}


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("library", OUT_OF_MEMORY)
def test_memory_that_runs_out(
    bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    for verb, words in (
        ("train", "Lower training.batch_size."),
        ("sample", "Lower sampling.batch_size."),
        ("score", "Lower score.batch_size."),
        ("figure", "Use a machine with more"),
    ):
        monkeypatch.setattr(verbs, verb, lambda *_: OUT_OF_MEMORY[library]())
        refused(bench.command(verb), f"{verb} ran out of memory", words)


def test_other_faults_keep_their_traceback(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program itself is not dressed up as the user's mistake."""
    for error in (RuntimeError("shapes do not match"), ValueError("odd"), KeyError("odd")):
        monkeypatch.setattr(verbs, "train", lambda *_, error=error: _raise(error))
        with pytest.raises(type(error)):
            bench.run("train")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("verb", ["prepare", "train", "sample", "encode", "table", "claims", "generate"])
def test_interrupted_while_writing(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str, name: str
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(getattr(signal, name)))
    assert bench.run(verb) == 130
    assert capsys.readouterr().err == INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is handler
    after = contents(bench.out)
    assert {name for name in after if not name.startswith("state/")} == set(OLDER)
    assert all(after[name] == OLD for name in OLDER)
    assert not [name for name in after if ".part" in name]


def test_log_of_failures(bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    log = bench.folder / "logs" / "a.log"
    refused(bench.command("sample", set="none", log=log), "no sample set 'none'", unchanged=False)
    monkeypatch.setattr(verbs, "sample", lambda *_: _raise(KeyboardInterrupt()))
    assert bench.run("sample", log=log) == 130
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert "failed: " in lines[0] and "no sample set 'none'" in lines[0]
    assert lines[1].endswith("sample: interrupted")


# -- as a user types it


def typed(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphere_repro", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=120,
        **settings,
    )


def test_typed_mistakes(bench: Bench) -> None:
    bench.with_study(in_run("training", "bach_size", value=8))
    for arguments, words in (
        (["check", str(bench.study)], "did you mean 'batch_size'?"),
        (bench.command("generate", places=[bench.data, bench.out / "a.zip"]), "not a safetensors file"),
    ):
        done = typed(*arguments)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("sphere-repro: ") and done.stderr.count("\n") == 1
        assert words in done.stderr


def test_typed_and_stopped(bench: Bench) -> None:
    """A training that is stopped leaves no temporary file, and what was there before."""
    bench.with_study(in_run("training", "checkpoint_seconds", value=1e-6))
    bench.with_study(in_run("training", "epochs", value=400))
    child = subprocess.Popen(
        [sys.executable, "-m", "sphere_repro", *bench.command("train")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    try:
        deadline = time.monotonic() + 60
        while not list((bench.out / "state").glob("*.pt")) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, message = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130
    assert message == INTERRUPTED
    names = [path.name for path in bench.out.rglob("*") if path.is_file()]
    assert [name for name in names if ".part" in name] == []
    assert len([name for name in names if name.endswith(".pt")]) == 1
    assert (bench.out / "a.safetensors").read_bytes() == OLD


def test_archive_is_what_the_tests_think(bench: Bench) -> None:
    archive = ImageArchive(bench.data, 10)
    assert len(archive) == 48 and archive.resolution == 8

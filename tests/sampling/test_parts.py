"""Sets in parts: the same bytes from one process and several, at once and taken up after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from test_sets import CPU, encode_job, models, sample_job

from conftest import PATIENCE
from miniature import draw_set
from sphere_repro import cli
from sphere_repro.errors import UserError
from sphere_repro.provenance import maker as makers
from sphere_repro.provenance.kept import Kept, Ranges
from sphere_repro.sampling import encoding, sets
from sphere_repro.sampling.encoding import encode_set

assert models  # a fixture
SETS = [("sphere", "generation-3"), ("vae", "posterior"), ("sphere", "reconstruction")]


@pytest.mark.parametrize(
    ("count", "batch", "part", "sizes"),
    [(10, 4, 8, [8, 2]), (10, 4, 7, [4, 4, 2]), (10, 4, 1, [4, 4, 2]), (3, 4, 8, [3]), (8, 4, 8, [8])],
)
def test_parts_are_whole_batches(count: int, batch: int, part: int, sizes: list[int]) -> None:
    ranges = Ranges(count, batch, part)
    assert [len(ranges.images(number)) for number in range(len(ranges))] == sizes
    batches = [indices for number in range(len(ranges)) for indices in ranges.batches(number)]
    assert batches == [range(start, min(start + batch, count)) for start in range(0, count, batch)]


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets of 23 images in parts of 8, estimates in parts of 32 in batches of 16."""
    for module, name, value in (
        (sets, "PART", 8),
        (sets, "ESTIMATE_PART", 32),
        (sets, "ENCODE_BATCH", 16),
        (encoding, "PART", 16),
    ):
        monkeypatch.setattr(module, name, value)


class _StoppedError(Exception):
    """The test's own interruption."""


@contextlib.contextmanager
def stopped_after(parts: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Break off where so many parts are written; yields the numbers of all that are."""
    written: list[str] = []
    original = Kept.write

    def write(self: Kept, number: int, entries: Any) -> None:
        if len(written) == parts:
            raise _StoppedError
        original(self, number, entries)
        written.append(f"{self.folder.name.rsplit('-', 1)[0]} {number}")

    with monkeypatch.context() as patch:
        patch.setattr(Kept, "write", write)
        yield written


@pytest.mark.parametrize(("kind", "name"), SETS)
def test_a_set_goes_on_where_it_was_broken_off(
    models: dict[str, Path],
    digits_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_parts: None,
    kind: str,
    name: str,
) -> None:
    job, state = sample_job(name, kind), tmp_path / "state"
    draw_set(job, models[kind], digits_archive, tmp_path / "whole.zip", CPU)
    out, all_written = tmp_path / "a.zip", []
    for parts in (1, 1, 99):
        with stopped_after(parts, monkeypatch) as written, contextlib.suppress(_StoppedError):
            draw_set(job, models[kind], digits_archive, out, CPU, state)
        all_written += written
        assert out.exists() == (parts == 99)
    assert len(all_written) == len(set(all_written)) == (6 if name == "posterior" else 3)  # none twice
    assert out.read_bytes() == (tmp_path / "whole.zip").read_bytes()
    assert [path for path in state.rglob("*") if path.is_file()] == []


def test_latents_go_on_where_they_were_broken_off(
    models: dict[str, Path],
    digits_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_parts: None,
) -> None:
    job, state = encode_job("vae"), tmp_path / "state"
    encode_set(job, models["vae"], digits_archive, tmp_path / "whole.npz", CPU)
    with stopped_after(2, monkeypatch) as before, pytest.raises(_StoppedError):
        encode_set(job, models["vae"], digits_archive, tmp_path / "a.npz", CPU, state)
    with stopped_after(99, monkeypatch) as written:
        encode_set(job, models["vae"], digits_archive, tmp_path / "a.npz", CPU, state)
    assert (before, written) == (["tiny 0", "tiny 1"], ["tiny 2", "tiny 3"])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("change", ["seed", "model", "data", "code"])
def test_parts_of_something_else_are_never_taken_up(
    models: dict[str, Path],
    digits_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_parts: None,
    change: str,
) -> None:
    job, model, state = sample_job("generation-1"), models["sphere"], tmp_path / "state"
    with stopped_after(2, monkeypatch), pytest.raises(_StoppedError):
        draw_set(job, model, digits_archive, tmp_path / "a.zip", CPU, state)
    if change == "code":
        monkeypatch.setattr(makers, "code_hash", lambda *_: "f" * 64)
        with pytest.raises(UserError, match=r"2 parts of tiny/generation-1 .* were made by other code"):
            draw_set(job, model, digits_archive, tmp_path / "a.zip", CPU, state)
        return
    if change == "seed":
        job = sample_job("generation-1", seed=6)
    elif change == "model":
        model = models["bare"]
    else:
        with digits_archive.open("ab") as file:  # the same images; but who knows
            file.write(b"\0")
    with stopped_after(99, monkeypatch) as written:
        draw_set(job, model, digits_archive, tmp_path / "a.zip", CPU, state)
    assert len(written) == 3
    draw_set(job, model, digits_archive, tmp_path / "b.zip", CPU)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_full_disk_costs_the_part_in_work_alone(
    models: dict[str, Path],
    digits_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_parts: None,
) -> None:
    job, state, original = sample_job("generation-1"), tmp_path / "state", sets.encode
    encoded: list[int] = []

    def encode(image: np.ndarray) -> bytes:
        encoded.append(1)
        if len(encoded) == 12:
            raise OSError(28, os.strerror(28))
        return original(image)

    monkeypatch.setattr(sets, "encode", encode)
    with pytest.raises(UserError, match="No space left on the disk"):
        draw_set(job, models["sphere"], digits_archive, tmp_path / "a.zip", CPU, state)
    assert not (tmp_path / "a.zip").exists()
    with stopped_after(99, monkeypatch) as written:
        draw_set(job, models["sphere"], digits_archive, tmp_path / "a.zip", CPU, state)
    assert len(written) == 2


# -- real processes


def command(job: Any, model: Path, archive: Path, out: Path, *more: str) -> list[str]:
    """`sphere-repro sample`, with the state folder beside `out`."""
    words = ["sample", "--job", job.model_dump_json(), "--model", str(model), "--data", str(archive)]
    return [*words, "--out", str(out), "--state", str(out.parent / "state"), "--device", "cpu", *more]


def run(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sphere_repro", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finished(state: Path) -> list[str]:
    return sorted(path.name for path in state.rglob("[0-9]*.zip") if "estimate" not in path.parent.name)


def killed_after_the_first_part(process: subprocess.Popen[str], state: Path) -> None:
    """SIGKILL to the command and its workers, as when a machine fails."""
    while not finished(state):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    psutil.wait_procs(family, timeout=60)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_set_has_the_same_bytes_in_the_end(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, processes: int
) -> None:
    """4 000 images in 16 parts; whoever kills it, the rest is drawn by as many processes, and by one."""
    job, model = sample_job("generation-2", count=4000, batch_size=50), models["sphere"]
    whole, out, state = tmp_path / "whole.zip", tmp_path / "set" / "a.zip", tmp_path / "set" / "state"
    draw_set(job, model, digits_archive, whole, CPU)
    words = command(job, model, digits_archive, out, "--processes", str(processes))
    killed_after_the_first_part(run(words), state)
    kept = finished(state)
    assert 0 < len(kept) < 16 and not out.exists()
    again = run(words)
    _, told = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, told
    assert out.read_bytes() == whole.read_bytes()
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["count"] == 4000 and record["job"] == job.model_dump(mode="json")
    assert "machines" not in record and record["machine"]["device"] == "cpu"
    assert finished(state) == []


def test_two_processes_estimate_and_draw_what_one_does(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    job, model = sample_job("posterior", "vae", count=600, batch_size=100), models["vae"]
    draw_set(job, model, digits_archive, tmp_path / "whole.zip", CPU)
    shared = run(command(job, model, digits_archive, tmp_path / "set" / "a.zip", "--processes", "2"))
    out, told = shared.communicate(timeout=PATIENCE)
    assert shared.returncode == 0, told
    assert out.count("sample tiny/posterior: 600 images") == 1  # the leader alone tells
    assert (tmp_path / "set" / "a.zip").read_bytes() == (tmp_path / "whole.zip").read_bytes()


def test_a_mistake_of_several_processes_is_told_once(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    job = sample_job("generation-2")
    shared = run(command(job, models["vae"], digits_archive, tmp_path / "a.zip", "--processes", "2"))
    _, told = shared.communicate(timeout=PATIENCE)
    assert shared.returncode == 2 and told.count("is a VAE, but run 'tiny'") == 1 and "Traceback" not in told


# -- precision


def pixels(path: Path) -> np.ndarray:
    from sphere_repro.data.archive import ImageArchive

    return ImageArchive(path).load().astype(float)


def test_bfloat16_draws_nearly_the_same_images(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    for precision in ("float32", "bfloat16"):
        job = sample_job("generation-1", precision=precision)
        draw_set(job, models["sphere"], digits_archive, tmp_path / f"{precision}.zip", CPU)
    exact, rounded = (pixels(tmp_path / f"{name}.zip") for name in ("float32", "bfloat16"))
    assert 0 < np.abs(exact - rounded).mean() < 6  # of 255: 8 bits of mantissa through one decoder


def test_bfloat16_is_the_weights_cast(models: dict[str, Path], digits_archive: Path, tmp_path: Path) -> None:
    """By hand: latents and noise float32, the decoder in bfloat16 throughout."""
    from sphere_repro.models.checkpoint import load_model
    from sphere_repro.sampling import refine
    from sphere_repro.sphere import spherify

    job = sample_job("generation-1", precision="bfloat16", batch_size=23)
    draw_set(job, models["sphere"], digits_archive, tmp_path / "a.zip", CPU)
    model = load_model(models["sphere"]).model.to(torch.bfloat16)
    noise = refine.sample_noise((5,), range(23), (16, 8), 1)[0]
    with torch.no_grad():
        images = model.decode(spherify(noise).bfloat16(), torch.arange(23) % 10).float()
    assert (pixels(tmp_path / "a.zip") == refine.to_bytes(images).numpy()).all()


def test_tf32_is_refused_without_a_gpu(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = sample_job("generation-1", precision="tf32")
    assert cli.main(command(job, models["sphere"], digits_archive, tmp_path / "a.zip")) == 2
    assert "sampling.precision is tf32, but this is a CPU. Use float32 or bfloat16" in capsys.readouterr().err
    assert not (tmp_path / "a.zip").exists()


def test_another_precision_is_another_job() -> None:
    plain, half = (sample_job("generation-1", precision=name) for name in ("float32", "bfloat16"))
    assert "precision" not in plain.model_dump() and half.model_dump()["precision"] == "bfloat16"


def test_a_worker_that_is_killed_ends_all_and_what_is_drawn_stays(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    job, model, state = sample_job("generation-2", count=20_000, batch_size=50), models["sphere"], tmp_path
    words = command(job, model, digits_archive, tmp_path / "a.zip", "--processes", "2")
    shared = run(words)
    while not finished(state):
        assert shared.poll() is None, shared.communicate()
        time.sleep(0.01)
    workers = [one for one in psutil.Process(shared.pid).children() if "RANK" in one.environ()]
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    _, told = shared.communicate(timeout=PATIENCE)
    assert shared.returncode == 2 and "Traceback" not in told, told
    assert "drawing of tiny/generation-2 was killed by SIGKILL" in told
    assert "Lower sampling.processes or ask for more" in told
    assert finished(state) and not (tmp_path / "a.zip").exists()

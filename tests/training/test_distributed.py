"""Several processes, micro batches, checkpointing, torch.compile: the same training, up to float32 sums."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._inductor.config
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from test_loop import CPU, Place, tiny_job

from conftest import PATIENCE, ROOT
from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import World, even_share
from sphere_repro.study import jobs
from sphere_repro.study.recipe import Execution
from sphere_repro.training.loop import train

SUMS = 1e-5  # what another order of float32 sums makes of weights near 1 after six steps


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Place]:
    return lambda name, **execution: Place(tmp_path / name, Execution(**execution))


def farthest(first: Path, second: Path) -> float:
    """Largest difference of two model files' tensors."""
    a, b = load_file(first), load_file(second)
    assert a.keys() == b.keys()
    return max((a[name] - b[name]).abs().max().item() for name in a)


def start(job: jobs.TrainJob, place: Place, archive: Path, execution: Execution) -> subprocess.Popen[str]:
    """The command line, which starts its own workers."""
    command = [sys.executable, "-m", "sphere_repro", "train", "--job", jobs.as_text(job)]
    command += ["--execution", execution.model_dump_json(), "--data", str(archive), "--out", str(place.model)]
    command += ["--curves", str(place.log), "--state", str(place.state), "--device", "cpu"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def finish(started: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit status, output and errors."""
    out, err = started.communicate(timeout=PATIENCE)
    return started.returncode, out, err


# -- one process


@pytest.mark.parametrize("kind", ["sphere", "vae"])
@pytest.mark.parametrize("size", [1, 5, 8, 16, 99])
def test_micro_batches_add_up_to_the_batch(
    place: Callable[..., Place], digits_archive: Path, kind: str, size: int
) -> None:
    whole, cut = place("whole"), place("cut", micro_batch_size=size)
    for where in (whole, cut):
        where.train(tiny_job(kind), digits_archive)
    assert farthest(whole.model, cut.model) < SUMS
    if size >= 16:
        assert whole.bytes == cut.bytes


@pytest.mark.parametrize("kind", ["sphere", "vae"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_checkpointing_changes_no_bit(
    place: Callable[..., Place], digits_archive: Path, kind: str, precision: str
) -> None:
    kept, again = place("kept"), place("again", activation_checkpointing=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # torch's hints on speed are left out
        for where in (kept, again):
            where.train(tiny_job(kind, precision=precision), digits_archive)
    assert kept.bytes == again.bytes


def test_checkpointing_keeps_less(lively: Any) -> None:
    from sphere_repro.planning.memory import saved_bytes, step_forward

    loss = tiny_job().loss
    kept = saved_bytes(lambda: step_forward(lively, loss, 4, None), lively)
    lively.encoder.checkpointing = lively.decoder.checkpointing = True
    assert saved_bytes(lambda: step_forward(lively, loss, 4, None), lively) < kept


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX", "g++")), reason="torch.compile needs a C++ compiler"
)
def test_compiled_networks_train_the_same_weights(
    place: Callable[..., Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    eager, compiled = place("eager"), place("compiled", compile=True)
    with torch._inductor.config.patch(compile_threads=1):  # each process that compiles would import torch
        for where in (eager, compiled):
            where.train(tiny_job(epochs=0.5), digits_archive)
    assert 0 < farthest(eager.model, compiled.model) < SUMS


def test_a_compiler_that_fails_is_told(
    place: Callable[..., Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch._inductor.config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    missing = torch._inductor.config.patch({"cpp.cxx": (str(tmp_path / "no-compiler"),)})
    with missing, pytest.raises(UserError, match=r"torch\.compile failed.*execution\.compile to false"):
        place("a", compile=True).train(tiny_job(), digits_archive)


# -- several processes


@given(st.integers(0, 300), st.integers(1, 40))
def test_shares_cover_the_batch_once(count: int, size: int) -> None:
    shares = [World(rank, size).share(count) for rank in range(size)]
    assert [index for share in shares for index in share] == list(range(count))
    lengths = {len(share) for share in shares}
    assert max(lengths) - min(lengths) <= 1
    assert shares[0] == even_share(count, size, 0)


def test_one_process_agrees_with_itself() -> None:
    world = World()
    assert world.leads and world.agree(7) and world.sum([1.5, 2.0]) == [1.5, 2.0]
    assert world.any(True) and not world.any(False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "processes", "micro", "random"),
    [("sphere", 2, None, "torch"), ("sphere", 3, 3, "philox"), ("vae", 2, 5, "torch")],
)
def test_processes_train_the_weights_of_one(
    place: Callable[..., Place],
    digits_archive: Path,
    kind: str,
    processes: int,
    micro: int | None,
    random: str,
) -> None:
    alone, shared = place("alone"), place("shared")
    job = tiny_job(kind).model_copy(update={"random": random})
    execution = Execution(processes=processes, micro_batch_size=micro)
    alone.train(job, digits_archive)
    status, out, err = finish(start(job, shared, digits_archive, execution))
    assert (status, [line for line in err.splitlines() if "learned nothing" not in line]) == (0, [])
    assert out.startswith("train tiny: 6 steps") and out.count("\n") == 1
    assert farthest(alone.model, shared.model) < SUMS
    record = json.loads(shared.model.with_suffix(".json").read_text())
    assert record["processes"] == processes and record["execution"]["micro_batch_size"] == micro
    assert shared.states == []


@pytest.mark.slow
def test_a_stopped_training_of_several_goes_on_to_the_same_weights(
    place: Callable[..., Place], digits_archive: Path
) -> None:
    whole, broken = place("whole"), place("broken")
    epochs = 30
    job, once = tiny_job(epochs=epochs), Execution(processes=3)
    several = once.model_copy(update={"checkpoint_seconds": 1e-9, "checkpoint_share": 1})
    assert finish(start(job, whole, digits_archive, once))[0] == 0
    started = start(job, broken, digits_archive, several)
    while not list(broken.state.glob("*.pt")) and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGTERM)
    status, _, err = finish(started)
    assert status == 130 and err.count("\n") == 1 and "takes up the work again" in err
    saved = torch.load(broken.saved, weights_only=True)["step"]
    assert 0 < saved < 6 * epochs and not broken.model.exists()
    assert finish(start(job, broken, digits_archive, several))[0] == 0
    assert broken.bytes == whole.bytes
    assert json.loads(broken.model.with_suffix(".json").read_text())["resumed_at_step"] == saved


@pytest.mark.slow
def test_several_processes_go_on_with_a_finished_training_and_start_from_a_model(
    place: Callable[..., Place], digits_archive: Path
) -> None:
    """The leader alone reads the state, and says so once; a model to start from is read by each."""
    several, held = Execution(processes=2), {"minimum_learning_rate": 8e-3}
    longer, going, whole = tiny_job(epochs=2, **held), place("going"), place("whole")
    assert finish(start(tiny_job(**held), going, digits_archive, several))[0] == 0
    begun = json.loads(tiny_job().model_dump_json()) | {"init_from": {"path": str(going.model)}}
    status, _, err = finish(
        start(jobs.TrainJob.model_validate(begun), place("begun"), digits_archive, several)
    )
    assert status == 0 and err.count("starts from the raw weights of") == 1
    alone = place("alone")
    alone.train(jobs.TrainJob.model_validate(begun), digits_archive)
    assert farthest(alone.model, place("begun").model) < SUMS
    status, _, err = finish(start(longer, going, digits_archive, several))
    assert status == 0 and err.count("goes on from epoch 1, step 6") == 1
    assert finish(start(longer, whole, digits_archive, several))[0] == 0
    assert going.bytes == whole.bytes
    assert json.loads(going.model.with_suffix(".json").read_text())["resumed_at_step"] == 6


@pytest.mark.slow
def test_a_mistake_is_told_once(place: Callable[..., Place], digits_archive: Path) -> None:
    job = tiny_job(batch_size=97)
    status, out, err = finish(start(job, place("a"), digits_archive, Execution(processes=3)))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "holds only 96 images" in err


def test_more_processes_than_images(place: Callable[..., Place], digits_archive: Path) -> None:
    from sphere_repro.training.loop import _checked_images

    with pytest.raises(UserError, match="17 processes cannot share a batch of 16"):
        _checked_images(tiny_job(), digits_archive, 17)
    assert len(_checked_images(tiny_job(), digits_archive, 16)) == 96


def test_a_helper_leaves_no_result(
    place: Callable[..., Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Helper(World):
        leads = False  # type: ignore[assignment]

    monkeypatch.setattr("sphere_repro.training.loop.joined", lambda _: contextlib.nullcontext(Helper()))
    where = place("a", checkpoint_seconds=1e-9)
    assert train(tiny_job(), where.files(digits_archive), CPU, where.execution) is None
    assert not where.model.exists() and not where.log.exists() and where.states == []

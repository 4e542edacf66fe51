"""Model files that are broken, foreign, or belong to something else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bad_input.bench import SETS, SIZE, Bench, in_run, spoil
from miniature import released_words


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
    for verb, changes in (("sample", {"set": SETS[0]}), ("sample", {"set": SETS[1]}), ("encode", {})):
        words = "is a VAE, but run 'digits' is a Sphere Encoder"
        refused(bench.command(verb, model=bench.vae, **changes), str(bench.vae), words)
    for verb, changes in (("sample", {"set": SETS[0]}), ("sample", {"set": "prior"}), ("encode", {})):
        arguments = bench.command(verb, run="digits-vae", **changes)
        refused(arguments, str(bench.model), "is a Sphere Encoder, but run 'digits-vae' is a VAE")
    refused(bench.command("generate", places=[bench.vae, bench.out / "a.zip"]), "is a VAE")


def test_released_checkpoints(bench: Bench, refused: Callable[..., str]) -> None:
    pth, config, out = bench.folder / "a.pth", bench.folder / "config.json", bench.out / "a.safetensors"

    def arguments() -> list[str]:
        return ["import-released", str(pth), str(config), str(out)]

    refused(arguments(), "config.json does not exist")
    config.write_text("{}")
    refused(arguments(), "config.json does not describe a released model", "'image_size'")
    given = {"size": 8, "patch": 2, "ch": 8, "classes": 0, "head": "linear", "angle": 80}
    given |= {"ms_e": "s", "ms_d": "s", "mix_e": 0, "mix_d": 0, "sizes": {"s": SIZE}}
    config.write_text(json.dumps(released_words(given)))
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

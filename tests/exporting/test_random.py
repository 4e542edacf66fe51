"""The browser's draws are torch's: the same seeds mean the same points there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sphere_repro import exporting, seeds
from sphere_repro.sampling.refine import sample_noise

NODE = shutil.which("node")
SCRIPT = Path(exporting.__file__).parent / "random.js"
pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js on this machine")


def in_node(asked: str) -> object:
    """What an expression of `draws` is."""
    program = f"require({json.dumps(str(SCRIPT))}); console.log(JSON.stringify({asked}))"
    assert NODE is not None
    done = subprocess.run([NODE, "-e", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def noise(seed: list[int | str], samples: list[int], count: int, size: int) -> np.ndarray:
    asked = f"draws.noise({json.dumps(seed)}, {samples}, {count}, {size}).map(each => Array.from(each))"
    return np.array(in_node(asked)).reshape(count, len(samples), size)


@pytest.mark.parametrize("shape", [(4, 4), (5, 8), (3, 7), (16, 64)])  # 3 · 7: the last sixteen overlap
def test_noise_is_torchs(shape: tuple[int, int]) -> None:
    seed, samples = [7, "interpolate", "corner"], [0, 1, 12]
    expected = sample_noise(tuple(seed), samples, shape, 3).flatten(2).numpy()
    found = noise(seed, samples, 3, shape[0] * shape[1])
    assert np.abs(found - expected).max() < 1e-5
    other = noise([8, *seed[1:]], samples, 3, shape[0] * shape[1])
    assert np.abs(other - expected).max() > 1


@pytest.mark.parametrize("parts", [[0], [2**53 - 1, "generate"], ["ä", 3], ["x" * 200, 1], ["", "sample", 9]])
def test_seeds_are_derived_as_in_python(parts: list[int | str]) -> None:
    assert in_node(f"draws.seed({json.dumps(parts)})") == seeds.derive(*parts) % 2**32


def test_too_few_numbers_are_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        noise([0], [0], 1, 15)
    assert "fewer than 16 numbers" in failed.value.stderr

"""Philox: the published numbers, and the same ones whatever the batch, the parts and the compiler."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sphere_repro import philox, seeds

# Counter, key and block of Random123's known answers, philox4x32 with 10 rounds.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
ROUNDING = 0
some_seeds = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5)


def words(text: str) -> tuple[Tensor, ...]:
    return tuple(of(int(word, 16)) for word in text.split())


def of(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN)
def test_known_answers(counter: str, key: str, block: str) -> None:
    found = philox.blocks(words(counter), words(key))
    assert " ".join(f"{int(word):08x}" for word in found) == block


def test_a_stream_begins_with_block_0_of_its_key() -> None:
    expected = [int(word) >> 8 for word in words(KNOWN[0][2])]
    assert (philox.uniform(of(0), 4)[0] * 2**24).long().tolist() == expected


@pytest.mark.parametrize(("low", "high"), [(5, 0), (0xA4093822, 0x299F31D0)])
def test_a_seed_is_both_words_of_a_key(low: int, high: int) -> None:
    block = philox.blocks((of(2), of(0), of(0), of(0)), (of(low), of(high)))
    found = philox.uniform(of(high << 32 | low), 12)[0, 8:]
    assert (found * 2**24).long().tolist() == [int(word) >> 8 for word in block]


def test_normal_numbers_are_those_of_box_and_muller() -> None:
    first, second, third, fourth = ((int(word) + 0.5) / 2**32 for word in words(KNOWN[0][2]))
    expected = [
        math.sqrt(-2 * math.log(one)) * wave(2 * math.pi * other)
        for one, other in ((first, second), (third, fourth))
        for wave in (math.cos, math.sin)
    ]
    assert philox.normal(of(0), (2, 2)).flatten().tolist() == pytest.approx(expected, abs=2e-6)


def test_numbers_never_change() -> None:
    """Written down: samples of other machines and versions are compared with ours by these numbers."""
    seed = of(seeds.derive(0, "sample", 0))
    assert philox.uniform(seed, 3)[0].tolist() == [0.934639573097229, 0.8885522484779358, 0.352319598197937]
    expected = [0.28115877509117126, -0.2369353473186493, -0.5021845102310181]
    assert philox.normal(seed, (3,))[0].tolist() == pytest.approx(expected, abs=1e-6)


@given(some_seeds, st.integers(1, 40), st.integers(1, 40), st.integers(1, 7))
def test_a_number_depends_on_its_seed_and_place_alone(
    own: list[int], count: int, more: int, part: int
) -> None:
    for draw in (lambda those, n: philox.normal(those, (n,)), philox.uniform):
        whole = draw(of(*own), count + more)
        assert whole.shape == (len(own), count + more) and whole.dtype == torch.float32
        assert torch.equal(draw(of(*own), count), whole[:, :count])
        for seed, row in zip(own, whole, strict=True):
            torch.testing.assert_close(draw(of(seed), count + more)[0], row, rtol=0, atol=ROUNDING)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(philox, "CACHED", part)
            assert torch.equal(draw(of(*own), count + more), whole)


@given(st.lists(st.sampled_from([0, 1, 2**31, philox.LOW - 1, philox.LOW]), min_size=4, max_size=4))
def test_the_rarest_words_give_finite_numbers(block: list[int]) -> None:
    numbers = torch.stack(philox._box_muller(tuple(map(of, block))))
    assert bool(numbers.isfinite().all()) and numbers.abs().max() < 6.8


def test_shapes_are_read_in_rows() -> None:
    assert torch.equal(philox.normal(of(3, 4), (2, 3, 5)).flatten(1), philox.normal(of(3, 4), (30,)))
    assert philox.normal(of(), (2, 3)).shape == (0, 2, 3)


def test_numbers_are_distributed_as_they_should_and_streams_are_apart() -> None:
    neighbours = torch.arange(64)  # keys that differ in a bit
    normal, uniform = philox.normal(neighbours, (4096,)).double(), philox.uniform(neighbours, 4096).double()
    for sample, law in ((normal, "norm"), (uniform, "uniform")):
        assert scipy.stats.kstest(sample.flatten().numpy(), law).pvalue > 1e-3
    assert uniform.min() >= 0 and uniform.max() < 1
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(float((normal**power).mean()) - moment) < 4 * math.sqrt(variance / normal.numel())
    between = np.corrcoef(normal.numpy())[np.triu_indices(64, 1)]
    along = [float((normal[:, :-lag] * normal[:, lag:]).mean()) for lag in range(1, 9)]
    assert abs(between).max() < 5 / math.sqrt(4096)
    assert max(map(abs, along)) < 4 / math.sqrt(normal.numel())


@pytest.mark.slow
@pytest.mark.skipif(
    not shutil.which(os.environ.get("CXX", "g++")), reason="torch.compile needs a C++ compiler"
)
def test_compiled_it_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch._inductor.config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    own = torch.arange(3) * 2**61 + 5
    with torch._inductor.config.patch(compile_threads=1):
        compiled = torch.compile(philox.normal, fullgraph=True)(own, (50,))
    torch.testing.assert_close(compiled, philox.normal(own, (50,)), rtol=0, atol=2e-6)

"""Seeds: pure functions of what they are for, and the same on every machine."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sphere_repro import seeds

parts = st.lists(st.text() | st.integers(), min_size=1, max_size=4)


@given(parts)
def test_seeds_are_pure_and_fit_a_generator(given_parts: list[str | int]) -> None:
    seed = seeds.derive(*given_parts)
    assert seed == seeds.derive(*given_parts)
    assert 0 <= seed < 2**63
    torch.Generator().manual_seed(seed)


@given(parts, parts)
def test_different_purposes_have_different_seeds(first: list[str | int], second: list[str | int]) -> None:
    text = "\x1f".join(map(str, [*first, *second]))
    if text.count("\x1f") == len(first) + len(second) - 1:  # the separator itself stands in no part
        assert (seeds.derive(*first) == seeds.derive(*second)) == (first == second)


def test_kinds_and_order_count() -> None:
    found = {
        seeds.derive(*given_parts)
        for given_parts in [
            (1,),
            ("1",),
            (1, 2),
            (2, 1),
            (12,),
            ("1", 2),
            (1, "2"),
            ("a", "b"),
            ("ab",),
            ("ab", ""),
        ]
    }
    assert len(found) == 10


def test_seeds_never_change() -> None:
    """Written down: results of other machines and versions are compared with ours by these numbers."""
    assert seeds.derive(0, "digits", "weights") == 6230866971887674916
    assert seeds.derive("a") == 5476949362331446667


def test_generators_are_on_the_cpu_and_repeat() -> None:
    torch.manual_seed(1)
    first = torch.randn(5, generator=seeds.generator(0, "a"))
    torch.manual_seed(2)
    second = torch.randn(5, generator=seeds.generator(0, "a"))
    assert torch.equal(first, second)
    assert seeds.generator(0, "a").device == torch.device("cpu")
    assert not torch.equal(first, torch.randn(5, generator=seeds.generator(0, "b")))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    torch.randn(5, generator=seeds.generator(0, "a"))
    assert torch.equal(torch.rand(3), expected)

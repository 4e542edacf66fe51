"""Rotary positions: the fast form has the bits of the plain one, forwards and backwards."""

from __future__ import annotations

import pytest
import torch

from sphere_repro.models.layers import Attention, rotate, turn


@pytest.mark.parametrize(("grid", "width", "heads"), [(1, 32, 2), (3, 48, 3), (4, 96, 3), (16, 128, 2)])
def test_a_complex_product_turns_as_the_plain_form(grid: int, width: int, heads: int) -> None:
    attention = Attention(width, heads, grid)
    generator = torch.Generator().manual_seed(grid)
    shape = (2, 3, heads, grid * grid, width // heads)
    x, weight = torch.randn(2, *shape, generator=generator)
    found = []
    for form in (
        lambda given: turn(given, attention.turns),
        lambda given: rotate(given, attention.cosines, attention.sines),
    ):
        given = x.clone().requires_grad_()
        out = form(given)
        (out * weight).sum().backward()
        found.append((out.detach(), given.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] is not None and found[1][1] is not None
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-6, atol=1e-6)
    assert torch.allclose(found[0][0].norm(dim=-1), x.norm(dim=-1), rtol=1e-5)  # a turn keeps lengths


@pytest.mark.parametrize(("width", "heads"), [(8, 2), (24, 3), (40, 2)])
def test_rows_that_fill_no_vector_keep_the_plain_form(width: int, heads: int) -> None:
    """So that no bit depends on where in a batch an image stands."""
    attention = Attention(width, heads, 3)
    qk = torch.randn(2, 3, heads, 9, width // heads, generator=torch.Generator().manual_seed(0))
    assert torch.equal(attention._placed(qk), rotate(qk, attention.cosines, attention.sines))


def test_bfloat16_keeps_the_plain_form() -> None:
    attention = Attention(32, 2, 4).to(torch.bfloat16)
    x = torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    assert torch.isfinite(attention(x)).all()
    qk = torch.randn(2, 1, 2, 16, 16).to(torch.bfloat16)
    assert torch.equal(attention._placed(qk), rotate(qk, attention.cosines, attention.sines))

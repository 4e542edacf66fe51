"""Verdicts of numbers with standard errors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED, Number, decide


@given(value=st.floats(-1e6, 1e6), se=st.floats(0, 1e6))
def test_verdicts_mirror(value: float, se: float) -> None:
    mirrored = {HOLDS: FAILS, FAILS: HOLDS, UNDECIDED: UNDECIDED}
    assert decide(Number(-value, se)) == mirrored[decide(Number(value, se))]
    assert decide(Number(value, abs(value))) == UNDECIDED

"""Where models lie between reconstruction and sampling, and the rank correlation over a sweep."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from study_results import sphere, vae

from sphere_repro.results.trade_off import by_weight, decades, point, rank_correlation, weight


def test_a_sphere_encoder_lies_at_its_unguided_draws_and_a_vae_at_its_prior() -> None:
    one, four = point(sphere()), point(sphere(), 4)
    assert one is not None and (one.rebuilt.frechet, one.drawn.frechet) == (50, 200)
    assert four is not None and four.drawn.frechet == 120
    other = point(vae())
    assert other is not None and (other.rebuilt.frechet, other.drawn.frechet) == (50, 600)
    assert point(sphere(guidance=1.5)) is None  # a prior is not guided either
    assert point(replace(vae(), records=vae().records[:1])) is None


def test_vaes_stand_in_the_order_of_their_weights() -> None:
    runs = [replace(vae(), kl=kl) for kl in (1e-2, 0.0, None, 1e-6)]
    plain = replace(vae(), kind="autoencoder", kl=None)
    found = by_weight([*runs, sphere(), plain])
    assert [each.run.kl for each in found] == [0.0, 1e-6, 1e-2]
    assert decades(found) == pytest.approx(4) and decades(found[:1]) == 0
    shown = [weight(kl) for kl in (0.0, 1e-6, 3e-3, 0.1, 1.0, 2.5e-5, None)]
    assert shown == ["0", "1e-6", "3e-3", "1e-1", "1", "2.5e-5", "?"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=6))
@example([(0, 0), (1, 0), (1, 0), (2, 1), (0, 1), (2, 0)])  # a correlation of 0, which rounding had moved
def test_the_correlation_is_scipys_and_its_chance_that_of_all_orders(pairs: list[tuple[int, int]]) -> None:
    """Ties or none; every order is tried by hand."""
    first, second = ([float(pair[side]) for pair in pairs] for side in (0, 1))
    found, by_chance = rank_correlation(first, second)
    if len({*first}) < 2 or len({*second}) < 2:
        assert math.isnan(found) and by_chance == 1
        return
    assert found == pytest.approx(stats.spearmanr(first, second).statistic)
    others = [stats.spearmanr(order, second).statistic for order in itertools.permutations(first)]
    above, below = (np.mean([sign * (each - found) >= -1e-9 for each in others]) for sign in (1, -1))
    assert by_chance == pytest.approx(min(1.0, 2 * min(above, below)))


def test_of_five_in_reversed_order_one_of_sixty_is_as_extreme() -> None:
    found = rank_correlation([1, 2, 3, 4, 5], [50, 40, 30, 20, 10])
    assert found == (pytest.approx(-1), pytest.approx(2 / math.factorial(5)))


def test_of_many_values_orders_are_drawn_and_the_same_each_time() -> None:
    draws = np.random.default_rng(0).normal(size=(2, 12))
    first, again = (rank_correlation([*draws[0]], [*draws[1]]) for _ in range(2))
    assert first == again
    expected = stats.spearmanr(*draws)
    assert first[0] == pytest.approx(expected.statistic)
    assert first[1] == pytest.approx(expected.pvalue, abs=0.03)  # Student's t, near enough for twelve


def test_what_is_no_number_has_no_order() -> None:
    found, by_chance = rank_correlation([1, 2, math.nan], [1, 2, 3])
    assert math.isnan(found) and by_chance == 1

"""Tests of learning-loss, vaal and ta-vaal: the column's order within a random subset, against a loop over all rows.

The strategy's own file imports them, and says which STRATEGY, which COLUMN, and by which SIGN its values are sorted.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool import seeds
from altool.strategies.registry import Strategy
from altool.wrappers.choose import Request, choose

Learned = tuple[Strategy, str, int]

__all__ = [
    "learned",
    "test_ten_times_the_budget_by_default_and_another_sample_with_another_seed",
    "test_the_best_of_a_random_subset_in_order",
]


@pytest.fixture(scope="module")
def learned(request: pytest.FixtureRequest) -> Learned:
    """The strategy that the test file is about, its column, and 1 where small values come first."""
    return request.module.STRATEGY, request.module.COLUMN, request.module.SIGN


def request(strategy: Strategy, count: int, seed: int = 0, **options: Any) -> Request:
    wraps = {name: options.pop(name) for name in ("diversify", "class_weights") if name in options}
    return Request(strategy, count, partial(seeds.generator, seed), options, **wraps)


@pytest.mark.slow
@given(data=st.data())
def test_the_best_of_a_random_subset_in_order(learned: Learned, data: st.DataObject) -> None:
    strategy, column, sign = learned
    values = np.array(data.draw(st.lists(st.sampled_from([0, 1e-40, 1e-7, 0.25, 0.5, 0.75, 1]), min_size=1, max_size=60)), np.float32)
    count, factor, seed = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 4)), data.draw(st.integers(0, 9))
    choice = choose(request(strategy, count, seed, subset_factor=factor), len(values), {column: values})
    subset = list(range(len(values)))
    if 0 < factor * count < len(values):
        subset = seeds.generator(seed, "subset").choice(len(values), factor * count, replace=False).tolist()
    expected = sorted(subset, key=lambda row: (sign * float(values[row]), row))[:count]
    if len(subset) > 1 and len(set(values[subset].tolist())) == 1:  # all tie: a random order
        assert choice.tied
        assert len({*choice.places.tolist()} & {*subset}) == len(expected)
        return
    assert choice.places.tolist() == expected
    assert choice.scores.tolist() == [-sign * float(values[row]) for row in expected]
    assert not choice.explored.any()


def test_ten_times_the_budget_by_default_and_another_sample_with_another_seed(learned: Learned) -> None:
    strategy, column, sign = learned
    values = np.arange(1000, dtype=np.float32)
    plain = choose(request(strategy, 10), 1000, {column: values}).places
    assert np.array_equal(plain, choose(request(strategy, 10, subset_factor=10), 1000, {column: values}).places)
    assert not np.array_equal(plain, choose(request(strategy, 10, seed=1), 1000, {column: values}).places)
    whole = choose(request(strategy, 10, subset_factor=0), 1000, {column: values}).places
    assert sorted(whole.tolist()) == (list(range(10)) if sign > 0 else list(range(990, 1000)))

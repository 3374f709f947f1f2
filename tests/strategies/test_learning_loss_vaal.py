"""learning-loss, vaal and ta-vaal: the column's order within a random subset, against a loop over all rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool import seeds
from altool.strategies import learning_loss, ta_vaal, vaal
from altool.strategies.registry import Strategy
from altool.wrappers.choose import Request, choose

STRATEGIES = [(learning_loss.STRATEGY, "predicted_loss", -1), (vaal.STRATEGY, "labeled_probability", 1)]


def request(strategy: Strategy, count: int, seed: int = 0, **options: Any) -> Request:
    wraps = {name: options.pop(name) for name in ("diversify", "class_weights") if name in options}
    return Request(strategy, count, partial(seeds.generator, seed), options, **wraps)


@pytest.mark.parametrize(("strategy", "column", "sign"), STRATEGIES)
@given(data=st.data())
def test_the_best_of_a_random_subset_in_order(strategy: Strategy, column: str, sign: int, data: st.DataObject) -> None:
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


def test_ten_times_the_budget_by_default_and_another_sample_with_another_seed() -> None:
    values = np.arange(1000, dtype=np.float32)
    for strategy, column, _ in STRATEGIES:
        plain = choose(request(strategy, 10), 1000, {column: values}).places
        assert np.array_equal(plain, choose(request(strategy, 10, subset_factor=10), 1000, {column: values}).places)
        assert not np.array_equal(plain, choose(request(strategy, 10, seed=1), 1000, {column: values}).places)
        whole = choose(request(strategy, 10, subset_factor=0), 1000, {column: values}).places
        assert sorted(whole.tolist()) == (list(range(10)) if strategy is vaal.STRATEGY else list(range(990, 1000)))


def test_the_sample_is_uniform() -> None:
    values = np.zeros(30, np.float32)
    drawn = [choose(request(vaal.STRATEGY, 3, seed, subset_factor=1), 30, {"labeled_probability": values}).places for seed in range(2000)]
    counts = np.bincount(np.concatenate(drawn), minlength=30)
    assert ((counts - 200) ** 2 / 200).sum() < 58.3  # chi square with 29 degrees of freedom: p = 0.001


def test_wrappers_see_the_subset_alone() -> None:
    draw = np.random.default_rng(0)
    values, likeliest = draw.random(200, np.float32), draw.integers(0, 3, 200).astype(np.int32)
    arrays = {"labeled_probability": values, "likeliest": likeliest, "candidate_labels": (np.arange(201), likeliest.astype(np.int16))}
    subset = seeds.generator(0, "subset").choice(200, 50, replace=False)
    best = sorted(subset.tolist(), key=lambda row: values[row])
    aware = choose(request(vaal.STRATEGY, 5, class_weights=np.array([0.0, 0, 1])), 200, arrays)
    assert aware.places.tolist() == [row for row in best if likeliest[row] == 2][:5]
    assert aware.target_class.tolist() == [2] * 5
    diverse = choose(request(vaal.STRATEGY, 5, diversify=True), 200, arrays)
    first = [next(row for row in best if likeliest[row] == class_) for class_ in range(3)]
    assert diverse.places[:3].tolist() == sorted(first, key=lambda row: values[row])


def test_ta_vaal_is_vaal_on_another_models_column() -> None:
    assert ta_vaal.STRATEGY.function is vaal.score
    assert ta_vaal.STRATEGY.takes == ("labeled_probability",)
    assert learning_loss.score(np.array([2, -1], np.float32)).tolist() == [2, -1]
    assert vaal.score(np.array([0.25, 1, 0], np.float32)).tolist() == [-0.25, -1, 0]

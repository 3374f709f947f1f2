"""The best candidates by a score strategy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.errors import UsageError
from altool.options import flag
from altool.strategies import registry
from altool.wrappers.shortlist import BY, best, check, check_budget, scorer, shortlist

LEVELS = (-0.5, -0.25, 0.0, 1e-9, 0.1, float(np.float32(0.1)))  # the last two are one float32


@given(st.lists(st.sampled_from(LEVELS), min_size=2, max_size=30), st.integers(1, 35))
def test_it_is_what_sorting_gives(scores: list[float], size: int) -> None:
    places = best(np.array(scores), size, np.random.default_rng(0))
    assert (np.diff(places) > 0).all()
    assert len(places) == min(size, len(scores))
    if len({float(np.float32(score)) for score in scores}) > 1:
        by_score = sorted(range(len(scores)), key=lambda place: (-np.float32(scores[place]), place))
        assert places.tolist() == sorted(by_score[:size])


def test_of_equal_rows_it_is_a_random_sample() -> None:
    drawn = best(np.full(1000, -0.5), 100, np.random.default_rng(3))
    assert len(set(drawn.tolist())) == 100
    assert drawn.max() > 900
    assert drawn.tolist() == best(np.full(1000, -0.5), 100, np.random.default_rng(3)).tolist()
    assert best(np.full(4, -0.5), 9, np.random.default_rng(3)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", BY)
def test_what_makes_one_scores_row_by_row_by_probabilities(name: str) -> None:
    strategy = registry.load(name)
    assert (strategy.rowwise, strategy.takes, strategy.options, strategy.across) == (True, ("probabilities",), (), None)
    likely = np.random.default_rng(1).dirichlet(np.ones(3), 50)
    places = shortlist(scorer(name), 7, {"probabilities": likely}, np.random.default_rng(0))
    doubt: dict[str, Callable[[np.ndarray], float]] = {
        "margin": lambda row: float(np.sort(row)[-2] - np.sort(row)[-1]),
        "entropy": lambda row: float(-(row * np.log(row)).sum()),
        "least-confidence": lambda row: float(1 - row.max()),
    }
    assert places.tolist() == sorted(sorted(range(50), key=lambda place: -doubt[name](likely[place]))[:7])


def test_what_chooses_from_the_whole_pool_takes_none() -> None:
    refused = {}
    for name in registry.names():
        try:
            check(registry.load(name), 50, None, name, flag)
        except UsageError as error:
            refused[name] = error.message
    sorts_or_asks = {name for name in registry.names() if registry.load(name).shape != "pick"}
    assert set(refused) == sorts_or_asks | {"clarifier", "e3g"}
    assert refused["margin"] == "--shortlist has no effect with margin"
    assert refused["galaxy"] == "--shortlist has no effect with galaxy: it searches the whole pool"
    assert refused["e3g"] == "--shortlist has no effect with e3g: some of its rows are to be drawn from the whole pool"


def test_a_shortlist_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="--shortlist-by has no effect without a shortlist"):
        check(registry.load("badge"), None, "entropy", "badge", flag)
    with pytest.raises(UsageError, match="--shortlist: expected at least the 2,000 rows of the budget, found 1,000"):
        check_budget(1000, 2000, flag)
    check(registry.load("badge"), None, None, "badge", flag)
    check_budget(2000, 2000, flag)
    check_budget(None, 2000, flag)
    assert scorer(None).name == "margin"

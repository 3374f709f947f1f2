"""What labels cost: kinds, prices, budgets and ratios, against what their definitions say row by row."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.metrics import cost

ANSWERS = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.none() | st.floats(0, 100, width=32)), max_size=30)


def arrays(rows: list[tuple[int, int, float | None]]) -> tuple[np.ndarray, np.ndarray]:
    """The kinds of (answer, suggestion, seconds), and the seconds."""
    answers, suggested, seconds = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    kind = cost.kinds(np.array(answers, np.int64), np.array(suggested, np.int64))
    return kind, np.array([math.nan if value is None else value for value in seconds], np.float64)


def kind_of(answer: int, suggestion: int) -> str:
    if answer < 0 or suggestion < 0:
        return "scratch"
    return "verified" if answer == suggestion else "corrected"


@settings(max_examples=200, deadline=None)
@given(ANSWERS)
def test_kinds_medians_and_prices(rows: list[tuple[int, int, float | None]]) -> None:
    kind, seconds = arrays(rows)
    assert [cost.KINDS[place] for place in kind] == [kind_of(answer, suggestion) for answer, suggestion, _ in rows]
    timed: dict[str, list[float]] = {name: [] for name in cost.KINDS}
    for answer, suggestion, value in rows:
        if value is not None:
            timed[kind_of(answer, suggestion)].append(value)
    found, counts = cost.medians(kind, seconds)
    assert counts.tolist() == [len(timed[name]) for name in cost.KINDS]
    expected = {name: statistics.median(values) if values else math.nan for name, values in timed.items()}
    assert found == pytest.approx([expected[name] for name in cost.KINDS], nan_ok=True)
    answer = [expected[name] for name in ("corrected", "scratch") if timed[name]]  # each stands in for the other
    price = {name: expected[name] if timed[name] else answer[0] if answer else math.nan for name in cost.KINDS}
    if not timed["verified"]:  # c_a is an upper bound of c_v: that of a new answer
        price["verified"] = price["scratch"]
    assert cost.prices(kind, seconds) == pytest.approx([price[name] for name in cost.KINDS], nan_ok=True)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=3, max_size=3), st.lists(st.none() | st.floats(0, 10), min_size=3, max_size=3))
def test_spent(counts: list[int], prices: list[float | None]) -> None:
    total = 0.0
    for count, price in zip(counts, prices, strict=True):
        total += (math.nan if price is None else count * price) if count else 0.0
    found = cost.spent(np.array(counts), np.array([math.nan if price is None else price for price in prices]))
    assert float(found) == pytest.approx(total, nan_ok=True)


def test_the_papers_example() -> None:
    """c_v = 1 and c_a = 4: 60 verified and 40 corrected cost 220, 100 without suggestions 400."""
    price = np.array([1.0, 4.0, 4.0])
    assert cost.spent(np.array([[60, 40, 0], [0, 0, 100]]), price).tolist() == [220, 400]
    assert cost.per_suggestion(price, np.array([0.6, 0.0, 1.0])) == pytest.approx([2.2, 4, 1])


@pytest.mark.parametrize(("budget", "price", "rows"), [(10, 3, 3), (0.3, 0.1, 3), (2.9, 3, 0), (600, 2.2, 272), (6, 3, 2)])
def test_affordable(budget: float, price: float, rows: int) -> None:
    assert cost.affordable(budget, price) == rows


def test_efficiency_by_definition() -> None:
    """1 when both are 0, undefined if not reached; and where one alone is free, for there is no ratio."""
    base = np.array([8.0, 3.0, 0.0, 0.0, 5.0, math.nan, 5.0])
    own = np.array([4.0, 6.0, 0.0, 2.0, 0.0, 2.0, math.nan])
    assert cost.efficiency(base, own) == pytest.approx([2, 0.5, 1, math.nan, math.nan, math.nan, math.nan], nan_ok=True)

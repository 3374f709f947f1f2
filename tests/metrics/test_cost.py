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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("budget", "price", "rows"),
    [(10, 3, 3), (0.3, 0.1, 3), (2.9, 3, 0), (600, 2.2, 272), (6, 3, 2), (math.inf, 3, 2**31 - 1), (1e300, 1e-30, 2**31 - 1)],
)
def test_affordable(budget: float, price: float, rows: int) -> None:
    assert cost.affordable(budget, price) == rows


def test_efficiency_by_definition() -> None:
    """1 when both are 0, undefined if not reached; and where one alone is free, for there is no ratio."""
    base = np.array([8.0, 3.0, 0.0, 0.0, 5.0, math.nan, 5.0])
    own = np.array([4.0, 6.0, 0.0, 2.0, 0.0, 2.0, math.nan])
    assert cost.efficiency(base, own) == pytest.approx([2, 0.5, 1, math.nan, math.nan, math.nan, math.nan], nan_ok=True)


def reference_tiers(price: list[float], suggested: list[int], accepted: list[int], rows: int, audit: int) -> set[tuple[int, int, int]]:
    """Every split of `rows` that follows the rule, tried one by one."""
    answer = [(a + 1) / (s + 2) * price[0] + (1 - (a + 1) / (s + 2)) * price[1] for s, a in zip(suggested, accepted, strict=True)]
    z, n = 1.959963984540054, suggested[2]
    p = accepted[2] / n if n else 0.0
    low = (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n) if n else 0.0
    splits = [(hard, people - hard, rows - audit - people) for people in range(rows - audit + 1) for hard in range(people + 1)]
    allowed = [s for s in splits if s[2] * (1 - low) <= 0.05 * (s[0] + s[1]) + 1e-9 and 2 * s[2] <= s[0] + s[1]]
    most = max(s[2] for s in allowed)
    even = {s: abs(s[0] * answer[0] - s[1] * answer[1]) for s in allowed if s[2] == most}
    return {(s[0], s[1], s[2] + audit) for s, gap in even.items() if gap <= min(even.values()) + 1e-9}


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.floats(0.5, 5), st.floats(1, 20)),
    st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1)), min_size=3, max_size=3),
    st.integers(1, 40),
    st.integers(0, 5),
)
def test_tiers_against_every_split(price: tuple[float, float], seen: list[tuple[int, float]], rows: int, audit: int) -> None:
    suggested, accepted = [s for s, _ in seen], [int(s * share) for s, share in seen]
    audit = min(audit, rows)
    found = cost.tiers(np.array([*price, price[1]]), np.array(suggested), np.array(accepted), rows=rows, audit=audit)
    assert found in reference_tiers(list(price), suggested, accepted, rows, audit)


def test_tiers_by_hand() -> None:
    price, none = np.array([1.0, 4.0, 4.0]), np.zeros(3, np.int64)
    # nothing is known: both tiers alike, and 1 auto label for 20 of people's
    assert cost.tiers(price, none, none, rows=105) == (50, 50, 5)
    assert cost.tiers(price, none, none, rows=115, audit=10) == (50, 50, 15)
    # hard rows take 1 + 3 x 0.75 = 3.25 s, intermediate ones 1 + 3 x 0.25 = 1.75: 35 % and 65 % of the rows
    suggested, accepted = np.array([98, 98, 0]), np.array([24, 74, 0])
    assert cost.tiers(price, suggested, accepted, rows=105) == (35, 65, 5)
    assert cost.tiers(price, suggested, accepted, seconds=700) == (107, 200, 15)
    # 10 audited rows at 1 + 3 x 1/2 s
    assert cost.tiers(price, suggested, accepted, seconds=725, audit=10) == (107, 200, 25)
    # 400 audited and all right: at worst 1 % is wrong, so half as many auto labels as people's are harmless
    assert cost.tiers(price, np.array([0, 0, 400]), np.array([0, 0, 400]), rows=150) == (50, 50, 50)
    # 40 audited and 32 right: at worst a third is wrong
    low = (0.8 + 0.04802 - 1.96 * math.sqrt(0.16 / 40 + 3.8416 / 6400)) / 1.09604
    assert cost.tiers(price, np.array([0, 0, 40]), np.array([0, 0, 32]), rows=1000)[2] == int(1000 / (1 + (1 - low) / 0.05))
    assert cost.tiers(price, none, none, rows=3, audit=9) == (0, 0, 3)
    assert cost.tiers(price, none, none, seconds=3, audit=9) == (0, 0, 9)


def test_break_even_by_hand():
    assert cost.break_even(np.array([1.0, 3.0, 3.0])) == 0.75  # 3 right ones spare 3, the wrong one of four takes 3
    assert cost.break_even(np.array([0.0, 3.0, 3.0])) == 1

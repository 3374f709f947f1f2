"""alamp against its formula, one row at a time in exact fractions, and on the edge cases that the paper leaves open."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from altool.errors import InputError
from altool.strategies import alamp, entropy, least_confidence, margin

BASES = ["margin", "entropy", "least-confidence"]


def distributions(columns: int) -> st.SearchStrategy[np.ndarray]:
    raw = arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(columns)), elements=st.floats(0, 1, width=32))
    filled = raw.map(lambda rows: rows + (rows.sum(1, keepdims=True) == 0))
    return filled.map(lambda rows: rows / rows.sum(1, keepdims=True))


def sure(row: np.ndarray, base: str) -> float:
    """The certainty of one row, from the definition of its uncertainty."""
    exact = [Fraction(float(value)) for value in row]
    exact = sorted((value / sum(exact) for value in exact), reverse=True)
    if base == "margin":
        return float(exact[0] - exact[1])
    if base == "least-confidence":
        return float(1 - (1 - exact[0]) / (1 - Fraction(1, len(exact))))
    return 1 - sum(-float(value) * math.log(value) for value in exact if value) / math.log(len(exact))


@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
@given(data=st.data())
def test_equals_the_formula(base: str, data: st.DataObject) -> None:
    before = data.draw(distributions(4))
    now = data.draw(distributions(5))[: len(before)]  # a class was added between the rounds
    before = before[: len(now)]
    kept = [alamp.certainty(rows, alamp_base=base) for rows in (now, before)]
    scores = alamp.shift(*kept)
    for row, m, was in zip(range(len(now)), *kept, strict=True):
        assert m == pytest.approx(sure(now[row], base), abs=1e-12)
        assert was == pytest.approx(sure(before[row], base), abs=1e-12)
        assert 0 <= m <= 1
        assert scores[row] == pytest.approx((was - m) / (was + m) if was + m else 0, abs=1e-12)
        assert -1 <= scores[row] <= 1


def test_by_hand() -> None:
    before = alamp.certainty(np.array([[0.875, 0.125], [0.75, 0.25], [0.5, 0.5], [0.5, 0.5], [1, 0], [0.75, 0.25]]))
    assert before.tolist() == [0.75, 0.5, 0, 0, 1, 0.5]
    now = alamp.certainty(np.array([[0.625, 0.375], [0.75, 0.25], [0.5, 0.5], [0.75, 0.25], [0, 1], [0.5, 0.5]]))
    assert now.tolist() == [0.25, 0.5, 0, 0.5, 1, 0]
    # 0 / 0 is 0; certainty out of nowhere is -1, whatever its size; saturated rows did not shift; all certainty gone is 1
    assert alamp.shift(now, before).tolist() == [0.5, 0, 0, -1, 0, 1]


@pytest.mark.parametrize("base", BASES)
def test_certainty_runs_from_0_to_1_and_rows_are_brought_to_sum_1(base: str) -> None:
    rows = np.array([[0.25] * 4, [0, 1, 0, 0], [0.4, 0.3, 0.2, 0.1]])
    assert alamp.certainty(rows, alamp_base=base)[:2] == pytest.approx([0, 1], abs=1e-15)
    assert alamp.certainty(rows * 1.001, alamp_base=base) == pytest.approx(alamp.certainty(rows, alamp_base=base), abs=1e-14)


@pytest.mark.parametrize("base", BASES)
def test_less_certain_is_more_uncertain(base: str) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(6), 3000)
    order = np.argsort(alamp.certainty(rows, alamp_base=base), kind="stable")
    assert order.tolist() == np.argsort(-alamp.score(rows, alamp_base=base), kind="stable").tolist()


def test_the_first_round_is_the_base() -> None:
    rows = np.random.default_rng(1).dirichlet(np.ones(3), 40).astype(np.float32)
    for base, module in zip(BASES, (margin, entropy, least_confidence), strict=True):
        assert np.array_equal(alamp.score(rows, alamp_base=base), module.score(rows))
    assert np.array_equal(alamp.score(rows), margin.score(rows))


def test_rows_that_were_never_scored_come_last_in_the_order_of_the_base() -> None:
    now, before = np.array([0.1, 0.9, 0.5, 1.0, 0.0]), np.array([np.nan, 0.0, np.nan, 0.2, np.nan])
    scores = alamp.shift(now, before)
    assert np.argsort(-scores, kind="stable").tolist() == [3, 1, 4, 0, 2]
    assert scores[1] == -1
    assert (scores[[0, 2, 4]] <= -2).all()


def test_the_ratio_alone_counts() -> None:
    # As printed: noise at the boundary (1e-6 to 1e-9) beats a fall from 0.9 to 0.05.
    noise, fall = alamp.shift(np.array([1e-9, 0.05]), np.array([1e-6, 0.9]))
    assert noise > fall > 0.89


@pytest.mark.parametrize("base", BASES)
def test_one_class_is_refused(base: str) -> None:
    with pytest.raises(InputError, match="two classes"):
        alamp.certainty(np.ones((2, 1)), alamp_base=base)

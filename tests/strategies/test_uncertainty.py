"""least-confidence, margin, entropy and most-likely-positive against a row at a time in plain Python."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from altool.errors import InputError
from altool.strategies import bald, entropy, least_confidence, margin, most_likely_positive

ROWS = arrays.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.floats(0, 1, width=32)).map(
    lambda raw: (raw + (raw.sum(1, keepdims=True) == 0)) / (raw + (raw.sum(1, keepdims=True) == 0)).sum(1, keepdims=True)
)


@given(ROWS)
def test_equal_plain_python(rows: np.ndarray) -> None:
    for row, uncertain, gap, spread, likely in zip(
        rows,
        least_confidence.score(rows),
        margin.score(rows),
        entropy.score(rows),
        most_likely_positive.score(rows, query_classes=[0, 1]),
        strict=True,
    ):
        exact = sorted((Fraction(float(value)) for value in row), reverse=True)
        assert uncertain == float(1 - exact[0])
        assert gap == pytest.approx(-float(exact[0] - exact[1]), abs=1e-15)
        total = sum(exact)
        expected = -sum(float(value / total) * math.log(value / total) for value in exact if value)
        assert spread == pytest.approx(expected, abs=1e-12)
        assert likely == max(float(row[0]), float(row[1]))


def test_by_hand() -> None:
    rows = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    assert least_confidence.score(rows).tolist() == [0.5, 0]
    assert margin.score(rows).tolist() == [-0.25, -1]
    assert entropy.score(rows) == pytest.approx([1.5 * math.log(2), 0], abs=1e-15)
    assert most_likely_positive.score(rows, query_classes=[1, 2]).tolist() == [0.25, 0]


def test_entropy_of_rows_that_sum_to_nearly_one_is_that_of_the_row_brought_to_one() -> None:
    row = np.array([[0.5, 0.3, 0.2]])
    assert entropy.score(row * 1.0005) == pytest.approx(entropy.score(row), abs=1e-12)


def test_margin_of_one_class_is_refused() -> None:
    with pytest.raises(InputError, match="two classes"):
        margin.score(np.ones((2, 1), np.float32))


def test_bald_is_the_column() -> None:
    scores = bald.score(np.array([0.25, 0, 0.125], np.float32))
    assert scores.dtype == np.float64
    assert scores.tolist() == [0.25, 0, 0.125]

"""entropy against a row at a time in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from reference_uncertainty import ROWS, exact

from altool.strategies import entropy


@given(ROWS)
def test_equal_plain_python(rows: np.ndarray) -> None:
    for row, spread in zip(exact(rows), entropy.score(rows), strict=True):
        total = sum(row)
        expected = -sum(float(value / total) * math.log(value / total) for value in row if value)
        assert spread == pytest.approx(expected, abs=1e-12)


def test_by_hand() -> None:
    rows = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    assert entropy.score(rows) == pytest.approx([1.5 * math.log(2), 0], abs=1e-15)


def test_rows_that_sum_to_nearly_one_are_brought_to_one() -> None:
    row = np.array([[0.5, 0.3, 0.2]])
    assert entropy.score(row * 1.0005) == pytest.approx(entropy.score(row), abs=1e-12)

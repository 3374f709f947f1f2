"""margin against a row at a time in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from reference_uncertainty import ROWS, exact

from altool.errors import InputError
from altool.strategies import margin


@given(ROWS)
def test_equal_plain_python(rows: np.ndarray) -> None:
    for row, gap in zip(exact(rows), margin.score(rows), strict=True):
        assert gap == pytest.approx(-float(row[0] - row[1]), abs=1e-15)


def test_by_hand() -> None:
    rows = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    assert margin.score(rows).tolist() == [-0.25, -1]


def test_one_class_is_refused() -> None:
    with pytest.raises(InputError, match="two classes"):
        margin.score(np.ones((2, 1), np.float32))

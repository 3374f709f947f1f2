"""most-likely-positive against a row at a time in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from reference_uncertainty import ROWS

from altool.strategies import most_likely_positive


@given(ROWS)
def test_equal_plain_python(rows: np.ndarray) -> None:
    for row, likely in zip(rows, most_likely_positive.score(rows, query_classes=[0, 1]), strict=True):
        assert likely == max(float(row[0]), float(row[1]))


def test_by_hand() -> None:
    rows = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    assert most_likely_positive.score(rows, query_classes=[1, 2]).tolist() == [0.25, 0]

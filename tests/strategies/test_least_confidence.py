"""least-confidence against a row at a time in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from reference_uncertainty import ROWS, exact

from altool.strategies import least_confidence


@given(ROWS)
def test_equal_plain_python(rows: np.ndarray) -> None:
    for row, uncertain in zip(exact(rows), least_confidence.score(rows), strict=True):
        assert uncertain == float(1 - row[0])


def test_by_hand() -> None:
    rows = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    assert least_confidence.score(rows).tolist() == [0.5, 0]

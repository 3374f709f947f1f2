"""Rows of probabilities as hypothesis draws them, and a row at a time in exact fractions."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

ROWS = arrays.arrays(np.float32, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.floats(0, 1, width=32)).map(
    lambda raw: (raw + (raw.sum(1, keepdims=True) == 0)) / (raw + (raw.sum(1, keepdims=True) == 0)).sum(1, keepdims=True)
)


def exact(rows: np.ndarray) -> Iterator[list[Fraction]]:
    """Each row's probabilities, the largest first."""
    for row in rows:
        yield sorted((Fraction(float(value)) for value in row), reverse=True)

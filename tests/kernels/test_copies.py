"""Near copies, against all pairs in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.kernels import copies

pytestmark = pytest.mark.slow


def slow(left: np.ndarray, right: np.ndarray | None, threshold: float) -> list[tuple[int, int]]:
    """(row, the one that it is most like) over all pairs."""
    unit = [
        rows.astype(float) / np.maximum(np.linalg.norm(rows.astype(float), axis=1, keepdims=True), 1e-300)
        for rows in (left, left if right is None else right)
    ]
    found = []
    for row in range(len(left)):
        cosines = unit[1][: row if right is None else None] @ unit[0][row]
        if len(cosines) and cosines.max() >= threshold - 1e-9:
            found.append((row, int(np.flatnonzero(cosines >= cosines.max() - 1e-6)[0])))
    return found


def pairs(found: copies.Nearest) -> list[tuple[int, int]]:
    return list(zip(found.rows.tolist(), found.others.tolist(), strict=True))


def planted(rows: int, width: int, scale: np.ndarray, seed: int) -> np.ndarray:
    """A quarter of the rows are another row with a little noise, or none."""
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(rows, width)) * scale
    copied = draw.permutation(rows)[: rows // 4]
    noise = draw.normal(size=(len(copied), width)) * scale * draw.choice([0, 0.05, 0.3], len(copied))[:, None]
    matrix[copied] = matrix[draw.integers(rows, size=len(copied))] + noise
    return matrix.astype(np.float32)


@pytest.mark.parametrize("scale", ["even", "falling"])
@pytest.mark.parametrize("threshold", [0.9, 0.98, 1.0])
def test_no_copy_is_lost(scale: str, threshold: float) -> None:
    width = 48
    rows = planted(2600, width, np.ones(width) if scale == "even" else 1 / np.arange(1, width + 1), 0)
    found = copies.nearest(rows, None, threshold)
    expected = slow(rows, None, threshold)
    assert found.rows.tolist() == [row for row, _ in expected]
    cosine = np.einsum("ij,ij->i", copies.units(rows[found.rows]), copies.units(rows[found.others]))
    most = np.einsum("ij,ij->i", copies.units(rows[found.rows]), copies.units(rows[[other for _, other in expected]]))
    np.testing.assert_allclose(cosine, most, atol=2e-6)
    np.testing.assert_allclose(found.cosines, cosine, atol=2e-6)


def test_of_other_rows() -> None:
    left, right = planted(1500, 16, np.ones(16), 1), planted(1200, 16, np.ones(16), 2)
    right[7], right[1100] = left[3], left[3]
    right[9] = left[1400]
    found = dict(pairs(copies.nearest(left, right, 0.98)))
    assert found.keys() == dict(slow(left, right, 0.98)).keys()
    assert found[3] == 7
    assert found[1400] == 9


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2), st.integers(-2, 2)), max_size=30), st.sampled_from([0.7, 0.98, 1.0]))
@settings(max_examples=60)
def test_small_ones(rows: list[tuple[int, int, int]], threshold: float) -> None:
    matrix = np.array(rows, np.float32).reshape(len(rows), 3)
    found = copies.nearest(matrix, None, threshold)
    assert found.rows.tolist() == [row for row, _ in slow(matrix, None, threshold)]
    assert not (set(found.rows.tolist()) | set(found.others.tolist())) & set(np.flatnonzero(~matrix.any(axis=1)).tolist())


def test_many_copies_of_one() -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(2, 12)), 1500, axis=0).astype(np.float32)
    found = copies.nearest(rows, None, 0.98)
    assert found.rows.tolist() == [*range(1, 1500), *range(1501, 3000)]
    assert set(found.others.tolist()) == {0, 1500}

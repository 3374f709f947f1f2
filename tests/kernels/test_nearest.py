"""Nearest rows, against all distances one by one."""

from __future__ import annotations

import numpy as np
import pytest

from altool.kernels.nearest import Nearest


def by_definition(rows: np.ndarray, place: int, number: int) -> list[int]:
    unit = [row / np.linalg.norm(row) if np.linalg.norm(row) else row for row in rows.astype(np.float64)]
    unit = [row.astype(np.float16).astype(np.float64) for row in unit]
    others = [other for other in range(len(rows)) if other != place]
    return sorted(others, key=lambda other: (-round(float(unit[other] @ unit[place]), 5), other))[:number]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_of_each_the_nearest_by_cosine(dtype: type) -> None:
    rows = (np.random.default_rng(0).normal(size=(300, 6)) * 50).astype(dtype)
    found = Nearest(rows, 7)
    for places in ([3], [3, 299, 0], list(range(280))):
        expected = {other for place in places for other in by_definition(rows, place, 7)}
        assert set(np.flatnonzero(found.of(np.array(places))).tolist()) == expected
    assert not found.of(np.empty(0, np.int64)).any()


def test_copies_zeros_and_more_than_there_are() -> None:
    rows = np.array([[1, 0], [2, 0], [0, 0], [3, 0], [-1, 0]], np.float32)
    assert np.flatnonzero(Nearest(rows, 2).of(np.array([1]))).tolist() == [0, 3]  # copies of it, whatever their length
    assert np.flatnonzero(Nearest(rows, 1).of(np.array([1]))).tolist() == [0]  # a tie: the first
    assert np.flatnonzero(Nearest(rows, 2).of(np.array([2]))).tolist() == [0, 1]
    assert np.flatnonzero(Nearest(rows, 9).of(np.array([4]))).tolist() == [0, 1, 2, 3]
    assert not Nearest(rows[:1], 3).of(np.array([0])).any()

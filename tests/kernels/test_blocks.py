"""One walk for arrays in memory, mapped files and tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from extra import torch

from altool.engines.local import limited
from altool.engines.scratch import Scratch
from altool.kernels import blocks


def mapped(matrix: np.ndarray) -> np.ndarray:
    array = Scratch(0).empty(matrix.shape, matrix.dtype)
    array[:] = matrix
    return array


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("place", [np.asarray, mapped, torch.from_numpy], ids=["memory", "file", "torch"])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_row_comes_once_and_in_order(dtype: Any, place: Any, threads: int) -> None:
    matrix = np.arange(5000 * 3).reshape(5000, 3).astype(dtype) / 16
    given = place(matrix)
    state = np.zeros(5000, np.float32)

    def work(part: slice, rows: Any, again: Any) -> tuple[int, int]:
        assert rows.dtype in (np.float32, torch.float32)
        state[part] += blocks.host(rows + again)[:, 1]
        return part.start, part.stop

    with limited(threads):
        parts = list(blocks.walk(work, given, given))
    assert [start for start, _ in parts] == [0, *[stop for _, stop in parts[:-1]]]
    assert parts[-1][1] == 5000
    assert np.array_equal(state, 2 * matrix[:, 1].astype(np.float32))
    some = np.array([4999, 0, 7])
    assert np.array_equal(blocks.host(blocks.gather(given, some)), matrix[some].astype(np.float32))
    assert blocks.host(blocks.take(given, some)).dtype == dtype
    assert blocks.namespace(given) in (np, torch)
    assert blocks.host(blocks.like(state, given)) is state or place is torch.from_numpy


def test_no_rows() -> None:
    assert list(blocks.walk(lambda part, rows: part, np.empty((0, 3), np.float32))) == []


@pytest.mark.parametrize("place", [np.asarray, torch.from_numpy])
def test_rows_are_alike_or_not_wherever_the_other_one_is(place: Callable[[np.ndarray], Any]) -> None:
    matrix = np.tile(np.array([[0.5, 0.25]], np.float32), (5000, 1))
    assert blocks.alike(place(matrix))
    assert blocks.alike(place(matrix[:1]))
    assert blocks.alike(place(matrix[:0]))
    assert blocks.alike(place(matrix[:, 0].copy()))
    for row in (0, 1, 2047, 2048, 4999):
        other = matrix.copy()
        other[row, 1] += np.float32(1e-7)
        assert not blocks.alike(place(other))
        assert not blocks.holds(place(other), lambda block: block <= 0.25)
        assert blocks.holds(place(other), lambda block: block <= 0.5)

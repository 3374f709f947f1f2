"""The nearest rows of some rows of a matrix, by comparing all of them: exact, for pools that fit into memory."""

from __future__ import annotations

import numpy as np

from altool.kernels.blocks import BLOCK, Matrix


class Nearest:
    """The `number` rows nearest to rows of a matrix (n, D) by cosine, found once for each.

    A row is not its own neighbour; ties go to the smaller place. A row of zeros is as far from every row as a right angle is.
    """

    def __init__(self, rows: Matrix, number: int) -> None:
        self._unit = _unit(np.asarray(rows))
        self._number = min(number, len(self._unit) - 1)
        self._found: dict[int, np.ndarray] = {}

    def of(self, places: np.ndarray) -> np.ndarray:
        """bool (n,): which rows are neighbours of one at least of the int64 `places`."""
        new = np.array([place for place in places.tolist() if place not in self._found], np.int64)
        for start in range(0, len(new), BLOCK // 8):
            part = new[start : start + BLOCK // 8]
            cosines = self._unit[part] @ self._unit.T
            cosines[np.arange(len(part)), part] = -np.inf
            for place, row in zip(part.tolist(), cosines, strict=True):
                self._found[place] = _largest(row, self._number)
        mask = np.zeros(len(self._unit), bool)
        for place in places.tolist():
            mask[self._found[place]] = True
        return mask


def _unit(rows: np.ndarray) -> np.ndarray:
    """The rows at length 1, rounded to float16 as an index of them is (tables/neighbours.py), float32; zeros stay."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    return (rows / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float16).astype(np.float32)


def _largest(values: np.ndarray, number: int) -> np.ndarray:
    """The places of the `number` largest values; of equal ones the first."""
    if not number:
        return np.empty(0, np.int64)
    least = np.partition(values, -number)[-number]
    above = np.flatnonzero(values > least)
    return np.concatenate([above, np.flatnonzero(values == least)[: number - len(above)]])

"""Walking large matrices in blocks of rows: over the cores, from memory or a mapped file, or on a GPU, by the same code.

A matrix is a numpy array (float32 or float16, in memory or mapped) or a torch tensor (on any device). Kernels are written with the
functions that both libraries share, so that one code serves both: `xp = namespace(matrix)`, then `xp.sqrt`, `xp.minimum`, `@` and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from altool.engines.local import ordered_map
from altool.engines.scratch import release

Result = TypeVar("Result")
Matrix = Any  # numpy.ndarray or torch.Tensor

BLOCK = 2048  # rows: small enough for a core's cache, large enough for BLAS; fixed, so that results do not depend on the threads
DEVICE_BLOCK = 65_536
PIECE = 64  # rows taken at once from a mapped file: the system maps up to a megabyte around each


def namespace(matrix: Matrix) -> Any:
    """The library that computes with `matrix`: numpy or torch."""
    if isinstance(matrix, np.ndarray):
        return np
    import torch

    return torch


def host(array: Matrix) -> np.ndarray:
    """`array` as a numpy array."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def like(array: np.ndarray, matrix: Matrix) -> Matrix:
    """The numpy `array` where `matrix` lies: itself, or a tensor on the same device."""
    if isinstance(matrix, np.ndarray):
        return array
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(matrix.device)


def single(rows: Matrix) -> Matrix:
    """`rows` as float32; a copy only if they are something else."""
    return rows.astype(np.float32, copy=False) if isinstance(rows, np.ndarray) else rows.float()


def double(rows: Matrix) -> Matrix:
    """`rows` as a float64 copy."""
    return rows.astype(np.float64) if isinstance(rows, np.ndarray) else rows.double()


def inner(rows: Matrix, others: Matrix) -> Matrix:
    """The inner product of each of `rows` (n, D) with its own of `others` (n, D), or with the one vector (D,), in their type.

    Equal rows have equal products, wherever they are.
    """
    if isinstance(rows, np.ndarray):
        return np.einsum("ij,ij->i" if others.ndim == 2 else "ij,j->i", rows, others)
    return (rows * others).sum(1)


def totals(matrix: Matrix) -> np.ndarray:
    """The sums of the columns of `matrix` (n, c), float64 (c,) on the host."""
    if isinstance(matrix, np.ndarray):
        return matrix.sum(axis=0, dtype=np.float64)
    import torch

    return host(matrix.sum(0, dtype=torch.float64))


def fill(matrix: Matrix, where: Matrix, value: float) -> None:
    """Set the entries of `matrix` that the mask `where` has, in place."""
    if isinstance(matrix, np.ndarray):
        np.copyto(matrix, value, where=where)
    else:
        matrix.masked_fill_(where, value)


def walk(function: Callable[..., Result], *matrices: Matrix, rows: int = BLOCK) -> Iterator[Result]:
    """Yield `function(part, *blocks)` for consecutive slices `part` of the matrices' rows, in order; the blocks come as float32.

    Numpy blocks of `rows` rows are worked on by several threads (`function` must only write to places of its own, for example
    `state[part]`); tensors in larger blocks, one after another. Pages of mapped files are let go behind the walk.
    """
    count = len(matrices[0])
    on_host = isinstance(matrices[0], np.ndarray)
    step = rows if on_host else max(rows, DEVICE_BLOCK)

    def work(start: int) -> Result:
        part = slice(start, min(start + step, count))
        result = function(part, *(single(matrix[part]) for matrix in matrices))
        for matrix in matrices:
            release(matrix, part)
        return result

    return ordered_map(work, range(0, count, step), 0 if on_host else 1)


def gather(matrix: Matrix, positions: np.ndarray) -> Matrix:
    """The rows at `positions` (int64), as a float32 copy."""
    return single(take(matrix, positions))


def holds(matrix: Matrix, test: Callable[[Matrix], Matrix]) -> bool:
    """Is `test` true of all that is in `matrix` (n, …)? Looks no further than the first block of rows that fails it."""
    for start in range(0, len(matrix), BLOCK):
        part = slice(start, min(start + BLOCK, len(matrix)))
        true = bool(test(matrix[part]).all())
        release(matrix, part)
        if not true:
            return False
    return True


def alike(matrix: Matrix) -> bool:
    """Are all rows of `matrix` (n, …) the same?"""
    return holds(matrix, lambda block: block == matrix[0])


def take(matrix: Matrix, positions: np.ndarray) -> Matrix:
    """The rows at `positions` (int64), as a copy of the same type."""
    if isinstance(matrix, np.ndarray):
        if matrix.base is None:
            return matrix[positions]
        rows = np.empty((len(positions), *matrix.shape[1:]), matrix.dtype)
        for start in range(0, len(positions), PIECE):
            rows[start : start + PIECE] = matrix[positions[start : start + PIECE]]
            release(matrix, slice(0, len(matrix)))
        return rows
    import torch

    return matrix[torch.from_numpy(positions).to(matrix.device)]

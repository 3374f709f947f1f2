"""A table's matrix column as arrays: the rows that a run needs, in id order, read once and held once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TypeVar

import numpy as np
import pyarrow as pa

from altool.engines.scratch import Scratch, release
from altool.tables import align
from altool.tables.align import Index
from altool.tables.read import Source, matrix

Result = TypeVar("Result")


def read_index(source: Source, threads: int = 0) -> Index:
    """The index of a table, reading its ids only."""
    return align.index(list(source.scan(["id"], lambda batch: batch.column("id"), threads=threads)), source.name)


def read_matrices(
    source: Source,
    column: str,
    index: Index,
    parts: Sequence[np.ndarray],
    scratch: Scratch,
    *,
    width: int | None = None,
    threads: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
    also: Callable[[np.ndarray], Result] | None = None,
) -> tuple[list[np.ndarray], str, list[Result]]:
    """A matrix (m, width) for each of `parts` (int64 (m,) positions in `index`, increasing), the whole table's fingerprint, and what
    `also` makes of each batch of all its rows, float32 and in file order.

    Numbers are float32, or float16 where all files hold that. Every row of the table is checked, wanted or not. Raises InputError for
    faulty rows and rows of another width.
    """
    dtype = np.float16 if source.is_half(column) else np.float32
    places = [_places(index, part) for part in parts]
    arrays: list[np.ndarray] = []
    sums = np.empty(len(index), np.uint32)
    lock = Lock()
    results: dict[int, Result] = {}

    def work(batch: pa.RecordBatch, start: int) -> None:
        nonlocal width
        rows = matrix(source, batch, column, width).astype(dtype, copy=False)
        with lock:
            if not arrays:
                width = rows.shape[1]
                arrays.extend(scratch.empty((len(part), width), dtype) for part in parts)
        matrix(source, batch, column, width)  # the first batches may have come at once
        source.check(column, batch.column("id"), rows)
        sums[start : start + len(rows)] = align.checksums([batch.column(column)])
        if also is not None:
            results[start] = also(rows.astype(np.float32, copy=False))
        for array, (from_, to) in zip(arrays, places, strict=True):
            low, high = np.searchsorted(from_, [start, start + len(rows)])
            if low == high:
                continue
            if to is None and high - low == len(rows):
                array[low:high] = rows
            else:
                array[slice(low, high) if to is None else to[low:high]] = rows[from_[low:high] - start]
            release(array, slice(low, high) if to is None else slice(0, len(array)))
        advance(len(rows))

    for _ in source.scan_rows(["id", column], work, threads=threads):
        pass
    fingerprint = align.fingerprint(index, sums, source.classes if source.knows_classes else None)
    return arrays, fingerprint, [results[start] for start in sorted(results)]


def read_some(source: Source, column: str, index: Index, positions: np.ndarray, *, threads: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (m, width) of the rows at these distinct int64 `positions` (m,) in `index` alone, in their order, and their checksums,
    uint32 (m,). Numbers are as `read_matrices` has them; only these rows are read, as far as the file allows it, and checked.

    Raises InputError for faulty rows and rows of another width.
    """
    dtype = np.float16 if source.is_half(column) else np.float32
    rows = positions if index.order is None else index.order[positions]
    to = np.argsort(rows, kind="stable")
    found: list[np.ndarray] = []
    sums = np.empty(len(rows), np.uint32)
    lock = Lock()

    def work(batch: pa.RecordBatch, start: int) -> None:
        with lock:
            part = matrix(source, batch, column, found[0].shape[1] if found else None).astype(dtype, copy=False)
            if not found:
                found.append(np.empty((len(rows), part.shape[1]), dtype))
        source.check(column, batch.column("id"), part)
        at = to[start : start + len(part)]
        found[0][at] = part
        sums[at] = align.checksums([batch.column(column)])

    source.gather([column], rows[to], index.take(positions[to]), work, threads=threads)
    return found[0] if found else np.empty((0, 0), dtype), sums


def _places(index: Index, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The file rows of these positions, increasing, and where in the result each goes (None: one after another)."""
    if index.order is None:
        return positions, None
    rows = index.order[positions]
    to = np.argsort(rows, kind="stable")
    return rows[to], to

"""k-means for many clusters: Lloyd's iteration in blocks of rows, over-relaxed.

Own code, since no library does the whole job: for 500 clusters of 50,000 x 512 rows scikit-learn's KMeans and faiss take about twice the
processor seconds for the same sum of squares, and both want the matrix as float32 in memory (scikit-learn copies it), while it may be a
mapped float16 file larger than memory, or lie on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from altool.engines.local import ordered_map
from altool.kernels.blocks import BLOCK, DEVICE_BLOCK, Matrix, Result, gather, host, like, walk

RELAXATION = 1.5
PRODUCTS = {True: 2**20, False: 2**28}  # rows x clusters at a time, on the host or not: 4 MB stay near the processor


def fit(
    features: Matrix, clusters: int, rng: np.random.Generator, *, iterations: int = 11, sample: int = 256
) -> tuple[np.ndarray, np.ndarray, float]:
    """`k = min(clusters, n)` clusters of the rows of `features` (n, D) around their means (Lloyd 1982); `learn` explains the options.

    Returns the centres float32 (k, D), the number of each row's nearest centre int32 (n,), and the sum of the squared distances to them.
    """
    centres = learn([features], clusters, rng, iterations=iterations, sample=sample)
    assignment, distances = assign(features, centres)
    return centres, assignment, float(distances.sum())


def learn(matrices: Sequence[Matrix], clusters: int, rng: np.random.Generator, *, iterations: int = 11, sample: int = 256) -> np.ndarray:
    """The centres float32 (k, D) of the rows of all `matrices` (each (n, D), of one kind) together, `k = min(clusters, rows)`.

    Centres start on rows drawn at random. In each iteration they move 1.5 times the way to the mean of their rows: any factor between 0
    and 2 lowers the sum of squares, and 11 such steps come as far as 25 plain ones. The last step is a plain one, and so are those after
    which no row changes its cluster; then it ends. A centre without rows moves to one of the rows that are farthest from theirs. At most
    `sample` rows per cluster, drawn at random, are learnt from. Raises ValueError if there is no row or no cluster.
    """
    total = sum(map(len, matrices))
    clusters = min(clusters, total)
    if clusters < 1:
        raise ValueError("k-means needs a row and a cluster")
    centres = _rows(matrices, rng.choice(total, clusters, replace=False)).astype(np.float64)
    count = min(total, sample * clusters)
    rows = _split(matrices, rng.choice(total, count, replace=False)) if count < total else None
    labels = np.full(count, -1, np.int32)
    shift = centres.mean(axis=0).astype(np.float32)  # of the rows that are summed up in float32
    sums = np.zeros(centres.shape)
    settled = False
    for turn in range(iterations):
        table = _table(centres, matrices[0])
        changed = 0
        for numbers, change, moved in _blocks(lambda part, block: _move(block, labels[part], table, shift), matrices, rows):  # noqa: B023
            sums[numbers] += change
            changed += moved
        if settled and not changed:
            break
        settled = turn == iterations - 1 or not changed
        sizes = np.bincount(labels, minlength=clusters)
        used = sizes > 0
        centres[used] += (1 if settled else RELAXATION) * (shift + sums[used] / sizes[used, None] - centres[used])
        if not used.all():
            found = _far(matrices, rows, centres, labels, int((~used).sum()))
            centres[np.flatnonzero(~used)[: len(found)]] = found
            settled = settled and not len(found)
    return centres.astype(np.float32)


def assign(features: Matrix, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the nearest of `centres` (k, D), int32 (n,), and the squared distance to it, float64 (n,), of each row (n, D)."""
    assignment, distances = np.empty(len(features), np.int32), np.empty(len(features))
    table, places = _table(centres, features), like(centres.astype(np.float32, copy=False), features)

    def work(part: slice, block: Matrix) -> None:
        numbers = _nearest(block, *table)
        assignment[part] = host(numbers)
        distances[part] = host(((block - places[numbers]) ** 2).sum(1))

    for _ in walk(work, features):
        pass
    return assignment, distances


def _table(centres: np.ndarray, matrix: Matrix) -> tuple[Matrix, Matrix]:
    """What `_nearest` takes: |x - c|^2 = x . table + offset + a term of x alone. Around the centres' mean, so that little cancels."""
    middle = centres.mean(axis=0, dtype=np.float64)
    apart = centres - middle
    offset = (apart * (apart + 2 * middle)).sum(axis=1)
    return like(np.ascontiguousarray(-2 * apart.T, np.float32), matrix), like(offset.astype(np.float32), matrix)


def _nearest(block: Matrix, table: Matrix, offset: Matrix) -> Matrix:
    """The number of the nearest centre of each row of `block`, the smallest of equal ones."""
    on_host = isinstance(block, np.ndarray)
    step = max(1, PRODUCTS[on_host] // len(offset))
    found = []
    for start in range(0, len(block), step):
        distances = block[start : start + step] @ table
        distances += offset
        found.append(distances.argmin(1))
    if on_host:
        return np.concatenate(found)
    import torch

    return torch.cat(found)


def _move(block: Matrix, labels: np.ndarray, table: tuple[Matrix, Matrix], shift: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Bring `labels` of the block's rows up to date; what that adds to which clusters' sums of x - shift, and how many rows changed theirs.

    Only rows that change are summed up: few after some iterations.
    """
    before, after = labels.copy(), host(_nearest(block, *table))
    labels[:] = after
    moved = np.flatnonzero(before != after)
    left = moved[before[moved] >= 0]
    numbers = np.concatenate([after[moved], before[left]])
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    rows = block[like(np.concatenate([moved, left])[order], block)]
    rows -= like(shift, block)
    rows *= like(np.where(order < len(moved), np.float32(1), np.float32(-1))[:, None], block)
    return numbers[starts], _run_sums(rows, starts), len(moved)


def _run_sums(rows: Matrix, starts: np.ndarray) -> np.ndarray:
    """The sums of the rows from each start to the next."""
    if not len(starts):
        return np.empty((0, rows.shape[1]), np.float32)
    if isinstance(rows, np.ndarray):
        return np.add.reduceat(rows, starts, axis=0)
    import torch

    return host(torch.segment_reduce(rows, "sum", lengths=like(np.diff(starts, append=len(rows)), rows)))


def _far(matrices: Sequence[Matrix], rows: list[np.ndarray] | None, centres: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` different rows that are farthest from their centres."""
    places = like(centres.astype(np.float32), matrices[0])

    def work(part: slice, block: Matrix) -> np.ndarray:
        return host(((block - places[like(labels[part], block)]) ** 2).sum(1))

    distances, first = np.unique(np.concatenate(list(_blocks(work, matrices, rows))), return_index=True)
    first = first[distances > 0][::-1][:count]
    if rows is not None:
        starts = np.cumsum([0, *map(len, matrices)])
        first = np.concatenate([start + chosen for start, chosen in zip(starts, rows, strict=False)])[first]
    return _rows(matrices, first)


def _split(matrices: Sequence[Matrix], positions: np.ndarray) -> list[np.ndarray]:
    """`positions` in the matrices one below the other as sorted positions in each."""
    ends = np.cumsum([len(matrix) for matrix in matrices])
    parts = np.split(np.sort(positions), np.searchsorted(np.sort(positions), ends[:-1]))
    return [part - end + len(matrix) for part, end, matrix in zip(parts, ends, matrices, strict=True)]


def _rows(matrices: Sequence[Matrix], positions: np.ndarray) -> np.ndarray:
    parts = _split(matrices, positions)
    return np.concatenate([host(gather(matrix, part)) for matrix, part in zip(matrices, parts, strict=True)])


def _blocks(function: Callable[[slice, Any], Result], matrices: Sequence[Matrix], rows: list[np.ndarray] | None) -> Iterator[Result]:
    """`walk` over matrices one below the other, or over these `rows` of each; slices count the rows that are walked over."""
    begin = 0
    for number, matrix in enumerate(matrices):

        def work(part: slice, block: Matrix, begin: int = begin) -> Result:
            return function(slice(begin + part.start, begin + part.stop), block)

        if rows is None:
            yield from walk(work, matrix)
            begin += len(matrix)
        else:
            chosen = rows[number]
            on_host = isinstance(matrix, np.ndarray)
            step = BLOCK if on_host else DEVICE_BLOCK

            def take(start: int, matrix: Matrix = matrix, chosen: np.ndarray = chosen, step: int = step) -> Result:
                part = slice(start, min(start + step, len(chosen)))
                return work(part, gather(matrix, chosen[part]))

            yield from ordered_map(take, range(0, len(chosen), step), 0 if on_host else 1)
            begin += len(chosen)

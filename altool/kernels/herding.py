"""Herding: coverage of rows by chosen rows, under a kernel of the distance between unit vectors (Bae, Noh and Sutherland 2024).

A set covers a row x as well as its nearest member does: max_s k(x, s), k(x, s) = exp(-d(x, s)^2 / radius^2) or, as ProbCover has it,
[d(x, s) < radius]. d^2 = 2 - 2 cos, from 0 to 4; a row of length 0 is at sqrt(2) from everything.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from altool.engines.local import ordered_map
from altool.kernels.blocks import BLOCK, DEVICE_BLOCK, Matrix, double, fill, host, like, namespace, take, totals

Kernel = Literal["gaussian", "top-hat"]
ROWS = 512  # of the table in one product
GROUP = 16  # rows of the table summed up in float32: a megabyte of 16,384 columns stays in a cache
DEVICE_PART = 2**26  # numbers of the table at once, on another device
ROUNDING = 1e-7  # of a float32 cosine, mostly
SAME = 1e-6  # cosines so near 1 are 1
TIE = 1e-6  # of the largest gain when gains were last summed up afresh: what they may be off by since
FRESH = 8  # gains are summed up afresh when the best is so many times smaller


def unit(rows: Matrix, mean: np.ndarray | None = None) -> Matrix:
    """`rows` (n, D), float32 or float16, less the `mean` (D,) and each over its length: float32 (n, D) where they lie.

    A row of length 0 stays 0, as does one that is the mean but for rounding.
    """
    on_host, xp = isinstance(rows, np.ndarray), namespace(rows)
    found = np.empty(tuple(rows.shape), np.float32) if on_host else xp.empty_like(rows, dtype=xp.float32)
    step = BLOCK if on_host else DEVICE_BLOCK
    for start in range(0, len(rows), step):
        block = double(rows[start : start + step])
        least = 0.0
        if mean is not None:
            least = 1e-6 * xp.sqrt((block * block).sum(1))
            block -= like(mean, block)
        lengths = xp.sqrt((block * block).sum(1))
        with np.errstate(divide="ignore"):
            block *= xp.where(lengths > least, 1 / lengths, 0.0)[:, None]
        found[start : start + step] = block
    return found


def nearest(points: Matrix, others: Matrix) -> np.ndarray:
    """The largest cosine of each of `points` (m, D) with one of the `others` (n, D), all unit float32: float32 (m,), -inf if none.

    Blocks of both, so that the whole matrix is never held.
    """
    best = np.full(len(points), -np.inf, np.float32)
    on_host = isinstance(points, np.ndarray)
    step = BLOCK if on_host else DEVICE_BLOCK // 8

    def work(start: int) -> None:
        block, here = points[start : start + step], best[start : start + step]
        for first in range(0, len(others), step):
            np.maximum(here, host(namespace(block).amax(block @ others[first : first + step].T, 1)), out=here)

    for _ in ordered_map(work, range(0, len(points), step), 0 if on_host else 1):
        pass
    return best


def closest(rows: Matrix) -> float:
    """The largest cosine of two of the unit `rows` (n, D) float32 that are no copies of each other; -inf where there are no two."""
    best = -np.inf
    for start in range(0, len(rows), BLOCK):
        for first in range(start, len(rows), BLOCK):
            cosines = rows[start : start + BLOCK] @ rows[first : first + BLOCK].T
            fill(cosines, cosines > 1 - SAME, -np.inf)
            if first == start:
                each = like(np.arange(len(cosines)), cosines)
                cosines[each, each] = -np.inf  # of a row of length 0 it is 0
            best = max(best, float(cosines.max()))
    return best


def closeness(cosines: Matrix, radius: float, kernel: Kernel = "gaussian") -> Matrix:
    """The kernel of float32 `cosines`, in place: exp(-(2 - 2 cos) / radius^2), or 1 where the distance is below `radius` and else 0.

    A cosine of -inf, of nothing, is 0. Distances below 0.0014 are what rounding makes of 0, so they are.
    """
    fill(cosines, cosines > 1 - SAME, 1)
    if kernel == "top-hat":
        cosines[...] = cosines > 1 - radius * radius / 2
        return cosines
    cosines -= 1
    cosines *= 2 / (radius * radius)
    return namespace(cosines).exp(cosines, out=cosines)


def greedy(
    candidates: Matrix,
    points: Matrix,
    weights: np.ndarray | None,
    covered: np.ndarray,
    radius: float,
    count: int,
    kernel: Kernel = "gaussian",
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` of the `candidates` in the greedy order of weighted coverage, and the gain of each pick.

    The gain of a candidate j is the sum over `points` x of w(x) max(k(x, j) - covered(x), 0); then covered(x) is at least k(x, j).
    `candidates` (C, D) and `points` (E, D) are unit rows, float32; `weights` (E,) at least 0, None: all 1; `covered` (E,) from 0 to 1,
    which is not written to. Returns int64 positions and float64 gains, fewer than `count` where no gain is left but rounding. Gains that
    are equal but for float32 rounding (some 1e-6 of them) are a tie, which goes to the smaller position; so copies of a pick are never
    picked.

    All gains are kept up to date, as a pick changes the coverage of few points: over all picks some 7 to 10 times of each. That is C
    numbers for each change, from the table of all kernel values, whose 4 C E bytes are the memory that it takes. Lazy evaluation (Minoux
    1978) of C = E = 16,384 rows of no structure works out 400 rows of E numbers for every pick of 1,000, 6 s of processor time against
    2 s, and is worse for more picks; `submodular.lazy` holds no table, and its similarities are linear in the vectors.
    """
    on_host, xp = isinstance(points, np.ndarray), namespace(points)
    scale = None
    if weights is not None:
        useful = np.flatnonzero(weights > 0)
        points, covered = take(points, useful), covered[useful] * weights[useful].astype(np.float32)
        scale = like(weights[useful].astype(np.float32)[:, None], points)
    level_of = like(covered.astype(np.float32), points)  # what each point is covered by, times its weight
    shape = len(points), len(candidates)
    table = np.empty(shape, np.float32) if on_host else points.new_empty(shape)  # of w(x) k(x, j)
    slope = 2 / (radius * radius) if kernel == "gaussian" else 0.0  # at most so much does a kernel value change with the cosine

    def work(start: int) -> np.ndarray:
        rows = table[start : start + ROWS]
        xp.matmul(points[start : start + ROWS], candidates.T, out=rows)
        closeness(rows, radius, kernel)
        if scale is not None:
            rows *= scale[start : start + ROWS]
        return host(rows.sum(0))

    nothing = np.zeros(len(candidates))  # what is no more than rounding
    for total in ordered_map(work, range(0, len(points), ROWS), 0 if on_host else 1):
        nothing += total
    nothing *= 2 * ROUNDING * max(slope, 1.0)
    picks: list[int] = []
    gains_of: list[float] = []
    everything = like(np.arange(len(points)), points)
    gains, done = np.zeros(len(candidates)), np.zeros(len(candidates), bool)
    level, afresh = 0.0, True
    while len(picks) < count and not done.all():
        if afresh or gains.max() < level / FRESH:
            gains = _between(table, everything, level_of, None)
            gains[done] = -np.inf
            level, afresh = gains.max(), False
        position = int((gains >= gains.max() - TIE * level).argmax())
        column = table[:, position]
        rise = xp.where(column > level_of)[0]
        low, high = level_of[rise], column[rise]
        gain = float((double(high) - double(low)).sum())
        done[position] = True
        gains[position] = -np.inf
        if gain > nothing[position]:
            picks.append(position)
            gains_of.append(gain)
            level_of[rise] = high
            afresh = 2 * len(rise) > len(points)  # costs no more than the change
            if not afresh:
                gains -= _between(table, rise, low, high)
    return np.array(picks, np.int64), np.array(gains_of, np.float64)


def _between(table: Matrix, rows: Matrix, low: Matrix, high: Matrix | None) -> np.ndarray:
    """What lies between `low` and `high` (len(rows),) of these rows' numbers, summed up for every column: float64 (C,) on the host."""
    total = np.zeros(table.shape[1])
    if not isinstance(table, np.ndarray):
        step = max(1, DEVICE_PART // table.shape[1])
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            here = (table[rows[some]] - low[some, None]).clip(0)
            total += totals(here if high is None else here.minimum((high[some] - low[some])[:, None]))
        return total
    part = np.empty((GROUP, table.shape[1]), np.float32)
    for start in range(0, len(rows), GROUP):
        some = rows[start : start + GROUP]
        here = part[: len(some)]
        for line, row, least in zip(here, some, low[start : start + GROUP], strict=True):
            np.subtract(table[row], least, out=line)
        np.clip(here, 0, None if high is None else (high[start : start + GROUP] - low[start : start + GROUP])[:, None], out=here)
        total += here.sum(axis=0)
    return total

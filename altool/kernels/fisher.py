"""Fisher information of a softmax layer: its matrices, and the rows that lower what is left to learn (BAIT, Ash et al. 2021).

A row with features h and probabilities p has the information I = (diag(p) - p p^T) (x) h h^T, of dimension D = K d and rank K - 1 at most:
I = V V^T with V = L (x) h and L (K, K - 1) the `roots` of the first factor. No such matrix is ever made of a row.
"""

from __future__ import annotations

import numpy as np

from altool.engines.local import ordered_map
from altool.kernels.blocks import Matrix, host

ROWS = 512  # at a time, so that their small matrices stay near the processor; fixed, so that results do not depend on the threads
TIE = 1e-9  # relative: nearer than that, two gains are the same


def roots(probabilities: np.ndarray) -> np.ndarray:
    """L (n, K, K - 1) with L L^T = diag(p) - p p^T for every row p of `probabilities` (n, K), float64 of sum 1: its Cholesky factor."""
    tails = np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1]
    here, rest = tails[:, :-1], tails[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(here > 0, np.sqrt(probabilities[:, :-1] / here), 0)
        down = np.where(rest > 0, share / np.sqrt(rest), 0)  # where the rest is 0, so are the probabilities below
    found = np.tril(-probabilities[:, :, None] * down[:, None, :], -1)
    columns = np.arange(probabilities.shape[1] - 1)
    found[:, columns, columns] = share * np.sqrt(rest)
    return found


def information(features: Matrix, probabilities: Matrix) -> np.ndarray:
    """The sum of the rows' information, float64 (K d, K d), class by class; `features` (n, d), `probabilities` (n, K) are float64."""
    rows, width = features.shape
    classes = probabilities.shape[1]
    product = (probabilities[:, :, None] * features[:, None, :]).reshape(rows, classes * width)
    total = -host(product.T @ product)
    for start in range(0, classes * width, width):
        part = slice(start, start + width)
        total[part, part] += host(product[:, part].T @ features)
    return total


def forward_backward(
    features: np.ndarray, probabilities: np.ndarray, known: np.ndarray, target: np.ndarray, *, weight: float, most: int, count: int
) -> np.ndarray:
    """BAIT's greedy search for `count` rows that bring tr((`known` + `weight` * their information)^-1 `target`) low.

    `features` (n, d) and `probabilities` (n, K), K > 1, are float64, `known` (positive definite) and `target` (K d, K d). First the row
    that lowers the trace most is added, `most` times; then the row whose loss raises it least is taken away, until `count` are left.
    Returns them, int64 (count,), in the order of adding. Of equally good rows (within 1e-9) the first is added, the last taken away.
    """
    left = roots(probabilities)
    inverse = np.linalg.inv(known)
    inverse = (inverse + inverse.T) / 2
    s, t = (_projected(features, left, matrix) for matrix in (inverse, inverse @ target @ inverse))
    added, inverse = _forward(features, left, inverse, target, s, t, weight, most)
    return added[_backward(features[added], left[added], inverse, target, s[added], t[added], weight, count)]


def _forward(
    features: np.ndarray, left: np.ndarray, inverse: np.ndarray, target: np.ndarray, s: np.ndarray, t: np.ndarray, weight: float, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows to add, in order, and the inverse of M after that; brings `s` and `t` up to date.

    To add V V^T takes tr(X^-1 T) off the trace, with X = 1 / weight + S, S = V^T M^-1 V and T = V^T M^-1 target M^-1 V (Woodbury). Every
    row's S and T are carried along, as a row that is added changes what stands between by rank K - 1. X^-1 is brought up to date only
    where that may matter: for an older X' >= X, tr(X^-1 T) <= tr(X'^-1 T) / (1 - r) with r = tr(X'^-1 (X' - X)), since X >= (1 - r) X'.
    """
    rows = len(features)
    ridge = np.eye(s.shape[1]) / weight
    older, level, gains = np.empty_like(s), np.empty(rows), np.empty(rows)
    free = np.ones(rows, bool)

    def refresh(part: np.ndarray) -> None:
        older[part] = np.linalg.inv(s[part] + ridge)
        level[part] = _inner(older[part], s[part])
        gains[part] = np.maximum(_inner(older[part], t[part]), 0)

    def follow(start: int) -> None:
        part = slice(start, start + ROWS)
        _follow(s[part], t[part], features[part], left[part], change, 1)
        loss = level[part] - _inner(older[part], s[part])
        with np.errstate(divide="ignore", invalid="ignore"):
            gains[part] = np.where(loss < 1, np.maximum(_inner(older[part], t[part]), 0) / (1 - loss), np.inf)

    list(ordered_map(refresh, np.split(np.arange(rows), range(ROWS, rows, ROWS))))
    fresh = np.ones(rows, bool)
    added: list[int] = []
    while True:
        gains[~free] = -1
        step = 64
        while True:
            best = np.max(gains, where=fresh & free, initial=0) * (1 - TIE)
            stale = np.flatnonzero(free & ~fresh & (gains >= best))
            if not len(stale):
                break
            if len(stale) > step:
                stale = stale[np.argpartition(-gains[stale], step)[:step]]
            refresh(stale)
            fresh[stale] = True
            step *= 2
        row = int(np.flatnonzero(free & (gains >= best))[0])
        added.append(row)
        free[row] = False
        change = _update(inverse, target, features[row], left[row], s[row], weight, 1)
        list(ordered_map(follow, range(0, rows, ROWS)))
        if len(added) == most:
            return np.array(added), inverse
        fresh[:] = False


def _backward(
    features: np.ndarray, left: np.ndarray, inverse: np.ndarray, target: np.ndarray, s: np.ndarray, t: np.ndarray, weight: float, count: int
) -> np.ndarray:
    """The positions of the `count` rows that stay. To take V V^T away adds tr((1 / weight - S)^-1 T) to the trace."""
    ridge = np.eye(s.shape[1]) / weight
    kept = np.arange(len(features))
    while len(kept) > count:
        losses = np.maximum(_inner(np.linalg.inv(ridge - s[kept]), t[kept]), 0)
        place = int(np.flatnonzero(losses <= losses.min() * (1 + TIE))[-1])
        row = kept[place]
        kept = np.delete(kept, place)
        change = _update(inverse, target, features[row], left[row], s[row], weight, -1)
        _follow(s, t, features, left, change, -1)
    return kept


def _update(
    inverse: np.ndarray, target: np.ndarray, row: np.ndarray, left: np.ndarray, s: np.ndarray, weight: float, sign: int
) -> np.ndarray:
    """Add (sign 1) the row's information to M, or take it away (-1): M^-1 loses sign P P^T, in place.

    Returns P and Q as (d, 2, K, K - 1), where M^-1 target M^-1 loses sign (P Q^T + Q P^T).
    """
    classes, rank = left.shape
    factor = np.linalg.cholesky(np.eye(rank) / weight + sign * s)
    p = np.linalg.solve(factor, (inverse @ np.kron(left, row[:, None])).T).T
    spread = target @ p
    q = inverse @ spread - (sign / 2) * p @ (p.T @ spread)
    inverse -= sign * (p @ p.T)
    return np.ascontiguousarray(np.stack([p, q]).reshape(2, classes, len(row), rank).transpose(2, 0, 1, 3))


def _follow(s: np.ndarray, t: np.ndarray, features: np.ndarray, left: np.ndarray, change: np.ndarray, sign: int) -> None:
    """Bring the rows' S and T up to date, in place, after such a change."""
    width, _, classes, rank = change.shape
    sides = left.transpose(0, 2, 1)[:, None] @ (features @ change.reshape(width, -1)).reshape(-1, 2, classes, rank)
    products = sides[:, 0] @ sides.reshape(-1, 2 * rank, rank).transpose(0, 2, 1)
    s -= sign * products[:, :, :rank]
    cross = products[:, :, rank:]
    t -= sign * (cross + cross.transpose(0, 2, 1))


def _projected(features: np.ndarray, left: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """V^T matrix V of every row, (n, K - 1, K - 1), for a symmetric `matrix` (K d, K d)."""
    rows, classes, rank = left.shape
    width = features.shape[1]
    found = np.empty((rows, rank, rank))

    def work(start: int) -> None:
        part = slice(start, start + ROWS)
        block = features[part]
        middle = np.empty((len(block), classes, classes))
        for number in range(classes):
            halfway = block @ matrix[number * width : (number + 1) * width]
            middle[:, number] = (halfway.reshape(len(block), classes, width) @ block[:, :, None])[:, :, 0]
        found[part] = left[part].transpose(0, 2, 1) @ middle @ left[part]

    list(ordered_map(work, range(0, rows, ROWS)))
    return found


def _inner(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The trace of each pair's product, (n,), of symmetric matrices (n, k, k)."""
    return np.einsum("nij,nij->n", first, second)

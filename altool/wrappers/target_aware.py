"""TAAL: a queue re-ordered so that classes far from their targets come sooner (Kotian et al.; docs/algorithms.md, "TAAL").

The candidate classes of many rows are held one row after another: `classes[starts[row] : starts[row + 1]]`, rising, are those of `row`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from altool.kernels.blocks import Matrix, host, like, namespace, walk
from altool.kernels.top import turns

Ragged = tuple[np.ndarray, np.ndarray]  # starts int64 (n + 1,), classes int16 or int32 (m,)

DRAWS = 4096  # class draws that are looked up at once
PREFIX = 65_536  # rows of the queue that are grouped by class at first; eight times as many whenever a class runs out of them


def candidate_labels(probabilities: Matrix, threshold: float | np.ndarray) -> Ragged:
    """The classes with p >= threshold x the row's largest p, for each row of `probabilities` (n, K): equation 3.

    Returns starts int64 (n + 1,) and classes (m,), int16 where K allows that, else int32. `threshold`, one for all or (K,), is from 0
    to 1. A class just at it is in; a row of zeros has none. Multiplied and compared as float32.
    """
    width = probabilities.shape[1]
    dtype = np.int16 if width <= 2**15 else np.int32  # numpy groups 16-bit numbers by radix sort
    share = like(np.atleast_1d(np.asarray(threshold, np.float32)), probabilities)

    def work(part: slice, block: Matrix) -> Ragged:
        best = namespace(block).amax(block, 1)
        limit = best[:, None] * share
        limit[best == 0] = np.inf
        flat = np.flatnonzero(host(block >= limit))
        return np.searchsorted(flat, np.arange(0, block.shape[0] * width + 1, width)), (flat % width).astype(dtype)

    return stacked([(np.zeros(1, np.int64), np.empty(0, dtype)), *walk(work, probabilities)])


def stacked(parts: Iterable[Ragged]) -> Ragged:
    """The candidates of consecutive parts of the rows as those of all; at least one part."""
    starts, classes = zip(*parts, strict=True)
    return np.concatenate([[0], *map(np.diff, starts)]).cumsum(), np.concatenate(classes)


def taken(starts: np.ndarray, classes: np.ndarray, rows: np.ndarray) -> Ragged:
    """The candidates of `rows` (int64), in their order."""
    sizes = starts[rows + 1] - starts[rows]
    ends = np.concatenate([[0], sizes.cumsum()])
    entries = np.arange(ends[-1])
    entries += np.repeat(starts[rows] - ends[:-1], sizes)
    return ends, classes[entries]


def adapt(
    queue: np.ndarray,
    starts: np.ndarray,
    classes: np.ndarray,
    weights: np.ndarray,
    count: int,
    rng: np.random.Generator,
    fixed: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` rows of `queue` when classes drawn by weight ask for rows in turn: Algorithm 1.

    `queue` int64 holds different rows, first choice first; `starts` and `classes` are the candidates of all rows (`candidate_labels`);
    `weights` (K,) are finite and at least 0. While rows are missing, a class is drawn in proportion to the weights and given the first
    row in the queue that it has not been given before. A row that came for another class already is not repeated: the draw is lost. A
    class whose rows are used up loses its weight.

    Returns int64 (min(count, n),) rows, and for which class each was taken, int32: -1 for the rows that no class asked for. When
    no weight is left, these fill the rest in the order of the queue (the paper returns fewer rows).

    With `fixed`, boolean per place in the queue, the rows at such places below `count` keep their places, with class -1, and the classes
    are served from rows that are not fixed, so that a random sample stays one. Fixed rows farther back are never chosen.

    Draw by draw the same as the printed loop that finds each class by the running sum of the weights from one `rng.random()` each.
    """
    weights = np.array(weights, np.float64)
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("class weights must be finite and at least 0")
    count = max(0, min(count, len(queue)))
    open_ = np.flatnonzero(~fixed[:count]) if fixed is not None else np.arange(count)
    free = queue[~fixed] if fixed is not None else queue
    places, served = _serve(free, starts, classes, weights, len(open_), rng)
    left = np.ones(len(free), bool)
    left[places] = False
    rest = np.flatnonzero(left[: len(open_)])[: len(open_) - len(places)]  # as many as are missing lie in that part
    rows, target_class = queue[:count].copy(), np.full(count, -1, np.int32)
    rows[open_] = free[np.concatenate([places, rest])]
    target_class[open_[: len(places)]] = served
    return rows, target_class


def _serve(
    queue: np.ndarray, starts: np.ndarray, classes: np.ndarray, weights: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Up to `count` places in the queue, int64, and the class (int64) that each was taken for. Weights of used-up classes become 0.

    Each class has a list of its places, and a cursor on it. A window of draws is looked up at once, up to the first draw of a class
    that has run out of its list: that one changes the weights, or makes the lists longer.
    """
    reach = min(len(queue), max(PREFIX, 4 * count))
    places, first = _lists(*taken(starts, classes, queue[:reach]), weights > 0)
    cursor = np.zeros(len(weights), np.int64)
    out = np.zeros(len(queue), bool)
    chosen, served = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    missing, window = count, DRAWS
    edges, draws = weights.cumsum(), np.empty(0)
    while missing and edges[-1] > 0:
        if not len(draws):
            draws = rng.random(DRAWS)
        drawn = np.searchsorted(edges, draws[:window] * edges[-1], side="right")
        entry = first[drawn] + cursor[drawn] + turns(drawn.astype(classes.dtype))
        dry = entry >= first[drawn + 1]
        end = int(dry.argmax()) if dry.any() else len(drawn)
        given = places[entry[:end]]
        new = np.sort(np.unique(given, return_index=True)[1])
        new = new[~out[given[new]]][:missing]
        out[given[new]] = True
        chosen.append(given[new])
        served.append(drawn[new])
        missing -= len(new)
        np.add.at(cursor, drawn[:end], 1)
        draws = draws[end:]
        window = min(DRAWS, 2 * end + 64)  # no more than is likely to be used before the next class runs out
        if end < len(drawn):
            if reach < len(queue):
                reach = min(len(queue), 8 * reach)
                places, first = _lists(*taken(starts, classes, queue[:reach]), weights > 0)
            else:
                weights[drawn[end]] = 0
                edges, draws = weights.cumsum(), draws[1:]
    return np.concatenate(chosen), np.concatenate(served)


def _lists(starts: np.ndarray, classes: np.ndarray, wanted: np.ndarray) -> Ragged:
    """The places of each wanted class, in order: class c has `places[first[c] : first[c + 1]]`. Returns places and first."""
    kept = np.flatnonzero(wanted[classes])
    drawn = classes[kept]
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[kept]
    return rows[drawn.argsort(kind="stable")], np.concatenate([[0], np.bincount(drawn, minlength=len(wanted)).cumsum()])

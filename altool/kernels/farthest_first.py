"""Farthest-first traversal (Gonzalez, 1985) of a pool too large to visit at every step, with the picks of a float64 loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from altool.kernels.blocks import Matrix, double, gather, host, like, single, walk
from altool.kernels.gradients import ceiling, contenders, pieces, squares

POOL = 4096  # rows that are brought up to date together
CENTRES = 256  # centres in one product
DEVICE_CENTRES = 4096
SKETCH = 64  # centres that a pass over all rows looks at


def farthest_first(features: Matrix, labeled: Matrix, count: int, first: int | None = None) -> np.ndarray:
    """Each pick is the row with the largest squared distance to the nearest of `labeled` and of the rows picked before it.

    `features` (n, D) and `labeled` (m, D) are float32 or float16; `first` (a position) is picked first, and needed if m = 0. Returns
    int64 (min(count, n),). Ties go to the smaller position, so rows at distance 0 come last, by position. Raises ValueError if there is
    no centre to start from.

    Distances only fall as centres are added, so the distance to some of them bounds the distance to all. Only the rows of the largest
    bounds are brought up to date, and picked as long as the best of them is beyond the bounds of all other rows. State: 16 bytes a row.
    """
    count = max(0, min(count, len(features)))
    picks = np.empty(count, np.int64)
    if count == 0:
        return picks
    if first is None and len(labeled) == 0:
        raise ValueError("neither labeled rows nor a first one")
    done = 0
    if first is not None:
        picks[0], done = first, 1
    middle = gather(features, _spread(0, len(features), 1024)).mean(0)
    bound = np.full(len(features), np.inf)
    seen = np.zeros(len(features), np.int64)  # so many centres, in order, are in `bound` exactly; what lowered it since is beyond the truth
    start = gather(labeled, _spread(0, len(labeled), SKETCH)) if len(labeled) else gather(features, picks[:1])
    _sketch(bound, features, start, middle)
    bound[picks[:done]] = -1
    size = min(POOL, max(64, 2**22 // features.shape[1]))
    sketched, gathered = done, 0
    while done < count:
        if gathered > len(bound) // 4 and done - sketched >= SKETCH // 2:  # the bounds have become loose
            _sketch(bound, features, gather(features, picks[_spread(sketched, done, SKETCH)]), middle)
            sketched, gathered = done, 0
        pool, limit, rival = _largest(bound, size, len(bound) - done)
        gathered += len(pool)
        near = _Points.of(gather(features, pool), middle)
        value, known = bound[pool], seen[pool]
        while len(behind := np.flatnonzero((value >= limit) & (known < len(labeled) + done))):
            centres, stop = _centres(features, labeled, picks[:done], int(known[behind].min()))
            active = behind[known[behind] < stop]
            near.approach(value, active, _Points.of(centres, middle))
            known[active] = stop
        while done < count:  # whatever reaches the limit is up to date
            best = int(value.argmax())
            if value[best] < limit or (value[best] == limit and pool[best] > rival):
                break
            if value[best] == 0:
                bound[pool] = value
                picks[done:] = np.flatnonzero(bound >= 0)[: count - done]
                return picks
            picks[done] = pool[best]
            done += 1
            value[best] = -1
            active = np.flatnonzero(value >= limit)
            near.approach(value, active, near.rows(np.array([best])))
            known[active] = len(labeled) + done
        bound[pool], seen[pool] = value, known
    return picks


@dataclass(frozen=True)
class _Points:
    """Rows as they are, for exact distances; less the middle of all, for products that lose little; and the squared norms of these."""

    plain: Matrix
    centred: Matrix
    own: Matrix

    @classmethod
    def of(cls, plain: Matrix, middle: Matrix) -> _Points:
        centred = plain - middle
        return cls(plain, centred, squares(centred))

    def rows(self, positions: np.ndarray) -> _Points:
        index = like(positions, self.own)
        return _Points(self.plain[index], self.centred[index], self.own[index])

    def approach(self, value: np.ndarray, active: np.ndarray, centres: _Points) -> None:
        """Lower `value`, in place and for the `active` rows, to the exact squared distance to the nearest of `centres`."""
        index = like(active, self.own)
        cross = centres.centred @ self.centred[index].T
        rows, columns = contenders(value[active], self.own[index], centres.own, cross, self.plain.shape[1])
        for some in pieces(len(rows), self.plain):
            row = active[rows[some]]
            gap = double(self.plain[like(row, self.own)]) - double(centres.plain[like(columns[some], self.own)])
            np.minimum.at(value, row, host(squares(gap)))


def _sketch(bound: np.ndarray, features: Matrix, centres: Matrix, middle: Matrix) -> None:
    """Lower `bound` (n,), in place, to what `centres` say of every row."""
    far = _Points.of(centres, middle)

    def lower(part: slice, rows: Matrix) -> None:
        centred = rows - middle
        top = host(ceiling(squares(centred), far.own, far.centred @ centred.T, rows.shape[1]))
        np.fmin(bound[part], top, out=bound[part])  # NaN, from an overflow, says nothing

    for _ in walk(lower, features):
        pass


def _largest(bound: np.ndarray, size: int, left: int) -> tuple[np.ndarray, float, int]:
    """The positions (ascending) of the `size` largest bounds, ties to the smaller; the largest bound outside, and its first position.

    `left` rows have a bound of 0 or more; if these are all inside, there is no rival, and the limit is 0.
    """
    if left <= size:
        return np.flatnonzero(bound >= 0), 0.0, len(bound)
    inside = len(bound) - size
    limit, least = np.partition(bound, (inside - 1, inside))[inside - 1 : inside + 1]
    above = np.flatnonzero(bound > least)
    level = np.flatnonzero(bound == least)
    room = size - len(above)
    rival = level[room] if limit == least else (bound == limit).argmax()
    return np.sort(np.concatenate([above, level[:room]])), float(limit), int(rival)


def _centres(features: Matrix, labeled: Matrix, picks: np.ndarray, start: int) -> tuple[Matrix, int]:
    """A block of centres, the labeled rows and then the picked ones, from number `start` on; and the number of its end."""
    step = CENTRES if isinstance(features, np.ndarray) else DEVICE_CENTRES
    if start < len(labeled):
        stop = min(start + step, len(labeled))
        return single(labeled[start:stop]), stop
    stop = min(start + step, len(labeled) + len(picks))
    return gather(features, picks[start - len(labeled) : stop - len(labeled)]), stop


def _spread(start: int, stop: int, count: int) -> np.ndarray:
    """At most `count` of range(start, stop), evenly spaced."""
    return np.linspace(start, stop - 1, min(count, stop - start)).astype(np.int64)

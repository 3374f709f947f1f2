"""The pool as one list per class: the rows that look most like the class first (docs/algorithms.md, "Class lists").

A list is never kept: a row's place in it is an integer key, smaller keys come first and equal ones by row. A cut j in 0..N lies before the
j-th row of a list (counted from 0): the first j rows are taken to be of the class. Rows are the candidates, then the labeled rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isqrt
from typing import TypeAlias

import numpy as np

from altool.engines.scratch import release
from altool.kernels.blocks import BLOCK, Matrix

GROUP = 32  # classes

InTurn: TypeAlias = "Callable[[np.ndarray], Iterator[np.ndarray]]"


@dataclass(frozen=True)
class Finding:
    """What is known of one class's list of `size` rows.

    The `threshold` is a cut: so many rows look like the class; `gap` is max p - p_k of the last of them (NaN if there is none). Cuts
    `first` to `last` are the version space that the labels leave, `unlabeled` of the rows between them have no answer.
    """

    class_: int
    size: int
    threshold: int
    gap: float
    first: int
    last: int
    unlabeled: int


def lists(*parts: Matrix) -> tuple[np.ndarray, InTurn]:
    """What the rows of `parts` (probabilities (n, K), then those of further rows) say of the classes.

    Returns the int64 numbers of the classes that some row of the first part may be of, and a function that goes through classes and
    yields the keys of all rows in the list of each: uint64 (N,), smaller where (max p - p_k, -p_k), as float32, is. The second number
    orders the rows that are predicted k, which share the first: 0.
    """
    highest = np.empty(sum(len(part) for part in parts), np.float32)
    likely = np.zeros(parts[0].shape[1], bool)
    for number, rows, block in _blocks(parts):
        highest[rows] = block.max(axis=1)
        if number == 0:
            likely |= block.max(axis=0) > 0

    def in_turn(classes: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(classes), GROUP):  # columns lie far apart: a few are read at a time
            group = classes[start : start + GROUP]
            columns = np.empty((len(group), len(highest)), np.float32)
            for _, rows, block in _blocks(parts):
                columns[:, rows] = block.T[group]
            for own in columns:
                np.maximum(own, 0, out=own)
                own += np.float32(0)  # no -0.0: of numbers that are not negative, the bits are in order
                keys = (highest - own).view(np.uint32).astype(np.uint64)
                keys <<= np.uint64(32)
                keys |= ~own.view(np.uint32)
                yield keys

    return np.flatnonzero(likely), in_turn


def _blocks(parts: Sequence[Matrix]) -> Iterator[tuple[int, slice, Matrix]]:
    """The rows of all parts: the part's number, where the rows are in all of them, and what they hold."""
    offset = 0
    for number, part in enumerate(parts):
        for start in range(0, len(part), BLOCK):
            rows = slice(start, min(start + BLOCK, len(part)))
            yield number, slice(offset + rows.start, offset + rows.stop), part[rows]
            release(part, rows)
        offset += len(part)


def ordered(keys: np.ndarray) -> np.ndarray:
    """The int64 positions of `keys` (n,), smallest first, ties by position.

    Numpy sorts numbers five times faster than it finds their order, so the upper half of each key is sorted together with its position,
    and the lower half decides among those that are equal.
    """
    low = np.uint64(0xFFFFFFFF)
    packed = np.sort(keys & ~low | np.arange(len(keys), dtype=np.uint64))
    order = (packed & low).astype(np.int64)
    packed >>= np.uint64(32)
    new = np.concatenate([[True], packed[1:] != packed[:-1], [True]])
    tied = np.flatnonzero(~(new[1:] & new[:-1]))
    if len(tied):
        run = np.cumsum(new[tied], dtype=np.uint64) << np.uint64(32)
        order[tied] = order[tied[np.argsort(run | keys[order[tied]] & low, kind="stable")]]
    return order


def between(keys: np.ndarray, low: np.uint64 | None, high: np.uint64 | None) -> np.ndarray:
    """The int64 rows with low <= key <= high, in the list's order."""
    mask = np.ones(len(keys), bool) if low is None else keys >= low
    rows = np.flatnonzero(mask if high is None else mask & (keys <= high))
    return rows[ordered(keys[rows])]


def position(keys: np.ndarray, row: int) -> int:
    """The row's place in the list, counted from 0."""
    return int(np.count_nonzero(keys < keys[row]) + np.count_nonzero(keys[:row] == keys[row]))


def version_space(keys: np.ndarray, labeled: np.ndarray, is_class: np.ndarray) -> np.ndarray:
    """The rows between cuts I and J, in the list's order: those on which the cuts that the labels leave possible differ.

    I lies behind the last row of the class before the first of another, J behind the first row of another class after the last of the
    class (docs/algorithms.md, "Class lists"); where there is none, the list's ends. `labeled` int64 (m,) increasing, `is_class` bool (m,).
    """
    order = ordered(keys[labeled])
    labeled, is_class = labeled[order], is_class[order]
    low = int(np.argmin(np.append(is_class, False))) - 1
    high = len(is_class) - int(np.argmax(np.append(is_class[::-1], True)))
    first = int(labeled[low]) if low >= 0 else None
    last = int(labeled[high]) if high < len(labeled) else None
    rows = between(keys, None if first is None else keys[first], None if last is None else keys[last])
    start = 0 if first is None else int(np.flatnonzero(rows == first)[0]) + 1
    stop = len(rows) if last is None else int(np.flatnonzero(rows == last)[0]) + 1
    return rows[start:stop]


def window(marks: np.ndarray, length: int) -> int:
    """Where to keep `length` of a list's rows (Algorithm 2, VReduce): of the cuts at both ends the one of larger loss is given up, row by
    row; while both have the same, a row from either end, the last one first.

    `marks` (n,): 1 for a row labeled with the class, -1 for one of another, 0 for the others. The loss of a cut is the number of labeled
    rows on the wrong side. As the paper prints it, the window whose ends have the least larger loss is kept, ties open; its authors'
    library walks. With few labels nearly all windows tie, and with wrong ones the least larger loss drops the head of a rare class's list
    (docs/algorithms.md, "DIRECT").
    """
    labeled = np.flatnonzero(marks)
    signs = marks[labeled].tolist()
    places = labeled.tolist()
    start, stop = 0, len(marks)
    first, last = 0, len(places) - 1  # of the labeled rows inside
    low, high = 0, sum(signs)  # a constant less the loss of the cuts before and after
    while spare := stop - start - length:
        from_start = places[first] + 1 - start if first <= last else spare  # rows up to the next labeled one, with it
        from_stop = stop - places[last] if first <= last else spare
        if low == high:
            taken = min(2 * from_start, 2 * from_stop - 1, spare)
            front, back = taken // 2, taken - taken // 2
        else:
            front, back = (min(from_start, spare), 0) if low < high else (0, min(from_stop, spare))
        start, stop = start + front, stop - back
        if first <= last and front == from_start:
            low, first = low + signs[first], first + 1
        elif first <= last and back == from_stop:
            high, last = high - signs[last], last - 1
    return start


def threshold(keys: np.ndarray, labeled: np.ndarray, is_class: np.ndarray) -> int:
    """The cut of least loss (Definition 4.1), of equal ones that closest to N/2, the lower of two. Arguments as for `version_space`.

    The loss changes at labeled rows only, so that only places next to N/2 have to be known.
    """
    order = ordered(keys[labeled])
    labeled, size = labeled[order], len(keys)
    gain = np.concatenate([[0], np.cumsum(np.where(is_class[order], 1, -1))])
    best = np.flatnonzero(gain == gain.max()).tolist()  # after so many labeled rows, up to the next of them

    def last(count: int) -> int:
        return position(keys, labeled[count]) if count < len(labeled) else size

    found = []
    place = bisect_left(best, size / 2, key=last)
    if place > 0:
        found.append(last(best[place - 1]))
    if place < len(best):
        first = position(keys, labeled[best[place] - 1]) + 1 if best[place] else 0
        found.append(max(first, min(size // 2, last(best[place]))))
    return min(found, key=lambda cut: (abs(2 * cut - size), cut))


def nearest(keys: np.ndarray, cut: int, free: np.ndarray, count: int) -> np.ndarray:
    """The `count` rows nearest to the cut among those that are `free` (bool (N,)), or all of them: at cut - 1, cut, cut - 2, cut + 1, …"""
    step = max(isqrt(len(keys)), 1)
    sample = np.sort(keys[::step])  # says roughly where to look
    width = count
    while True:
        low, high = (cut - width) // step - 1, (cut + width) // step + 2
        bounds = sample[low] if low >= 0 else None, sample[high] if high < len(sample) else None
        rows = between(keys, *bounds)
        first = 0 if bounds[0] is None else int(np.count_nonzero(keys < bounds[0]))
        reach = min(inf if bounds[0] is None else cut - first, inf if bounds[1] is None else first + len(rows) - cut)
        places = np.arange(first, first + len(rows))
        inside = (places >= cut - reach) & (places < cut + reach) & free[rows]
        rows, places = rows[inside], places[inside]
        if len(rows) >= count or reach == inf:
            return rows[np.argsort(np.where(places < cut, 2 * (cut - places) - 2, 2 * (places - cut) + 1))][:count]
        width *= 2


def marks(labels: np.ndarray, class_: int) -> np.ndarray:
    """int8 (n,): 1 where the label is the class, -1 where it is another, 0 where there is none (negative)."""
    return np.where(labels == class_, 1, np.where(labels >= 0, -1, 0)).astype(np.int8)


def finding(keys: np.ndarray, known: np.ndarray, class_: int) -> Finding:
    """What the class numbers among `known` (N,) say of the list; below -1: not asked about, or not answered yet."""
    labeled = np.flatnonzero(known >= 0)
    is_class = known[labeled] == class_
    cut = threshold(keys, labeled, is_class)
    rows = version_space(keys, labeled, is_class)
    first = position(keys, rows[0]) if len(rows) else len(keys)
    bits = np.partition(keys, cut - 1)[cut - 1] >> np.uint64(32) if cut else np.uint64(0)
    gap = float(bits.astype(np.uint32).view(np.float32)) if cut else float("nan")
    return Finding(class_, len(keys), cut, gap, first, first + len(rows), int(np.count_nonzero(known[rows] < -1)))


def ranks(keys: np.ndarray) -> np.ndarray:
    """int32 (N,) place of every row in the list."""
    places = np.empty(len(keys), np.int32)
    places[ordered(keys)] = np.arange(len(keys), dtype=np.int32)
    return places


def shares(total: int, parts: int) -> np.ndarray:
    """int64 (parts,): shares of `total` that differ by at most one and add up."""
    return np.diff(total * np.arange(parts + 1) // max(parts, 1))

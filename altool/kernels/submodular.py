"""Plain greedy maximisation of set functions over pools too large for a similarity matrix: of those that are sums over represented rows.

Everyone is ranked by a cheap float32 value; a pool of the best is worked out in float64, picked from, and nobody outside it is proved to be
better (as in verified.py). Values within 1e-12 of each other are a tie, which goes to the smaller position; copies of a row wait until the
one before them is picked, so a pool of many copies is a pool of few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from altool.kernels.blocks import BLOCK, Matrix, host, walk
from altool.kernels.similarity import CHUNK, Candidates, Factors, Rows, coarse
from altool.kernels.similarity import total as summed
from altool.kernels.top import top

POOL = 2048  # rows worked out exactly
STORE = 2**22  # exact similarities that `lazy` keeps of its pool
TIE = 1e-12
BATCH = 32  # gains worked out together
Picks = tuple[np.ndarray, np.ndarray]  # int64 (min(count, n),) positions in the order of picking, and a float64 number of each


def as_picks(positions: list[int], numbers: list[float]) -> Picks:
    """Lists as arrays."""
    return np.array(positions, np.int64), np.array(numbers, np.float64)


def first_best(values: np.ndarray, positions: np.ndarray) -> int:
    """The index of the largest of `values`; of those equal to it but for rounding, that of the smallest of `positions`."""
    best = values.max()
    level = np.flatnonzero(values >= best - TIE * max(1.0, abs(best)))
    return int(level[positions[level].argmin()])


class Covering(Protocol):
    """A set function that is a sum over represented rows, with a `level` (m,) for each that says how far it is served.

    A row's gain is `finish` of two numbers: a sum over the represented rows of a function of (similarity, level), that falls as levels
    rise, and a side term that only the similarities make.
    """

    represented: Rows
    falls: bool  # do gains only fall? Else every pick looks at everyone
    glimpses: int  # how many future levels bounds are worked out for

    def start(self, candidates: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first level, and upper bounds of every row's two numbers then, float64 (n,); may be infinite."""

    def active(self, level: np.ndarray) -> np.ndarray:
        """The represented rows that still matter."""

    def slack(self, level: np.ndarray) -> float:
        """How far a gain, or a sum alone, from float32 similarities may be off."""

    def sums(self, similarities: Matrix, level: np.ndarray, rows: np.ndarray) -> Matrix:
        """(c,) sums over these represented rows, from (c, len(rows)) similarities and (len(rows),) levels."""

    def rough(self, similarities: Matrix, levels: Sequence[np.ndarray], rows: np.ndarray) -> list[Matrix]:
        """The same for each of these levels, from float32 similarities, fast."""

    def side(self, similarities: Matrix) -> Matrix:
        """(c,) side terms from (c, r) similarities."""

    def join(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The side terms of two parts of the represented rows together."""

    def finish(self, total: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Gains."""

    def rise(self, level: np.ndarray, similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The level (m,) after picking a row with these similarities with these represented rows."""

    def fade(self, before: np.ndarray, after: np.ndarray) -> float:
        """What no sum is left with more than that share of, when the level rises so."""

    def shortfall(self, level: np.ndarray, later: np.ndarray) -> float:
        """How much larger a sum can be at `level` than at `later`."""

    def tangent(self, level: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, float] | None:
        """Weights (m,) and a constant, if a weighted sum of similarities bounds sums from above, well where these are about `near`."""


class Shortlist:
    """Some rows, with their exact similarities with the represented rows that matter: a plain greedy choice among them."""

    def __init__(
        self, candidates: Candidates, members: np.ndarray, function: Covering, level: np.ndarray, before: Shortlist | None = None
    ) -> None:
        self.function, self.rows, self.slots = function, function.active(level), members.copy()
        self.members, self.table, self.side = members, np.empty((len(members), len(self.rows))), np.zeros(len(members))
        new = np.arange(len(members))
        if before and len(before.rows) == len(self.rows):
            order = np.argsort(before.members)
            found = order[np.searchsorted(before.members, members, sorter=order).clip(max=len(order) - 1)]
            new, old = np.flatnonzero(before.members[found] != members), np.flatnonzero(before.members[found] == members)
            self.table[old], self.side[old] = before.table[found[old]], before.side[found[old]]
        factors = candidates.exact(members[new])
        for start in range(0, len(self.rows) * min(1, len(new)), CHUNK):
            part = host(candidates.similarities(factors, function.represented.exact(self.rows[start : start + CHUNK])))
            self.table[new, start : start + CHUNK] = part
            side = np.asarray(function.side(part))
            self.side[new] = side if start == 0 else function.join(self.side[new], side)
        self.total = np.zeros(len(members))
        self.gains = np.zeros(len(members))
        self.refresh(np.arange(len(members)), level)
        self.stale = np.zeros(len(members), bool)

    def refresh(self, some: np.ndarray, level: np.ndarray) -> None:
        """Work out these slots' gains."""
        self.total[some] = self.function.sums(self.table[some], level[self.rows], self.rows)
        self.gains[some] = self.function.finish(self.total[some], self.side[some])

    def best(self, level: np.ndarray) -> int:
        """The slot to pick; its gain is up to date."""
        while True:
            slot = first_best(self.gains, self.slots)
            if not self.stale[slot]:
                return slot
            batch = min(BATCH, len(self.gains))
            least = min(np.partition(self.gains, -batch)[-batch], self.gains[slot])
            some = np.flatnonzero(self.stale & (self.gains >= least))
            self.refresh(some, level)
            self.stale[some] = False

    def pick(self, slot: int, following: int, level: np.ndarray) -> np.ndarray:
        """Pick it; its next copy takes its place, if there is one (else -1). Returns the new level."""
        self.slots[slot] = following
        if following < 0:
            self.gains[slot] = -np.inf
        self.stale = self.slots >= 0
        return self.function.rise(level, self.table[slot], self.rows)

    def glimpse(self, level: np.ndarray, count: int, base: int) -> list[np.ndarray]:
        """The levels after 1, `base`, `base`^2, … up to `count` picks, if these rows were all."""
        before = self.slots.copy(), self.stale.copy(), self.total.copy(), self.gains.copy()
        levels: list[np.ndarray] = []
        last = min(count, int((self.slots >= 0).sum())) if self.function.glimpses else 0
        for step in range(1, last + 1):
            level = self.pick(self.best(level), -1, level)
            if step == base ** len(levels):
                levels.append(level)
                if len(levels) == self.function.glimpses:
                    break
        self.slots, self.stale, self.total, self.gains = before
        return levels


def lazy(candidates: Candidates, count: int, function: Covering) -> Picks:
    """The greedy order by `function`, and the gain of each pick.

    Sums only fall, so an old one is an upper bound: a shortlist of the best bounds is worked out, and picked from while no bound outside
    is better (Minoux 1978). When many bounds are too high, all of those are lowered together by float32 products, which are used for
    several levels at once: the one now, and those that the shortlist would come to. A sum at a later level, plus what the level may
    fall short of that, is a bound too. Memory: 2**22 similarities, and for every row a number per level.
    """
    count = min(count, len(candidates))
    picked: list[int] = []
    gains: list[float] = []
    if count <= 0:
        return as_picks(picked, gains)
    following = candidates.following()
    waiting = candidates.head != np.arange(len(candidates))
    level, total, side = function.start(candidates)
    glimpses: list[tuple[np.ndarray, np.ndarray]] = []  # a later level and everyone's sums then
    share = 1.0  # of `total` that sums are left with
    tied = np.inf  # all bounds from here on are as good as the best: the first positions go first

    def bounds() -> np.ndarray:
        sums = total * share
        for later, then in glimpses:
            np.minimum(sums, then + function.shortfall(level, later), out=sums)
        return sums

    def size() -> int:
        return min(POOL, max(16, STORE // max(1, len(function.active(level)))))

    short, first = None, True
    members = np.empty(0, np.int64)
    if function.glimpses and len(candidates) > 8 * size():
        # Where a sample would lead to shows which rows matter at one time or another, and these where everyone leads to.
        scouts = Shortlist(candidates, np.linspace(0, len(candidates) - 1, size()).astype(np.int64), function, level)
        lower(candidates, total, side, ~waiting, function, level, glimpses, scouts.glimpse(level, count, 8))
        views = [side, function.finish(total, side), *(function.finish(then, side) for _, then in glimpses)]
        each = max(4, 2 * size() // len(views))
        members = np.unique(np.concatenate([top(np.where(waiting, -np.inf, view), each) for view in views]))
        members = members[~waiting[members]]
    while len(picked) < count:
        eligible = np.where(waiting, -np.inf, function.finish(bounds(), side))
        if not len(members):
            members = top(np.where(eligible >= tied, np.inf, eligible), size())
            members = members[eligible[members] > -np.inf]
        short = Shortlist(candidates, members, function, level, short)
        total[members], side[members] = short.total / share, short.side
        eligible[members] = -np.inf
        outside, tied = eligible.max(), np.inf
        while len(picked) < count and (short.slots >= 0).any():
            slot = short.best(level)
            gain, position = short.gains[slot], short.slots[slot]
            margin = TIE * max(1.0, abs(gain))
            if outside > gain + margin:
                eligible = np.where(np.isneginf(eligible), -np.inf, function.finish(bounds(), side))
                outside = eligible.max()
                if outside > gain + margin:
                    break
            if outside >= gain - margin and position > np.flatnonzero(eligible >= gain - margin)[0]:
                tied = gain - margin
                break
            picked.append(int(position))
            gains.append(float(gain))
            after = short.pick(slot, following[position], level)
            share *= function.fade(level, after)
            level = after
            waiting[position] = True
            if following[position] >= 0:
                waiting[following[position]] = False
            if not function.falls:
                total[:] = np.inf
                break
        members = members[:0]
        if not function.falls:
            continue
        live = short.slots >= 0
        total[short.slots[live]], side[short.slots[live]] = short.total[live] / share, short.side[live]
        flat = function.tangent(level, short.table.mean(axis=0))
        if flat:
            total, share = np.minimum(total * share, plane(candidates, function, *flat) + function.slack(level)), 1.0
            eligible[eligible > -np.inf] = function.finish(total, side)[eligible > -np.inf]
        wanted = (eligible > short.gains.max()) & np.isinf(tied)
        if wanted.sum() > 2 * size() and len(picked) < count:
            if first or wanted.mean() > 1 / 8:  # levels ahead serve longest if they are known for everyone
                wanted, first = ~waiting, False
            total, share = bounds(), 1.0
            lower(candidates, total, side, wanted, function, level, glimpses, short.glimpse(level, count - len(picked), 2))
    return as_picks(picked, gains)


def plane(candidates: Candidates, function: Covering, weights: np.ndarray, constant: float) -> np.ndarray:
    """Everyone's weighted sum of similarities, plus a constant."""
    sums, linear = np.empty(len(candidates)), summed(function.represented, candidates, weights)

    def work(part: slice, *blocks: Matrix) -> None:
        sums[part] = candidates.totals(part, blocks, linear) + constant

    for _ in walk(work, *candidates.matrices):
        pass
    return sums


def lower(
    candidates: Candidates,
    total: np.ndarray,
    side: np.ndarray,
    wanted: np.ndarray,
    function: Covering,
    level: np.ndarray,
    glimpses: list[tuple[np.ndarray, np.ndarray]],
    later: list[np.ndarray],
) -> None:
    """Replace the bounds `total` and `side` of the `wanted` rows (a mask), and all `glimpses`, by what they are now, rounded up.

    Blocks of mostly wanted rows are wanted altogether.
    """
    levels = [level, *later]
    sums = np.zeros((len(levels), len(total)), np.float32)
    fresh = np.zeros(len(total), np.float32)
    rows = function.active(level)
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        others = coarse(function.represented.exact(some))

        def work(part: slice, *blocks: Matrix, some: np.ndarray = some, others: Factors = others, start: int = start) -> None:
            at: Any
            chosen: Sequence[Matrix]
            inside = np.flatnonzero(wanted[part])
            if not len(inside):
                return
            if 2 * len(inside) > len(blocks[0]):
                wanted[part], at, chosen = True, part, blocks
            else:
                at, chosen = part.start + inside, [block[inside] for block in blocks]
            similarities = candidates.between(at, chosen, others)
            more = host(function.side(similarities))
            fresh[at] = more if start == 0 else function.join(fresh[at], more)
            for number, one in zip(sums, function.rough(similarities, [one[some] for one in levels], some), strict=True):
                number[at] += host(one)

        for _ in walk(work, *candidates.matrices, rows=BLOCK // 4):  # so that a block's similarities stay in a cache
            pass
    slack = function.slack(level)
    np.minimum(total, sums[0] + np.float64(slack), out=total, where=wanted)
    np.minimum(side, fresh + np.float64(slack), out=side, where=wanted)
    glimpses[:] = [(one, np.where(wanted, then + np.float32(slack), np.float32(np.inf))) for one, then in zip(later, sums[1:], strict=True)]

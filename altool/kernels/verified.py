"""Plain greedy maximisation, over pools too large for a similarity matrix, of set functions whose gains are made of a few numbers per row.

Everyone is ranked by float32 numbers; a pool of the best is worked out in float64 and picked from, and a run of picks is proved by one
product for everyone outside. Ties and copies are as in submodular.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from altool.kernels.blocks import Matrix, double, fill, host, like, namespace, totals, walk
from altool.kernels.similarity import ERROR, Candidates
from altool.kernels.submodular import POOL, Picks, as_picks, first_best
from altool.kernels.top import top

RUN = 64  # columns in one check of everyone
LONGEST = 256  # picks before the state is brought up to date


class Model(Protocol):
    """A set function whose gain is a function of one or more numbers per row, from each of which every pick subtracts an amount."""

    rows: int  # in a block

    def start(self) -> list[np.ndarray]:
        """Every row's numbers, float64 (n,) each, to float32 precision."""

    def sharpen(self) -> list[np.ndarray]:
        """Every row's numbers in float64; so are `amounts` from now on."""

    def enter(self, members: np.ndarray) -> list[np.ndarray]:
        """Exact numbers of these rows; picks will be among them."""

    def extend(self, slot: int) -> list[np.ndarray]:
        """Pick a member; the exact amounts that it subtracts from the members' numbers, (m,) each."""

    def amounts(self, at: slice, blocks: Sequence[Matrix], steps: slice) -> list[Matrix]:
        """What these picks since `enter` subtract from the numbers of the rows `at`: (steps, rows) each, in float32 if not sharpened."""

    def settle(self, steps: int) -> None:
        """Keep the first `steps` picks since `enter`, for good."""


def verified(
    candidates: Candidates, count: int, model: Model, value: Callable[..., Matrix], error: Callable[[float], float], falls: bool
) -> Picks:
    """The greedy order by `value(*numbers)`, where gains may rise too, and that value of each pick.

    A run of picks inside the pool is checked by one product for everyone outside, and cut before the first pick that somebody outside
    would have beaten, or may have: values closer than `error(value)`, what float32 products may be off by, are settled by making that row
    a member. Where gains only fall (`falls`), a pick better than every earlier value outside needs no check. If more rows than a pool
    holds are that close to the best, everything goes on in float64.
    """
    count = min(count, len(candidates))
    following = candidates.following()
    waiting = candidates.head != np.arange(len(candidates))
    picked: list[int] = []
    values_of: list[float] = []
    numbers = model.start() if count > 0 else []
    precise = False

    def slack(best: float) -> float:
        return error(best) * (ERROR if precise else 1)

    length, patience = 16, 0  # doubtful picks in a run, and runs before it is made longer
    while len(picked) < count:
        outside = np.where(waiting, -np.inf, value(*numbers))
        members = top(outside, POOL)
        members = members[outside[members] > -np.inf]
        best = outside[members[0]]
        if len(members) == POOL and outside[members[-1]] >= best - 2 * slack(best):  # more than a pool are nearly as good as the best
            if not precise:
                precise = True
                numbers = model.sharpen()
                continue
            members = np.flatnonzero(outside >= best - 2 * slack(best))[:POOL]
        outside[members] = -np.inf
        limit = outside.max()
        inside = model.enter(members)
        slots, dead = members.copy(), np.zeros(len(members), bool)
        chosen: list[int] = []
        reached: list[float] = []
        doubts: list[int] = []
        while len(chosen) < min(LONGEST, count - len(picked)) and not dead.all():
            values = np.where(dead, -np.inf, value(*inside))
            slot = first_best(values, slots)
            if limit > -np.inf and not (falls and values[slot] > limit + slack(values[slot])):
                if len(doubts) == length:
                    break
                doubts.append(len(chosen))
            chosen.append(int(slots[slot]))
            reached.append(float(values[slot]))
            dead[slot] = following[slots[slot]] < 0
            slots[slot] = following[slots[slot]]
            for number, amount in zip(inside, model.extend(slot), strict=True):
                number -= amount
        keep = len(chosen)
        if limit > -np.inf and (len(picked) + keep < count or max(doubts, default=0) > 0):
            bars = [
                (position, one - slack(one), one + slack(one) * (1 if precise else -1))
                for position, one in zip(chosen, reached, strict=True)
            ]
            keep, after = check(candidates, model, numbers, value, np.isneginf(outside), bars)
            numbers = after if keep == len(chosen) else check(candidates, model, numbers, value, None, bars[:keep])[1]
            if keep < len(chosen):
                length, patience = keep, 8
            elif patience:
                patience -= 1
            else:
                length = min(RUN, 2 * length)
        model.settle(keep)
        picked += chosen[:keep]
        values_of += reached[:keep]
        copies = following[chosen[:keep]]
        waiting[copies[copies >= 0]] = False
        waiting[chosen[:keep]] = True
    return as_picks(picked, values_of)


def check(
    candidates: Candidates,
    model: Model,
    numbers: list[np.ndarray],
    value: Callable[..., Matrix],
    hidden: np.ndarray | None,
    bars: Sequence[tuple[int, float, float]],
) -> tuple[int, list[np.ndarray]]:
    """How many picks nobody but the `hidden` rows (a mask) comes up to, the first apart; everyone's numbers after all picks.

    `bars` has for every pick its position, the value that earlier rows must not reach and that which later rows must not exceed. No
    mask: the bars do not count.
    """
    after = [number.copy() for number in numbers]

    def work(part: slice, *blocks: Matrix) -> int:
        if not isinstance(blocks[0], np.ndarray):
            return there(part, *blocks)
        state = [number[part].copy() for number in numbers]
        if hidden is not None:
            state[0][hidden[part]] = -np.inf
        for start in range(0, len(bars), RUN):
            amounts = model.amounts(part, blocks, slice(start, min(start + RUN, len(bars))))
            for number, amount in zip(after, amounts, strict=True):
                number[part] -= totals(amount)
            if hidden is None:
                continue
            for step, changes in enumerate(zip(*amounts, strict=True), start):
                position, low, high = bars[step]
                values, here = value(*state), min(max(0, position - part.start), part.stop - part.start)
                if step and ((values[:here] >= low).any() or (values[here:] > high).any()):
                    return step
                for number, change in zip(state, changes, strict=True):
                    number -= change
        return len(bars)

    def there(part: slice, *blocks: Matrix) -> int:
        """`work` on another device: all picks of a run at once, since every look at a result has to wait."""
        state = [like(number[part], blocks[0]) for number in numbers]
        xp = namespace(blocks[0])
        if hidden is not None:
            fill(state[0], like(hidden[part], state[0]), -np.inf)
        places = like(np.arange(part.start, part.stop), state[0])
        for start in range(0, len(bars), RUN):
            run = bars[start : start + RUN]
            amounts = model.amounts(part, blocks, slice(start, start + len(run)))
            for number, amount in zip(after, amounts, strict=True):
                number[part] -= totals(amount)
            if hidden is None:
                continue
            changes = [xp.cumsum(double(amount), 0) for amount in amounts]  # after each pick
            values = value(*(number - change + amount for number, change, amount in zip(state, changes, amounts, strict=True)))
            position, low, high = (like(np.array(column)[:, None], state[0]) for column in zip(*run, strict=True))
            beaten = xp.where(places < position, values >= low, values > high)
            steps = start + np.flatnonzero(host(beaten.any(1)))
            if len(steps := steps[steps > 0]):
                return int(steps[0])
            state = [number - change[-1] for number, change in zip(state, changes, strict=True)]
        return len(bars)

    return min(walk(work, *candidates.matrices, rows=model.rows)), after


def everyone(candidates: Candidates, model: Model) -> list[np.ndarray]:
    """All rows' exact numbers."""
    starts = range(0, len(candidates), POOL)
    parts = [model.enter(np.arange(start, min(start + POOL, len(candidates)))) for start in starts]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]

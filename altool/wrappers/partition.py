"""A pool in random parts, each with its share of the budget, for strategies whose time or memory grows faster than the pool.

As in SIMILAR, CLARIFIER and Cluster-Margin (docs/algorithms.md, "Partitions"), but by a seeded permutation and with exact integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from altool.engines.local import limited, ordered_map

Pick = Callable[[np.ndarray, int, int], np.ndarray]
Spread = Callable[[Sequence[tuple[np.ndarray, int]]], Iterable[np.ndarray]]


def split(rows: int, count: int, parts: int, rng: np.random.Generator) -> list[tuple[np.ndarray, int]]:
    """The increasing positions (int64) of each part of a random partition of `rows`, and the part's share of `count`.

    Part p ends at ceil(rows (p + 1) / parts) of the permutation; by then ceil(count end / rows) rows are to be picked.
    """
    order = rng.permutation(rows)
    ends = [-(-rows * part // parts) for part in range(parts + 1)]
    shares = np.diff([-(-count * end // rows) for end in ends])
    return [(np.sort(order[low:high]), int(share)) for low, high, share in zip(ends[:-1], ends[1:], shares, strict=True)]


def pick_in_parts(pick: Pick, rows: int, count: int, parts: int, rng: np.random.Generator, spread: Spread | None = None) -> np.ndarray:
    """int64 (count,) positions: `pick(positions, share, part)` chooses in each part (positions in it), several parts at once; or `spread`
    gives what it chooses in all of the pieces, in their order.

    The parts' picks take turns, so that the result's order is one of preference.
    """
    pieces = split(rows, count, parts, rng)

    def work(part: int) -> np.ndarray:
        with limited(1):  # the parts are the threads' work
            return pick(*pieces[part], part)

    picked = list(spread(pieces) if spread else ordered_map(work, range(parts)))
    chosen = [positions[places] for (positions, _), places in zip(pieces, picked, strict=True)]
    turns = [np.arange(share) * parts + part for part, (_, share) in enumerate(pieces)]
    return np.concatenate(chosen)[np.argsort(np.concatenate(turns))]

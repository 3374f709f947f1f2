"""Random parts with exact shares."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from altool.wrappers.partition import pick_in_parts, split


@given(st.integers(1, 60).flatmap(lambda rows: st.tuples(st.just(rows), st.integers(1, rows))), st.integers(1, 9), st.integers(0, 9))
def test_parts_are_a_partition_and_shares_are_exact(sizes: tuple[int, int], parts: int, seed: int) -> None:
    rows, count = sizes
    pieces = split(rows, count, parts, np.random.default_rng(seed))
    assert sorted(np.concatenate([positions for positions, _ in pieces]).tolist()) == list(range(rows))
    assert sum(share for _, share in pieces) == count
    for positions, share in pieces:
        assert (np.diff(positions) > 0).all()
        assert share <= len(positions)  # a part can always give its share
        assert abs(len(positions) - rows / parts) < 1
        assert abs(share - count / parts) < 2


def test_picks_take_turns() -> None:
    seen = {}

    def last_rows(positions: np.ndarray, share: int, part: int) -> np.ndarray:
        seen[part] = positions
        return np.arange(len(positions))[::-1][:share]

    chosen = pick_in_parts(last_rows, 30, 7, 3, np.random.default_rng(1))
    assert len(set(chosen.tolist())) == 7
    assert chosen[:3].tolist() == [seen[part][-1] for part in range(3)]
    assert chosen.tolist() == pick_in_parts(last_rows, 30, 7, 3, np.random.default_rng(1)).tolist()

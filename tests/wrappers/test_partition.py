"""Random parts with exact shares."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool import seeds
from altool.strategies import registry
from altool.wrappers.choose import Request, choose
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


class Sent:
    """An engine to which all that it works on is sent."""

    workers = 3

    def map(self, make, items):
        work = pickle.loads(pickle.dumps(make))(None)
        return [work(pickle.loads(pickle.dumps(item))) for item in items]


@pytest.mark.parametrize("name", ["coreset", "badge", "kmeans"])
def test_the_workers_of_an_engine_pick_the_same_rows(name: str) -> None:
    draw = np.random.default_rng(0)
    features = draw.normal(size=(200, 6)).astype(np.float32)
    arrays = {"features": features, "labeled_features": features[:5], "probabilities": draw.dirichlet(np.ones(3), 200).astype(np.float32)}
    request = Request(registry.load(name), 20, partial(seeds.generator, 7), partitions=4, threads=1)
    here = choose(request, 200, arrays)
    sent = choose(replace(request, engine=Sent()), 200, arrays)
    assert sent.places.tolist() == here.places.tolist()
    assert len(set(here.places.tolist())) == 20

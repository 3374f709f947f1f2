"""BADGE as a strategy. The law of its picks: tests/kernels/test_kmeans_plusplus.py."""

from __future__ import annotations

import numpy as np

from altool.strategies import badge


def test_certain_rows_wait_until_the_others_are_picked() -> None:
    draw = np.random.default_rng(0)
    features = draw.standard_normal((40, 5)).astype(np.float32)
    probabilities = np.eye(3, dtype=np.float32)[draw.integers(0, 3, 40)]
    unsure = draw.permutation(40)[:8]
    probabilities[unsure] = [0.5, 0.25, 0.25]
    chosen = badge.pick(features, probabilities, 12, np.random.default_rng(1))
    # all the certain rows share the gradient 0: one of them differs from the picked, the others then follow by position
    assert set(unsure) <= set(chosen[:9])
    rest = [row for row in range(40) if row not in chosen[:9]]
    assert chosen[9:].tolist() == rest[:3]


def test_seeds_differ() -> None:
    draw = np.random.default_rng(0)
    features, probabilities = draw.standard_normal((200, 5)).astype(np.float32), draw.dirichlet(np.ones(4), 200).astype(np.float32)
    runs = {tuple(badge.pick(features, probabilities, 10, np.random.default_rng(seed)).tolist()) for seed in range(5)}
    assert len(runs) == 5
    assert len({run[0] for run in runs}) == 1  # the longest gradient, always


def test_says_what_it_needs() -> None:
    assert badge.STRATEGY.tables == ("features", "predictions")

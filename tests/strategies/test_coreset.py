"""CORESET as a strategy: how it starts. The picks themselves: tests/kernels/test_farthest_first.py."""

from __future__ import annotations

import numpy as np
import pytest
import reference_eager

from altool.errors import InputError
from altool.strategies import coreset

FEATURES = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
NONE = FEATURES[:0]


def pick(labeled: np.ndarray, count: int, seed: int = 0, first: int | None = None) -> list[int]:
    return coreset.pick(FEATURES, labeled, count, np.random.default_rng(seed), first=first).tolist()


def test_labeled_rows_are_centres() -> None:
    labeled = np.random.default_rng(1).standard_normal((7, 6)).astype(np.float32)
    assert pick(labeled, 20) == reference_eager.farthest_first(FEATURES, labeled, 20, precise=True).tolist()


def test_without_labels_the_first_row_is_drawn() -> None:
    starts = {pick(NONE, 1, seed)[0] for seed in range(40)}
    assert len(starts) > 15
    assert pick(NONE, 9, 3) == pick(NONE, 9, 3)
    assert pick(NONE, 9, 3) == reference_eager.farthest_first(FEATURES, NONE, 9, pick(NONE, 1, 3)[0], precise=True).tolist()


@pytest.mark.parametrize("labeled", [NONE, FEATURES[:3]])
def test_a_given_first_row_is_picked_first(labeled: np.ndarray) -> None:
    assert pick(labeled, 9, first=17) == reference_eager.farthest_first(FEATURES, labeled, 9, 17, precise=True).tolist()


@pytest.mark.parametrize("first", [-1, 50])
def test_the_first_row_is_a_candidate(first: int) -> None:
    with pytest.raises(InputError, match="of 50 candidates"):
        pick(NONE, 3, first=first)


def test_says_what_it_needs() -> None:
    assert coreset.STRATEGY.tables == ("features",)
    assert coreset.STRATEGY.cold_start

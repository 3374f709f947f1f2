"""Long tails, held-out rows and merged classes."""

from __future__ import annotations

import numpy as np
import pytest

from altool.errors import UsageError
from altool.simulation import pool

NAMES = ("ant", "bee", "cat", "dog", "eel")
TRUTH = np.repeat(np.arange(5), 200)


def test_shares() -> None:
    assert pool.shares("16", None, NAMES).tolist() == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16])
    assert pool.shares("10", "bee,eel", NAMES).tolist() == [1, 0.1, 1, 1, 0.1]
    assert pool.shares("cat=0.25,dog=0.5", None, NAMES).tolist() == [1, 1, 0.25, 0.5, 1]
    assert pool.shares("100", None, ("ant",)).tolist() == [1]


@pytest.mark.parametrize(
    ("text", "rare"),
    [("0.5", None), ("much", None), ("cat=2", None), ("cat=0", None), ("fox=0.5", None), ("10", "fox"), ("cat=0.5", "bee")],
)
def test_no_shares(text: str, rare: str | None) -> None:
    with pytest.raises(UsageError):
        pool.shares(text, rare, NAMES)


def test_thin_keeps_the_share_of_each_class() -> None:
    stays = pool.thin(TRUTH, pool.shares("16", None, NAMES), np.random.default_rng(0))
    assert np.bincount(TRUTH[stays]).tolist() == [200, 100, 50, 25, 12]
    assert (np.diff(stays) > 0).all()
    assert np.bincount(TRUTH[pool.thin(TRUTH, np.full(5, 1e-9), np.random.default_rng(0))]).tolist() == [1] * 5
    assert not np.array_equal(stays, pool.thin(TRUTH, pool.shares("16", None, NAMES), np.random.default_rng(1)))


def test_hold_out_takes_a_share_and_leaves_a_row() -> None:
    truth = np.concatenate([TRUTH, [5], [6, 6]])
    held = pool.hold_out(truth, 0.2, np.random.default_rng(0))
    assert np.bincount(truth[held], minlength=7).tolist() == [40] * 5 + [0, 1]


def test_merged() -> None:
    assert pool.merged(NAMES, ["rest=ant,bee", "pets=dog"]) == {"ant": "rest", "bee": "rest", "dog": "pets"}
    for groups in (["rest"], ["rest="], ["rest=fox"], ["a=ant", "b=ant"]):
        with pytest.raises(UsageError):
            pool.merged(NAMES, groups)

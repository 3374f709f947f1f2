"""Long tails, held-out rows and merged classes."""

from __future__ import annotations

import numpy as np
import pytest

from altool.errors import UsageError
from altool.simulation import pool

NAMES = ("ant", "bee", "cat", "dog", "eel")
TRUTH = np.repeat(np.arange(5), 200)
SIZES = np.full(5, 200)


def test_shares() -> None:
    assert pool.shares("16", None, NAMES, SIZES).tolist() == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16])
    assert pool.shares("16", None, NAMES, SIZES, np.array([4, 0, 1, 2, 3])).tolist() == pytest.approx([1 / 16, 1, 1 / 2, 1 / 4, 1 / 8])
    assert pool.shares("10", "bee,eel", NAMES, SIZES).tolist() == [1, 0.1, 1, 1, 0.1]
    assert pool.shares("cat=0.25,dog=0.5", None, NAMES, SIZES).tolist() == [1, 1, 0.25, 0.5, 1]
    assert pool.shares("100", None, ("ant",), SIZES[:1]).tolist() == [1]


def test_an_imbalance_ratio_is_that_of_the_rows_that_stay() -> None:
    """As alamp draws its sets: 100 classes of 500 rows with a standard deviation of 0.747 of the mean; that of a tail of 1 : 15."""
    sizes = np.full(100, 500)
    kept = pool.shares("ir=0.747", None, tuple(map(str, range(100))), sizes)
    assert (sizes * kept).std() / (sizes * kept).mean() == pytest.approx(0.747, abs=1e-6)
    assert 1 / kept.min() == pytest.approx(15, abs=0.3)
    uneven = np.array([300, 40, 200, 100, 60])
    for text, rare, ranks in (("ir=1.1", None, None), ("ir=0.9", "bee,eel", None), ("ir=0.8", None, np.array([2, 0, 1, 4, 3]))):
        kept = pool.shares(text, rare, NAMES, uneven, ranks)
        mean, deviation, ir = pool.spread(uneven * kept)
        assert ir == pytest.approx(float(text[3:]), abs=1e-6)
        assert (mean, deviation) == pytest.approx(((uneven * kept).mean(), (uneven * kept).std()))
    assert pool.shares("ir=0", None, NAMES, SIZES).tolist() == [1] * 5
    assert pool.shares("ir=0.5", None, ("ant", "ir"), SIZES[:2]).tolist() == [1, 0.5]  # a class of that name


def test_an_imbalance_ratio_that_no_tail_has() -> None:
    with pytest.raises(UsageError, match=r"the largest ir of these classes is 1\.9"):
        pool.shares("ir=2.1", None, NAMES, SIZES)
    with pytest.raises(UsageError, match=r"the ir of these classes is 0\.6.. as they are, found 0.1"):
        pool.shares("ir=0.1", None, NAMES, np.array([300, 40, 200, 100, 60]))


@pytest.mark.parametrize(
    ("text", "rare"),
    [
        ("0.5", None),
        ("much", None),
        ("ir=much", None),
        ("ir=-1", None),
        ("ir=nan", None),
        ("cat=2", None),
        ("cat=0", None),
        ("fox=0.5", None),
        ("10", "fox"),
        ("cat=0.5", "bee"),
    ],
)
def test_no_shares(text: str, rare: str | None) -> None:
    with pytest.raises(UsageError):
        pool.shares(text, rare, NAMES, SIZES)


def test_thin_keeps_the_share_of_each_class() -> None:
    stays = pool.thin(TRUTH, pool.shares("16", None, NAMES, SIZES), np.random.default_rng(0))
    assert np.bincount(TRUTH[stays]).tolist() == [200, 100, 50, 25, 12]
    assert (np.diff(stays) > 0).all()
    assert np.bincount(TRUTH[pool.thin(TRUTH, np.full(5, 1e-9), np.random.default_rng(0))]).tolist() == [1] * 5
    assert not np.array_equal(stays, pool.thin(TRUTH, pool.shares("16", None, NAMES, SIZES), np.random.default_rng(1)))


def test_hold_out_takes_a_share_and_leaves_a_row() -> None:
    truth = np.concatenate([TRUTH, [5], [6, 6]])
    held = pool.hold_out(truth, 0.2, np.random.default_rng(0))
    assert np.bincount(truth[held], minlength=7).tolist() == [40] * 5 + [0, 1]


def test_merged() -> None:
    assert pool.merged(NAMES, ["rest=ant,bee", "pets=dog"]) == {"ant": "rest", "bee": "rest", "dog": "pets"}
    assert pool.merged(NAMES, ["rest=*", "bee=bee"]) == {"bee": "bee", "ant": "rest", "cat": "rest", "dog": "rest", "eel": "rest"}
    for groups in (["rest"], ["rest="], ["rest=fox"], ["a=ant", "b=ant"], ["a=*", "b=*"]):
        with pytest.raises(UsageError):
            pool.merged(NAMES, groups)

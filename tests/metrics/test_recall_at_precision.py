"""Recall at precision against brute force over all thresholds, in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.metrics.recall_at_precision import cuts, recall_at_precision, required, resampled_recalls


def brute(positive, scores, precision):
    """The best true positives over the thresholds "score >= t", and the largest t that reaches them."""
    share = Fraction(str(precision))
    best, at = 0, np.inf
    for threshold in sorted(set(scores.tolist()), reverse=True):
        called = scores >= threshold
        tp = int((positive & called).sum())
        if Fraction(tp, int(called.sum())) >= share and tp > best:
            best, at = tp, threshold
    return best, at


rows = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


@pytest.mark.slow
@settings(max_examples=300)
@given(rows, st.sampled_from([0.0, 0.25, 0.3, 0.5, 0.9, 1.0, 1 / 3, 2 / 3, 0.7000000000000001]))
def test_equals_brute_force(rows, precision):
    positive = np.array([row[0] for row in rows])
    scores = np.array([row[1] / 6 for row in rows], np.float32)
    found = cuts(positive, scores)
    tp, threshold = recall_at_precision(found, required(precision, len(rows)))
    best, at = brute(positive, scores.astype(np.float64), precision)
    assert tp == best
    if best == 0:
        assert threshold == np.inf
        return
    # strictly between the lowest score included and the next lower one: > and >= agree
    assert threshold < at
    assert not ((scores >= threshold) & (scores < at)).any()
    assert ((scores > threshold) == (scores >= at)).all()


def test_18_of_20_reach_090():
    positive = np.array([True] * 18 + [False] * 2)
    tp, _ = recall_at_precision(cuts(positive, np.full(20, 0.5, np.float32)), required(0.9, 20))
    assert tp == 18
    assert float(np.float32(18) / np.float32(20)) < 0.9  # what a float32 comparison would say


def test_precision_is_not_monotone():
    positive = np.array([False, True, True, True, True, True, True, True, True, True])
    scores = np.linspace(1, 0.1, 10)
    assert recall_at_precision(cuts(positive, scores), required(0.9, 10))[0] == 9
    assert recall_at_precision(cuts(positive, scores), required(0.95, 10)) == (0, np.inf)


def test_highest_cut_of_equal_recall():
    positive = np.array([True, True, False, False])
    tp, threshold = recall_at_precision(cuts(positive, np.array([0.9, 0.8, 0.6, 0.2])), required(0.5, 4))
    assert tp == 2
    assert threshold == pytest.approx(0.7)


def test_neighboring_floats():
    low = 0.5
    high = np.nextafter(low, 1)
    tp, threshold = recall_at_precision(cuts(np.array([True, False]), np.array([high, low])), required(1.0, 2))
    assert tp == 1
    assert high > threshold >= low
    assert recall_at_precision(cuts(np.array([True]), np.array([0.0])), required(1.0, 1))[1] < 0


def test_required_is_exact():
    assert required(0.9, 20).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 18]
    assert required(1 / 3, 3).tolist() == [0, 1, 1, 1]  # 0.3333333333333333 is below a third


@settings(max_examples=150, deadline=None)
@given(rows, st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.integers(0, 1000))
def test_replicates_equal_repeated_rows(rows, precision, seed):
    positive = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows], np.float64)
    drawn = np.random.default_rng(seed).integers(len(rows), size=(3, len(rows)))
    weights = np.stack([np.bincount(draw, minlength=len(rows)) for draw in drawn], axis=1).astype(np.int32)
    found = resampled_recalls(cuts(positive, scores), required(precision, len(rows)), weights)
    for draw, recall in zip(drawn, found, strict=True):
        if positive[draw].any():
            assert recall == brute(positive[draw], scores[draw], precision)[0] / positive[draw].sum()
        else:
            assert np.isnan(recall)


def test_replicates_look_no_further_than_they_must():
    rng = np.random.default_rng(0)
    scores = rng.random(5000)
    positive = rng.random(5000) < 0.02 + 0.5 * (scores > 0.97)
    drawn = rng.integers(5000, size=(4, 5000))
    weights = np.stack([np.bincount(draw, minlength=5000) for draw in drawn], axis=1).astype(np.int32)
    found = resampled_recalls(cuts(positive, scores), required(0.5, 5000), weights)
    assert found.tolist() == [brute(positive[draw], scores[draw], 0.5)[0] / positive[draw].sum() for draw in drawn]

"""When to stop, by hand and against numpy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.metrics.stopping import Gain, comparable, gain, kappa, stop


def test_a_straight_line_has_no_error():
    found = gain([100, 200, 400, 800], [0.5, 0.6, 0.7, 0.8])
    assert (found.slope, found.error) == (pytest.approx(0.1), pytest.approx(0, abs=1e-12))
    assert (found.rounds, found.first, found.last) == (4, 100, 800)
    assert found.next(800) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))  # a doubling
    assert found.next()[0] == pytest.approx(0.1 * np.log2(9 / 8))


def test_no_more_is_promised_than_is_left():
    assert Gain(0.2, 0.01, 3, 10, 100, 0.95).next(100) == (pytest.approx(0.05), pytest.approx(0.05), pytest.approx(0.05))
    assert Gain(0.2, 0.09, 3, 10, 100, 0.9).next(100) == (pytest.approx(0.1), pytest.approx(0.02), pytest.approx(0.1))


def test_the_slope_and_its_error_by_hand():
    """x = 0, 1, 2 and y = 0, 0.1, 0: slope 0, residuals -1/30, 2/30, -1/30; their square sum 6/900 over 1 degree of freedom and 2."""
    found = gain([1, 2, 4], [0.0, 0.1, 0.0])
    assert (found.slope, found.error) == (pytest.approx(0), pytest.approx(np.sqrt(6 / 900 / 1 / 2)))
    value, low, high = found.next(4)
    assert (value, low, high) == (pytest.approx(0), pytest.approx(-2 * found.error), pytest.approx(2 * found.error))


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 1)), min_size=3, max_size=12, unique_by=lambda pair: pair[0]))
def test_the_slope_is_numpys(rounds):
    labels, values = zip(*sorted(rounds), strict=True)
    found = gain(labels, values)
    kept = [place for place, number in enumerate(labels) if place >= len(labels) - 5 or 2 * number >= labels[-1]]
    expected = np.polyfit(np.log2([labels[place] for place in kept]), [values[place] for place in kept], 1)[0]
    assert found.rounds == len(kept)
    assert found.slope == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_too_few_rounds_have_no_gain():
    assert gain([], []) is None
    assert gain([10, 20], [0.1, 0.2]) is None
    assert gain([10, 20, 20], [0.1, 0.2, 0.3]) is None
    assert gain([10, 20, 20, 40], [0.1, 0.9, 0.2, 0.3]).slope == pytest.approx(0.1)  # of equally many labels the last


def test_small_rounds_count_back_to_half_of_the_labels():
    found = gain(list(range(100, 1100, 100)), [0.5] * 10)
    assert (found.rounds, found.first) == (6, 500)


FLAT = Gain(0.02, 0.01, 5, 100, 500, 0.8)


@pytest.mark.parametrize(
    ("found", "agreements", "expected"),
    [
        (FLAT, [0.5, 0.92, 0.9, 0.88], True),  # the last three alone
        (FLAT, [0.92, 0.9, 0.87], False),  # their mean is below 0.90
        (FLAT, [0.99, 0.99], False),  # three are needed
        (Gain(0.03, 0.0, 5, 100, 500, 0.8), [1, 1, 1], False),  # 3 points a doubling
        (Gain(-0.01, 0.0, 5, 100, 500, 0.8), [1, 1, 1], True),
        (Gain(0.0, 0.0, 4, 100, 500, 0.8), [1, 1, 1], False),  # five rounds are needed
        (Gain(0.0, 0.0, 5, 300, 500, 0.8), [1, 1, 1], False),  # that span a doubling
        (Gain(0.0, 0.0, 5, 49, 99, 0.8), [1, 1, 1], False),  # ten labels a class are needed, of ten classes
        (Gain(0.0, 0.0, 5, 50, 100, 0.8), [1, 1, 1], True),
        (None, [1, 1, 1], False),
    ],
)
def test_stop_takes_slope_and_stability_together(found, agreements, expected):
    assert stop(found, agreements, 10) is expected


def test_comparable_is_the_last_round_with_clearly_fewer_labels():
    assert comparable([100, 150, 225], 337) == 2
    assert comparable([100, 200, 300, 400], 500) == 2  # 400 are too near
    assert comparable([100, 120], 130) is None
    assert comparable([], 130) is None


def test_kappa_by_hand():
    now, before = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert kappa(now, before) == pytest.approx((0.75 - 0.5) / 0.5)  # by chance 0.5 x 0.25 + 0.5 x 0.75
    assert kappa(now, 1 - now) == pytest.approx(-1)
    assert kappa(np.zeros(3, int), np.zeros(3, int)) == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_kappa_is_scikit_learns(pairs):
    from sklearn.metrics import cohen_kappa_score

    now, before = np.array(pairs).T
    if len(set(now) | set(before)) > 1:
        assert kappa(now, before) == pytest.approx(cohen_kappa_score(now, before))

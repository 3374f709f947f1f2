"""95 % intervals against published values, the equation that defines them, and their coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.metrics.intervals import Z, wilson, wilson_f1


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, table I, method 3; 8 of 10 by hand
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),
    ],
)
def test_wilson_published(successes, trials, low, high):
    found = wilson(np.array(successes), np.array(trials))
    assert [round(float(value), 4) for value in found] == [low, high]


@given(st.integers(1, 500), st.data())
def test_wilson_solves_its_equation(trials, data):
    successes = data.draw(st.integers(0, trials))
    low, high = (float(value) for value in wilson(np.array(successes), np.array(trials)))
    # the ends are the p with (share - p)^2 = z^2 p (1 - p) / n
    share = successes / trials
    roots = sorted(np.roots([1 + Z**2 / trials, -2 * share - Z**2 / trials, share**2]).real)
    assert (low, high) == pytest.approx(roots, abs=1e-9)
    assert 0 <= low <= share <= high <= 1
    assert (low == 0) == (successes == 0)
    assert (high == 1) == (successes == trials)


def test_wilson_without_trials_knows_nothing():
    low, high = wilson(np.array([0, 3]), np.array([0, 3]))
    assert (low[0], high[0]) == (0, 1)
    assert low[1] > 0.4


def test_wilson_f1_is_the_interval_of_jaccard_mapped():
    # 4 true positives of 5 rows in the union: J = 0.8, F1 = 2 * 0.8 / 1.8; Wilson of 4/5 is (0.3755, 0.9638)
    low, high = wilson_f1(np.array([4, 0, 3]), np.array([5, 7, 3]))
    assert low[0] == pytest.approx(2 * 0.37553 / 1.37553, abs=1e-4)
    assert high[0] == pytest.approx(2 * 0.96378 / 1.96378, abs=1e-4)
    assert low[0] < 8 / 9 < high[0]
    assert low[1] == 0
    assert high[2] == 1


def test_wilson_f1_covers():
    rng = np.random.default_rng(0)
    kinds = rng.multinomial(60, [0.2, 0.07, 0.05, 0.68], size=4000)  # tp, fp, fn, tn
    tp, fp, fn = kinds[:, :3].T
    low, high = wilson_f1(tp, tp + fp + fn)
    truth = 2 * 0.2 / (2 * 0.2 + 0.07 + 0.05)
    assert 0.93 < ((low <= truth) & (truth <= high)).mean() < 0.98

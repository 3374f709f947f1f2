"""Proof of targets: against plain integrals, exact enumeration, and counts by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.integrate import quad
from scipy.stats import beta, binom

from altool.metrics.evaluation import evaluate
from altool.metrics.gaps import Aims
from altool.metrics.proof import HALF, THRESHOLDS, Look, Shares, log_evidence, log_tail, proves, rows_to_prove, shares, states

COUNTS = some.integers(1, 60).flatmap(lambda trials: some.tuples(some.integers(0, trials), some.just(trials)))
GOALS = some.floats(0.05, 0.99)


def one(successes, trials, goal):
    return Shares(np.array([[successes]], float), np.array([[trials]], float), np.array([[goal]]))


def aims_of(*metrics, target=0.9, precision=0.9):
    size = len(metrics)
    return Aims(metrics, np.full(size, target), np.ones(size), (precision,) * size)


def test_the_looks_share_the_risk():
    spent = np.cumsum([2 * Look(number, False, 0.9).risk for number in range(1, 101)])
    assert spent == pytest.approx([0.1 * number / (number + HALF) for number in range(1, 101)])
    assert Look(3, True).risk == Look(3, False).risk  # which of the two tests applies is not known before


def test_by_hand():
    assert log_tail(one(35, 35, 0.9))[0, 0] == pytest.approx(35 * np.log(0.9))
    assert log_tail(one(1, 2, 0.5))[0, 0] == pytest.approx(np.log(0.75))
    assert log_tail(one(0, 2, 0.5))[0, 0] == 0
    assert log_evidence(one(1, 1, 0.5))[0, 0] == pytest.approx(np.log(1.5))  # the integral of 1 + u
    assert log_evidence(one(0, 1, 0.5))[0, 0] == pytest.approx(np.log(0.5))  # of 1 - u
    assert log_evidence(one(0, 0, 0.5))[0, 0] == pytest.approx(0)
    # the first look: 0.025 x 10 / 110, and 0.9 to the 58th is below it, to the 57th above
    assert proves(one(58, 58, 0.9), Look(1, False))
    assert not proves(one(57, 57, 0.9), Look(1, False))


@given(COUNTS, GOALS, some.integers(1, 30))
def test_a_fixed_holdout_proves_where_the_exact_bound_reaches_the_goal(counts, goal, number):
    successes, trials = counts
    look = Look(number, False)
    low = beta.ppf(look.risk, successes, trials - successes + 1) if successes else 0.0
    if abs(low - goal) > 1e-9:
        assert proves(one(successes, trials, goal), look) == (low >= goal)


@given(COUNTS, GOALS)
def test_the_tail_and_the_evidence_as_sum_and_integral(counts, goal):
    successes, trials = counts
    assert np.exp(log_tail(one(successes, trials, goal))[0, 0]) == pytest.approx(binom.sf(successes - 1, trials, goal), rel=1e-9)
    odds = (1 - goal) / goal
    mean = quad(lambda u: (1 + odds * u) ** successes * (1 - u) ** (trials - successes), 0, 1, epsabs=0, epsrel=1e-10, limit=200)[0]
    assert log_evidence(one(successes, trials, goal))[0, 0] == pytest.approx(np.log(mean), rel=1e-6, abs=1e-9)


@given(COUNTS, GOALS)
def test_one_more_row_leaves_the_expected_evidence_as_it_is(counts, goal):
    """At the goal it is a martingale; below it successes are rarer, and they raise it."""
    successes, trials = counts
    now, right, wrong = (
        np.exp(log_evidence(one(successes + gained, trials + more, goal))[0, 0]) for gained, more in ((0, 0), (1, 1), (0, 1))
    )
    assert goal * right + (1 - goal) * wrong == pytest.approx(now, rel=1e-9)
    assert right > wrong


@pytest.mark.parametrize("goal", [0.6, 0.9])
def test_a_look_errs_no_more_often_than_its_risk(goal):
    """Exactly: over all outcomes at one number of rows, and over all paths to 300 rows with a proof at any of them."""
    fixed, grown = Look(1, False), Look(1, True)
    for trials in (10, 35, 100):
        proved = [proves(one(successes, trials, goal), fixed) for successes in range(trials + 1)]
        assert binom.pmf(np.arange(trials + 1), trials, goal)[proved].sum() <= fixed.risk
    paths, ever = np.ones(1), 0.0  # probability of each number of successes so far, of paths without a proof
    for trials in range(1, 301):
        paths = goal * np.append(0, paths) + (1 - goal) * np.append(paths, 0)
        successes = np.arange(trials + 1.0)[:, None]
        proved = log_evidence(Shares(successes, np.full_like(successes, trials), np.full_like(successes, goal)))[:, 0] >= -np.log(
            grown.risk
        )
        ever += paths[proved].sum()
        paths[proved] = 0
    assert 0.3 * grown.risk < ever <= grown.risk


def test_counts_by_hand():
    true = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    predicted = np.array([0, 0, 0, 1, 0, 1, 1, 2, 2, 0])
    scores = np.full((10, 3), 0.125)
    scores[np.arange(10), predicted] = 0.75
    for metric, successes, trials, goal in (
        ("recall", 3, 4, 0.8),
        ("precision", 3, 5, 0.8),
        ("accuracy", 7, 10, 0.8),
        ("specificity", 4, 6, 0.8),
        ("f1", 3, 6, 0.8 / 1.2),
    ):
        found = shares(true == 0, predicted == 0, scores[:, 0], metric, 0.8, 0.5)
        assert (found.successes.tolist(), found.trials.tolist()) == ([[successes]], [[trials]])
        assert found.goals == pytest.approx(goal)
    found = shares(true == 0, predicted == 0, scores[:, 0], "recall_at_precision", 0.8, 0.5)
    # all rows are above 0.02, 0.05 and 0.1; those predicted as the class above 0.2 to 0.7; none above 0.9
    assert found.successes.tolist() == [[4, 4]] * 3 + [[3, 3]] * 4 + [[0, 0]]
    assert found.trials.tolist() == [[4, 10]] * 3 + [[4, 5]] * 4 + [[4, 0]]
    assert found.goals.tolist() == [[0.8, 0.5]] * len(THRESHOLDS)


@given(some.integers(0, 50), some.integers(0, 50), some.integers(0, 50), some.integers(1, 99))
def test_f1_reaches_its_target_where_the_share_reaches_its_goal(tp, fp, fn, hundredths):
    target = Fraction(hundredths, 100)
    if tp + fp + fn:
        assert (Fraction(2 * tp, 2 * tp + fp + fn) >= target) == (Fraction(tp, tp + fp + fn) >= target / (2 - target))


@pytest.mark.parametrize(("successes", "trials", "goal"), [(35, 35, 0.9), (34, 35, 0.9), (9, 10, 0.6), (3, 4, 0.5)])
def test_rows_to_prove_are_the_fewest(successes, trials, goal):
    look, share = Look(2, False), successes / trials
    needed = rows_to_prove(one(successes, trials, goal), trials, look)
    after = Look(3, True)  # the next look, whose holdout has grown
    assert next(rows for rows in range(1, 10_000) if proves(one(share * rows, rows, goal), after)) == needed


def test_rows_to_prove_are_of_the_class():
    look = Look(1, False)
    assert rows_to_prove(one(100, 100, 0.9), 10, look) == -(-rows_to_prove(one(10, 10, 0.9), 10, look) // 10)  # an accuracy on 100 rows
    for successes, goal in ((9, 0.9), (8, 0.9), (10, 1.0), (0, 0.5)):
        assert rows_to_prove(one(successes, 10, goal), 10, look) is None


def test_recall_at_precision_takes_both_at_one_threshold():
    counts = np.array([[98.0, 100.0], [200.0, 200.0]]), np.array([[100.0, 100.0], [200.0, 400.0]])
    found = Shares(*counts, np.array([[0.9, 0.9]] * 2))
    needed = rows_to_prove(found, 100, Look(1, False))
    assert not proves(found, Look(1, False))  # the second recalls all, but is not precise
    both = Shares(counts[0][:1], counts[1][:1], found.goals[:1])
    alone = rows_to_prove(both, 100, Look(1, False))
    assert needed > alone  # two alternatives share the risk
    assert proves(Shares(counts[0] * needed / 100, counts[1] * needed / 100, found.goals), Look(2, True))


def test_states():
    aims = Aims(("recall",) * 5, np.array([0.9, 0.9, 0.9, 1.0, 0.9]), np.array([1.0, 1, 1, 1, 0]), (0.9,) * 5)
    true = np.repeat(np.arange(5), 80)
    predicted = true.copy()
    predicted[[80, 81, 82]] = 0  # 77 of 80
    predicted[160:180] = 0  # 60 of 80
    probabilities = np.eye(5)[predicted]
    value = evaluate(true, probabilities, aims.at_precision, None).metrics["recall"].value
    found, needed = states(true, probabilities, aims, value >= aims.targets, Look(1, False))
    assert found == ["proved", "estimate", "not_yet", "estimate", None]
    assert (needed[0], needed[2:]) == (None, [None, None, None])  # a target of 1 is never proved
    assert 200 < needed[1] < 400
    out_of_fold, nothing = states(true, probabilities, aims, value >= aims.targets, None)
    assert out_of_fold == ["estimate", "estimate", "not_yet", "estimate", None]
    assert nothing == [None] * 5


def test_a_target_of_nothing_is_proved_by_a_row():
    aims = aims_of("recall", "recall_at_precision", target=0.0)
    assert states(np.array([0, 1]), np.full((2, 2), 0.5), aims, np.array([True, True]), Look(1, False))[0] == ["proved", "estimate"]

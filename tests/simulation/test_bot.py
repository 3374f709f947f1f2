"""The bot errs, skips and agrees as it is told."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from altool.simulation import bot

TRUTH = np.random.default_rng(0).integers(4, size=20_000)


def answers(noise: float | np.ndarray = 0.0, skip: float = 0.0, annotators: int = 1, seed: int = 1) -> np.ndarray:
    return bot.answers(TRUTH, 4, noise, skip, annotators, np.random.default_rng(seed))


def test_a_bot_without_faults_says_the_truth() -> None:
    assert np.array_equal(answers()[:, 0], TRUTH)
    assert np.array_equal(answers(np.eye(4), annotators=2), np.stack([TRUTH, TRUTH], axis=1))


def test_uniform_noise_is_uniform_over_the_other_classes() -> None:
    given = answers(0.3)[:, 0]
    wrong = given != TRUTH
    assert abs(wrong.mean() - 0.3) < 0.015
    shift = np.bincount((given - TRUTH)[wrong] % 4, minlength=4)
    assert shift[0] == 0
    assert np.allclose(shift[1:] / wrong.sum(), 1 / 3, atol=0.03)


def test_more_noise_errs_in_the_same_rows_and_others() -> None:
    for few, many in ((0.1, 0.3), (0.9 * np.eye(4) + 0.025, 0.7 * np.eye(4) + 0.075)):
        before, after = answers(few)[:, 0] != TRUTH, answers(many)[:, 0] != TRUTH
        assert before.any()
        assert (after | ~before).all()


def test_a_confusion_table_says_which_errors() -> None:
    shares = np.eye(4)
    shares[1] = [0.0, 0.5, 0.4, 0.1]
    given = answers(shares)[:, 0]
    assert np.array_equal(given[TRUTH != 1], TRUTH[TRUTH != 1])
    found = np.bincount(given[TRUTH == 1], minlength=4) / (TRUTH == 1).sum()
    assert np.allclose(found, shares[1], atol=0.03)


def test_skips_and_independent_annotators() -> None:
    given = answers(0.3, skip=0.2, annotators=3)
    skipped = given == bot.SKIPPED
    assert np.allclose(skipped.mean(axis=0), 0.2, atol=0.015)
    wrong = (given != TRUTH[:, None]) & ~skipped
    both = (wrong[:, 0] & wrong[:, 1]).mean()
    assert abs(both - (0.3 * 0.8) ** 2) < 0.01


def test_the_majority_counts_and_a_label_outvotes_skips() -> None:
    names = ("ant", "bee", "cat", "dog")
    given = np.random.default_rng(3).integers(-1, 4, size=(300, 3))
    for row, found in zip(given.tolist(), bot.agreed(given, names).tolist(), strict=True):
        votes = Counter(label for label in row if label >= 0)
        best = [label for label, count in votes.items() if count == max(votes.values())]
        assert found == (min(best) if best else bot.SKIPPED)  # nothing says who was last: the smaller label


def test_what_the_answers_took() -> None:
    given = np.array([[0, 1], [-1, 2]])
    assert bot.counts(given, None).tolist() == [0, 0, 4]
    assert bot.counts(given, np.array([1, 2])).tolist() == [2, 1, 1]  # verified 1 and 2, corrected 0, skipped


@pytest.mark.parametrize("annotators", [1, 2])
def test_the_same_draws_whoever_asks(annotators: int) -> None:
    assert np.array_equal(answers(0.2, 0.1, annotators), answers(0.2, 0.1, annotators))

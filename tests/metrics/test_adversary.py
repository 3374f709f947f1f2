"""What a discriminator has learned, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from altool.metrics import adversary

CURVE = {"loss": [9.0, 8.0], "discriminator_loss": [1.4, 1.2], "discriminator_accuracy": [0.5, 0.6]}


def test_measures_by_hand() -> None:
    probability = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    rank = np.array([4, 3, 1, 2])  # the rows that are chosen first, 4, 3, 2, 1: distances 0, 0, 1, 1
    losses = np.array([0, 1, 2, 3])
    found = adversary.measure(probability, losses, CURVE, rank, np.array([0, 2]))
    assert tuple(found) == adversary.MEASURES
    # above 0: all four; above 2: 4 and 3, and 2 is a tie
    expected = [1.2, 0.6, (4 + 2 + 0.5) / 8, 1 - 6 * 2 / (4 * 15), -1, 0.115, 0.25, 0.385]
    assert list(found.values()) == pytest.approx(expected)


def test_what_has_no_value_is_left_out() -> None:
    found = adversary.measure(np.full(3, 0.5), np.array([1, 2, 3]), CURVE)
    assert list(found) == [*adversary.MEASURES[:2], *adversary.MEASURES[-3:]]


def test_against_scipy() -> None:
    from scipy.stats import mannwhitneyu, spearmanr

    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 9, 60), rng.integers(0, 9, 60)
    assert adversary.rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert math.isnan(adversary.rank_correlation(first, np.ones(60)))
    assert adversary.area(first[:20], second) == pytest.approx(mannwhitneyu(first[:20], second).statistic / (20 * 60))

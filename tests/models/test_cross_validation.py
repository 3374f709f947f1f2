"""Costs and calibrations from predictions out of fold."""

from __future__ import annotations

import numpy as np
import pytest

from altool.classifiers import svm
from altool.errors import UsageError
from altool.models import cross_validation
from altool.models.cross_validation import Choice, calibrate, choose, fixed, row_weights, sample


def slow(weights: np.ndarray, scores: np.ndarray, known: np.ndarray, labels: np.ndarray, row_weights: np.ndarray) -> float:
    """The loss of `calibrate`, row by row."""
    total = 0.0
    for row, label in enumerate(labels):
        classes = np.flatnonzero(known[row])
        logits = scores[row, classes] @ weights
        probabilities = np.exp(logits) / np.exp(logits).sum()
        rest = 1 / (len(labels) + 1)
        own = np.log(probabilities[list(classes).index(label)])
        total -= row_weights[row] / row_weights.sum() * ((1 - rest) * own + rest * np.log(probabilities).mean())
    return total


def test_calibration_has_the_smallest_loss() -> None:
    draw = np.random.default_rng(0)
    scores, labels, weights = draw.normal(size=(40, 4, 2)), draw.integers(0, 4, 40), draw.random(40) + 0.5
    scores[np.arange(40), labels, 0] += 1
    scores[..., 1] -= np.eye(4)[labels]  # speaks against the class: its weight stays 0
    known = draw.random((40, 4)) < 0.8
    known[np.arange(40), labels] = True
    found, prior, loss = calibrate(scores, known, labels, weights)
    assert prior == 0
    assert found[0] > 0
    assert found[1] == 0
    assert loss == pytest.approx(slow(found, scores, known, labels, weights), abs=1e-9)
    for step in ([0.02, 0], [-0.02, 0], [0, 0.02], [0.02, 0.02]):
        assert slow(np.maximum(found + step, 0), scores, known, labels, weights) > loss


def test_labels_that_the_scores_tell_apart_do_not_become_certain() -> None:
    labels = np.repeat([0, 1], 10)
    scores = np.where(labels[:, None] == [0, 1], 1.0, -1.0)[:, :, None]
    found, _, _ = calibrate(scores, np.ones((20, 2), bool), labels, np.ones(20))
    assert 1 / (1 + np.exp(-2 * found[0])) == pytest.approx(1 - 0.5 / 21, abs=1e-4)  # half of the row of no known class


def test_scores_that_say_nothing_leave_the_shares() -> None:
    """The probabilities are the shares then: divided by these they are all alike, and no class is favoured for being rare."""
    labels = np.repeat([0, 1], [150, 50])
    shares = np.array([0.75, 0.25])
    scores = np.random.default_rng(0).normal(size=(200, 2, 1))
    scores[::2] *= -1
    found, prior, _ = calibrate(scores, np.ones((200, 2), bool), labels, np.ones(200), np.log(shares))
    assert found[0] < 0.2
    assert prior == pytest.approx(1, abs=0.05)
    assert Choice(1.0, found, prior).taken_off(shares) == pytest.approx(np.zeros(2), abs=0.1)
    wrong = np.where(labels[:, None] == [0, 1], -1.0, 1.0)[:, :, None]
    assert calibrate(wrong, np.ones((200, 2), bool), labels, np.ones(200))[0] == cross_validation.LEAST
    told = 3 * (labels[:, None] == [0, 1])[:, :, None] + np.log(shares)[:, None]  # and with the shares in it
    found, prior, _ = calibrate(told + 0.0, np.ones((200, 2), bool), labels, np.ones(200), np.log(shares))
    assert prior == 0
    assert Choice(1.0, found, prior).taken_off(shares) == pytest.approx(np.log(shares))


def test_weights_give_every_class_the_same_sum() -> None:
    labels = np.array([0, 0, 0, 1, 2, 2])
    assert np.array_equal(row_weights(labels, "none"), np.ones(6))
    assert row_weights(labels, "class-weight") == pytest.approx([2 / 3] * 3 + [2, 1, 1])


def test_many_labels_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    assert np.array_equal(sample(labels, 0), np.arange(100))
    monkeypatch.setattr(cross_validation, "ROWS", 50)
    assert np.bincount(labels[sample(labels, 0)]).tolist() == [30, 15, 5]
    assert np.array_equal(sample(np.arange(100), 0), np.arange(100))  # one label per class: nothing to stratify


def test_choice() -> None:
    """A fit that says nothing at c = 1, all at c = 2, and from there on the same."""
    labels = np.repeat([0, 1, 2], [6, 6, 1])
    asked = []

    def decide(c: float, train: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, bool]:
        asked.append(c)
        classes = np.unique(labels[train])
        assert not (train & held).any()
        assert (train | held).all()
        return (labels[held][:, None] == classes)[:, :, None] * float(c > 1), c < 2

    found = choose([1, 2, 3, 4], labels, "none", 0, 3, decide)
    assert found is not None
    assert found.c == 2
    assert set(asked) == {1, 2}  # a larger one changes nothing
    assert choose([1], np.arange(3), "none", 0, 3, decide) is None
    assert choose([1], np.array([0, 0, 1]), "none", 0, 3, lambda c, train, held: (np.zeros((held.sum(), 2, 1)), False)) is not None


def test_costs() -> None:
    option = next(option for option in svm.CLASSIFIER.options if option.name == "c")
    assert fixed(option.take(option.read("auto"), "--c")) is None
    assert fixed(option.take(option.read("0.5"), "--c")) == fixed(0.5) == 0.5
    for wrong in ("0", "-1", "nan", "inf", "x"):
        with pytest.raises(UsageError, match="--c"):
            option.take(option.read(wrong), "--c")

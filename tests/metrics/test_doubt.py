"""Labels in doubt, against a plain loop and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from altool.metrics import doubt


def reference(probabilities: np.ndarray, labels: np.ndarray) -> tuple[list[list[int]], list[bool], list[float]]:
    """The confident joint, the doubts and the margins as the paper has them, row by row."""
    rows = [[float(value) for value in row] for row in probabilities]
    width = probabilities.shape[1]
    threshold = []
    for j in range(width):
        own = [row[j] for row, label in zip(rows, labels, strict=True) if label == j]
        threshold.append(sum(own) / len(own) if own else float("inf"))
    joint = [[0] * width for _ in range(width)]
    doubts, margins = [], []
    for row, label in zip(rows, labels, strict=True):
        above = [j for j in range(width) if row[j] > 0 and row[j] >= threshold[j] - 1e-6]
        best = max(above, key=lambda j: row[j]) if above else None
        if best is not None:
            joint[label][best] += 1
        doubts.append(best not in (None, label))
        others = [j for j in range(width) if j != label]
        other = best if doubts[-1] else max(others, key=lambda j: row[j]) if others else None
        margins.append((row[other] if other is not None else 0.0) - row[label])
    return joint, doubts, margins


@st.composite
def labeled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities whose sums of a few are exact, so that neither order of a sum nor rounding decides; and labels."""
    width, size = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    cuts = draw(arrays.arrays(np.int64, (size, width - 1), elements=st.integers(0, 16)))
    edges = np.sort(np.column_stack([np.zeros(size), cuts, np.full(size, 16)]), axis=1)
    return (np.diff(edges, axis=1) / 16).astype(np.float32), draw(arrays.arrays(np.int64, size, elements=st.integers(0, width - 1)))


BY_HAND = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.75, 0.25]], np.float32)
LABELS = np.array([0, 0, 0, 1, 1])


def test_by_hand() -> None:
    # t_0 = (0.9 + 0.8 + 0.1) / 3 = 0.6, t_1 = (0.7 + 0.25) / 2 = 0.475
    assert doubt.thresholds(BY_HAND, LABELS) == pytest.approx([0.6, 0.475])
    assert doubt.confident(BY_HAND, LABELS).tolist() == [0, 0, 1, 1, 0]
    assert doubt.joint(BY_HAND, LABELS).tolist() == [[2, 1], [1, 1]]
    doubts, margin = doubt.margins(BY_HAND, LABELS)
    assert doubts.tolist() == [False, False, True, False, True]
    assert margin == pytest.approx([-0.8, -0.6, 0.8, -0.4, 0.5])


def test_a_row_below_all_thresholds_is_of_no_class() -> None:
    probabilities = np.array([[0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])
    labels = np.array([0, 1, 0])  # t_0 = 0.65, t_1 = 0.8
    assert doubt.confident(probabilities, labels).tolist() == [0, 1, doubt.NONE]
    assert doubt.joint(probabilities, labels).tolist() == [[1, 0], [0, 1]]


def test_the_threshold_of_a_rare_class_is_its_own() -> None:
    """Equation 1: a class that the model is never sure of is doubted by its own measure, though another class is likelier."""
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.62, 0.38]])
    labels = np.array([0, 0, 1])  # t_0 = 0.75, t_1 = 0.38
    doubts, margin = doubt.margins(probabilities, labels)
    assert doubts.tolist() == [False, True, False]
    assert margin[1] == pytest.approx(-0.2)


def test_a_class_without_a_label_doubts_nothing() -> None:
    probabilities = np.array([[0.2, 0.1, 0.7], [0.3, 0.1, 0.6], [0.1, 0.2, 0.7]])
    assert doubt.thresholds(probabilities, np.array([0, 0, 1]))[2] == np.inf
    assert doubt.joint(probabilities, np.array([0, 0, 1]))[:, 2].sum() == 0


def test_a_class_that_no_row_is_likely_of_doubts_nothing() -> None:
    probabilities = np.array([[0.0, 0.4, 0.6], [0.0, 0.6, 0.4]])
    labels = np.array([0, 1])  # t_0 = 0, t_1 = 0.6
    assert doubt.confident(probabilities, labels).tolist() == [doubt.NONE, 1]


def test_equal_probabilities_reach_their_own_mean() -> None:
    """The mean of 1,000 float32 0.7 is not 0.7."""
    probabilities = np.tile(np.array([[0.7, 0.3]], np.float32), (1000, 1))
    assert (doubt.confident(probabilities, np.zeros(1000, np.int64)) == 0).all()


@pytest.mark.parametrize("rows", [0, 3])
def test_a_single_class(rows: int) -> None:
    doubts, margin = doubt.margins(np.ones((rows, 1)), np.zeros(rows, np.int64))
    assert not doubts.any()
    assert margin.tolist() == [-1.0] * rows


@given(labeled())
def test_as_the_plain_loop(found: tuple[np.ndarray, np.ndarray]) -> None:
    joint, doubts, margins = reference(*found)
    assert doubt.joint(*found).tolist() == joint
    mine, margin = doubt.margins(*found)
    assert mine.tolist() == doubts
    assert margin.tolist() == margins


@given(labeled(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(found: tuple[np.ndarray, np.ndarray], random: st.DrawFn) -> None:
    probabilities, labels = found
    order = np.array(random.sample(range(len(labels)), len(labels)))
    doubts, margin = doubt.margins(probabilities, labels)
    again, margin_again = doubt.margins(probabilities[order], labels[order])
    assert (doubts[order] == again).all()
    assert (margin[order] == margin_again).all()


@given(labeled(), st.randoms(use_true_random=False))
def test_the_order_of_classes_changes_nothing(found: tuple[np.ndarray, np.ndarray], random: st.DrawFn) -> None:
    """But for rows between two classes of which they are equally likely."""
    probabilities, labels = found
    order = np.array(random.sample(range(probabilities.shape[1]), probabilities.shape[1]))
    place = np.argsort(order)
    clear = np.array([len(set(row[row > 0].tolist())) == (row > 0).sum() for row in probabilities])
    doubts, margin = doubt.margins(probabilities, labels)
    again, margin_again = doubt.margins(probabilities[:, order], place[labels])
    assert (doubts == again)[clear].all()
    assert (margin == margin_again)[clear].all()


@given(labeled())
def test_where_model_and_labels_agree_nothing_is_in_doubt(found: tuple[np.ndarray, np.ndarray]) -> None:
    width = found[0].shape[1]
    assert not doubt.margins(np.eye(width)[found[1]], found[1])[0].any()


def test_annotators() -> None:
    # one said so; a tie; two against one; one each of three; the label is the newest of a tie of two pairs
    votes, against, total = np.array([[1, 0, 1], [1, 1, 2], [2, 1, 3], [1, 1, 3], [2, 2, 4]]).T
    assert doubt.dissent(votes, against, total) == pytest.approx([-1, 0, -1 / 3, 0, 0])


def test_the_score_is_the_margin_where_annotators_agree_and_rises_with_their_doubt() -> None:
    margin = np.array([0.5, 0.5, 0.5, -0.4])
    found = doubt.scores(margin, np.array([-1, -1 / 3, 0, 0]))
    assert found == pytest.approx([0.5, 0.5 + 2 / 3, 1.5, 0.6])


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_score_orders_as_the_mean_of_two_opinions(p: float, v: float, q: float, w: float) -> None:
    """Of two classes: p and q the model's probability of the other one, v and w the annotators' share of votes for it."""
    first, second = ((model + people) / 2 - (2 - model - people) / 2 for model, people in ((p, v), (q, w)))
    a, b = doubt.scores(np.array([2 * p - 1, 2 * q - 1]), np.array([2 * v - 1, 2 * w - 1]))
    assert a - b == pytest.approx(2 * (first - second), abs=1e-9)

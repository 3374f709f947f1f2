"""Recall at thresholds that were found on other rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.metrics import decided
from altool.metrics.evaluation import evaluate
from altool.metrics.intervals import wilson

AT = [0.5, 0.9]


def test_by_hand() -> None:
    """Class 0 at a precision of one half: of the scores .9 (0), .8 (1), .7 (0), .6 (1), .5 (1) the cut behind the second 0. Class 1 at
    0.9: its scores are .5 (1), .4 (1), .3 (0), … so two of its three rows."""
    true = np.array([0, 1, 0, 1, 1])
    first = np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)
    threshold = decided.thresholds(true, np.stack([first, 1 - first], axis=1), AT)
    assert threshold == pytest.approx([0.65, 0.35])
    # measured on other rows: 0 is found in .7, not in .65 nor .4; 1 in .5 and .36, not in .2
    likely = np.array([[0.7, 0.3], [0.65, 0.35], [0.4, 0.6], [0.5, 0.5], [0.64, 0.36], [0.8, 0.2]])
    truth = np.array([0, 0, 0, 1, 1, 1])
    threshold = np.array([0.65, 0.35])
    found = decided.measured(evaluate(truth, likely, AT, None), truth, likely, threshold, None)
    assert found.metrics["decided_recall"].value.tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found.metrics["decided_recall"].low == pytest.approx(wilson(np.array([1, 2]), np.array([3, 3]))[0])
    assert found.overall["macro_decided_recall"][0] == pytest.approx(1 / 2)
    assert set(found.metrics) == {"f1", "recall", "precision", "accuracy", "recall_at_precision", "decided_recall"}
    for priorities, value in ((np.array([0.0, 2.0]), 2 / 3), (np.zeros(2), 1 / 2)):
        own = decided.measured(found, truth, likely, threshold, priorities)
        assert own.overall["macro_decided_recall"][0] == pytest.approx(value)


@given(data=st.data())
def test_against_a_loop(data: st.DataObject) -> None:
    rows, width = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 4))
    draw = np.random.default_rng(data.draw(st.integers(0, 99)))
    truth, likely = draw.integers(0, width, rows), draw.dirichlet(np.ones(width), rows).round(1).astype(np.float32)
    threshold = draw.choice([0.1, 0.25, 0.4, np.inf], width)
    found = decided.measured(evaluate(truth, likely, [0.9] * width, None), truth, likely, threshold, None)
    for code in range(width):
        mine = [row for row in range(rows) if truth[row] == code]
        hits = sum(float(likely[row, code]) > threshold[code] for row in mine)
        assert found.metrics["decided_recall"].value[code] == (hits / len(mine) if mine else 0)

"""Which rows are measured."""

import numpy as np
import pytest

from altool.metrics.measured import measured

SOURCES = np.array(["seed", "explore", "exploit", "auto", "", "holdout"])


def rows(evaluate_on, predicted=(True,) * 6, out_of_fold=(True,) * 6, source=SOURCES):
    return measured(source, np.array(predicted), np.array(out_of_fold), evaluate_on)


def test_auto_prefers_the_holdout():
    found = rows("auto", out_of_fold=[True] * 5 + [False])
    assert found.on == "holdout"
    assert SOURCES[found.rows].tolist() == ["holdout"]
    assert not found.left_out.any()
    assert not found.biased.any()


def test_auto_falls_back_to_out_of_fold():
    found = rows("auto", predicted=[True] * 5 + [False], out_of_fold=[True] * 5 + [False])
    assert found.on == "out-of-fold"
    assert SOURCES[found.rows].tolist() == ["seed", "explore"]
    assert SOURCES[found.left_out].tolist() == ["exploit", "auto", ""]
    assert SOURCES[found.unpredicted].tolist() == ["holdout"]


def test_uncertain_rows_only_when_asked():
    found = rows("all")
    assert SOURCES[found.rows].tolist() == ["seed", "explore", "exploit", "", "holdout"]
    assert SOURCES[found.biased].tolist() == ["exploit", ""]
    assert SOURCES[found.left_out].tolist() == ["auto"]  # the machine's own labels say nothing about it, however they are asked for
    assert not rows("out-of-fold").biased.any()


@pytest.mark.parametrize("evaluate_on", ["auto", "holdout", "out-of-fold", "all"])
def test_what_class_weights_may_come_from(evaluate_on):
    """Whatever is measured: held-out rows, drawn labels, and all that people gave; each predicted by a model that did not see it."""
    found = rows(evaluate_on, out_of_fold=[True] * 5 + [False]).samples
    assert {name: SOURCES[mask].tolist() for name, mask in found.items()} == {
        "holdout": ["holdout"],
        "explored": ["seed", "explore"],
        "labeled": ["seed", "explore", "exploit", ""],
    }
    found = rows(evaluate_on, predicted=[False] + [True] * 5, out_of_fold=[True, True, False, True, True, False]).samples
    assert {name: SOURCES[mask].tolist() for name, mask in found.items()} == {
        "holdout": ["holdout"],
        "explored": ["explore"],
        "labeled": ["explore", ""],
    }


@pytest.mark.parametrize("evaluate_on", ["auto", "out-of-fold", "all", "holdout"])
def test_never_in_sample(evaluate_on):
    found = rows(evaluate_on, out_of_fold=[False] * 6)
    assert not (found.rows & (SOURCES != "holdout")).any()
    if evaluate_on == "all":
        assert found.in_sample.sum() == 4
    if evaluate_on == "out-of-fold":
        assert SOURCES[found.in_sample].tolist() == ["seed", "explore"]


def test_rows_without_a_prediction_are_counted():
    found = rows("all", predicted=[False] * 3 + [True] * 3, out_of_fold=[False] * 3 + [True] * 3)
    assert SOURCES[found.unpredicted].tolist() == ["seed", "explore", "exploit"]
    assert not (found.rows & found.unpredicted).any()

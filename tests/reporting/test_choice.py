"""Which run to take, by hand."""

import numpy as np
import pytest

from altool import seeds
from altool.reporting.choice import Choice, Saved, choose
from altool.reporting.history_series import Series


def curve(run, repeat, labels, values):
    return Series(run, repeat, np.array(labels), np.array(values, float), np.zeros((len(labels), 0)), None, None, None)


def chosen(areas, curves=None, baseline=None, levels=(), measured=(100, 500)):
    """`areas` (one a repeat) and `curves` by run, (labels, values) one a repeat."""
    series = {run: {number: curve(run, number, *one) for number, one in enumerate(own)} for run, own in (curves or {}).items()}
    by_repeat = {run: dict(enumerate(own)) for run, own in areas.items()}
    return choose(by_repeat, series, measured, baseline, levels, lambda: seeds.generator(0, "test"))


def test_a_run_that_is_better_in_every_repeat_is_taken():
    found = chosen({"a": [50, 60, 55], "b": [40, 50, 45]})
    assert (found.candidates, found.probabilities) == (("a",), {"a": 1, "b": 0})
    assert found.text == "take a: best with probability over 0.99 (3 repeats)"
    assert found.lines("F1") == [found.text]


def test_runs_within_noise_are_named():
    found = chosen({"a": [50, 41, 60], "b": [45, 50, 52], "far": [10, 12, 11], "twin": [45, 50, 52]})
    assert found.candidates == ("a", "b", "twin")
    assert found.probabilities["b"] == found.probabilities["twin"] > 0.05
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.probabilities["far"] == 0
    a, b = (f"{found.probabilities[name]:.2f}" for name in "ab")
    assert found.text == f"which run is best cannot be told: a ({a}), b ({b}) and twin ({b}) are within noise (3 repeats)"


def test_many_runs_within_noise_are_counted():
    found = chosen({f"run {number:02d}": [50, 50] for number in range(9)})
    assert len(found.candidates) == 9
    assert found.text.endswith("run 03 (0.11) and 5 other runs are within noise (2 repeats)")


def test_one_repeat_or_none_tells_nothing():
    found = chosen({"a": [50], "b": [40]})
    assert (found.candidates, found.probabilities, found.told) == (("a", "b"), None, False)
    assert found.text == "which run is best cannot be told from 1 repeat; a has the largest area"
    apart = choose({"a": {0: 1.0}, "b": {1: 2.0}}, {}, (0, 9), None, (), lambda: seeds.generator(0, "test"))
    assert apart.text == "which run is best cannot be told without a repeat that all runs share; b has the largest area"
    assert chosen({"a": [50, 60]}) is None


CURVES = {
    "good": [([100, 500], [0.2, 0.8]), ([100, 500], [0.2, 0.8])],  # 0.5 with 300 labels
    "random": [([100, 500], [0.1, 0.5]), ([100, 300, 900], [0.1, 0.5, 0.9])],  # 0.5 with 500 and with 300
}


def test_savings_by_hand():
    found = chosen({"good": [50, 50], "random": [30, 40]}, CURVES, "random")
    saved = found.saved
    assert (saved.run, saved.baseline, saved.level, saved.measured, saved.repeats) == ("good", "random", 0.5, (100, 500), 2)
    assert (saved.labels, saved.baseline_labels, saved.share) == (pytest.approx(300), pytest.approx(400), pytest.approx(0.25))
    assert saved.low < 0.25 < saved.high
    assert found.lines("macro-F1")[1].startswith("good against random, at macro-F1 0.5: 300 labels instead of 400, 25 % fewer (between ")
    assert found.lines("macro-F1")[1].endswith("); measured with 100 to 500 labels, 2 repeats")


def test_savings_at_the_highest_given_level_that_all_cross():
    areas = {"good": [50, 50], "random": [30, 40]}
    assert chosen(areas, CURVES, "random", levels=[0.3, 0.4, 0.6]).saved.level == 0.4
    assert chosen(areas, CURVES, "random", levels=[0.6]).saved is None
    assert chosen(areas, CURVES, "random", levels=[0.2]).saved is None  # `good` begins there
    assert chosen(areas, CURVES, "good").saved is None  # it is the best
    assert chosen(areas, CURVES).saved is None


def test_what_costs_more_is_said():
    saved = Saved("a", "b", 0.6, 120, 100, -0.2, -0.3, 0.1, (50, 200), 3)
    lines = Choice(("a",), {"a": 1.0, "b": 0.0}, 3, saved).lines("F1")
    assert "120 labels instead of 100, 20 % more (between 10 % fewer and 30 % more);" in lines[1]

"""Which runs are told from the baseline, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from altool import seeds
from altool.metrics.learning_curves import paired_interval
from altool.reporting.history import summarize
from altool.reporting.history_series import Series, common_range
from altool.reporting.told import Told, told

SPREAD = np.array([-0.02, 0.0, 0.01, -0.01, 0.02])


def summary(*, falls: bool = False, **heights: np.ndarray):
    """A comparison of flat curves: each run's height in each repeat."""
    found = [
        Series(run, repeat, np.array([10, 20]), np.full(2, height), np.zeros((2, 0)), None, None, None, falls=falls)
        for run, own in heights.items()
        for repeat, height in enumerate(own)
    ]
    metric = "shortfall" if falls else "macro_f1"
    return summarize(found, (), metric, common_range(found), baseline="random", generator=lambda: seeds.generator(0, "test"))


def test_runs_far_off_are_told_and_near_ones_are_not() -> None:
    base = 0.5 + SPREAD
    found = told(summary(random=base, good=base + 0.2 + SPREAD, bad=base - 0.2 + SPREAD, near=base + SPREAD[::-1]))
    assert found is not None
    assert (found.better, found.worse, found.neither, found.repeats) == (("good",), ("bad",), ("near",), 5)
    assert found.lines == ["better than random: good; worse: bad; not told from it: near (5 repeats, 95 % at once)"]


def test_less_of_the_shortfall_is_better() -> None:
    base = 0.5 + SPREAD
    found = told(summary(falls=True, random=base, less=base - 0.2 + SPREAD))
    assert found is not None
    assert found.lines == ["better than random: less (5 repeats, 95 %)"]


def test_what_one_run_tells_by_itself_several_do_not() -> None:
    """The same difference beside nine others: one is expected to look different by chance."""
    base, step = np.full(5, 0.5), 0.014 + SPREAD / 2
    one = summary(random=base, a=base + step)
    many = summary(random=base, a=base + step, **{f"b{number}": base - SPREAD for number in range(9)})
    assert next(run for run in many.runs if run.name == "a").difference["all"].verdict == "better"
    alone, together = told(one), told(many)
    assert alone is not None
    assert together is not None
    assert (alone.better, together.better) == (("a",), ())
    assert len(together.neither) == 10
    assert together.lines[0].startswith("none of the 10 runs can be told from random (5 repeats, 95 % at once); about ")


def test_bonferroni_is_a_wider_interval() -> None:
    draw = np.random.default_rng(0).normal(size=12)
    mean, low, high = paired_interval(draw, seeds.generator(0, "test"))
    same, lower, higher = paired_interval(draw, seeds.generator(0, "test"), 5)
    assert mean == same
    assert lower < low < high < higher
    # Student's interval that leaves out 0.5 % at each end, 11 degrees of freedom: 3.106 against 2.201
    assert (higher - lower) / (high - low) == pytest.approx(3.106 / 2.201, rel=0.08)


def test_few_repeats_and_none() -> None:
    assert told(summary(random=np.array([0.5]))) is None
    found = told(summary(random=np.array([0.5]), a=np.array([0.9])))
    assert found is not None
    assert found.lines == ["no run can be told from random by 1 repeat: give --repeats 5 or more to altool simulate"]
    two = Told("random", (), ("b",), (), 2, None)
    assert two.lines == ["no run is better than random; worse: b (2 repeats, 95 %)"]
    open_ = Told("r", (), (), ("a",), 5, 40)
    assert open_.lines == ["the run cannot be told from r (5 repeats, 95 %); about 40 repeats would show the largest difference"]

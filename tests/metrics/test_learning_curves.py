"""Learning curves against brute force, Student's interval and coverage."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from altool import seeds
from altool.metrics import learning_curves
from altool.metrics.learning_curves import (
    area,
    common,
    entropy,
    imbalance_ratio,
    labels_needed,
    paired_interval,
    paired_intervals,
    rarest,
    resample,
    spread,
    union,
)

FAST = settings(max_examples=60, deadline=None)


@st.composite
def curves(draw, points=6):
    labels = np.array(sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=points))), np.int64)
    values = draw(st.lists(st.integers(0, 8), min_size=len(labels), max_size=len(labels)))
    return labels, np.array(values, np.float64) / 8


def straight(labels, values, at):
    """The curve's height as a fraction, from the definition of a straight line between two points."""
    for left, right, a, b in zip(labels, labels[1:], values, values[1:], strict=False):
        if left <= at <= right:
            return Fraction(a) + (Fraction(b) - Fraction(a)) * Fraction(at - int(left), int(right - left))
    return Fraction(values[list(labels).index(at)])


@FAST
@given(curves(), st.data())
def test_area_is_the_mean_height(curve, data):
    labels, values = curve
    low = data.draw(st.integers(int(labels[0]), int(labels[-1])))
    high = data.draw(st.integers(low, int(labels[-1])))
    heights = [straight(labels.tolist(), values.tolist(), at) for at in range(low, high + 1)]  # all bends lie on whole numbers
    slices = [(a + b) / 2 for a, b in itertools.pairwise(heights)] or heights
    assert area(labels, values, low, high) == pytest.approx(float(100 * sum(slices) / len(slices)), abs=1e-9)


def test_area_by_hand():
    # from 100 to 200 labels the height is 0.3 on average, from 200 to 400 it is 0.5: (100 * 0.3 + 200 * 0.5) / 300
    assert area(np.array([100, 200, 400]), np.array([0.2, 0.4, 0.6]), 100, 400) == pytest.approx(100 * 130 / 300)
    assert area(np.array([7]), np.array([0.25]), 7, 7) == 25


@FAST
@given(curves(), st.data())
def test_resample_is_linear(curve, data):
    labels, values = curve
    grid = np.array(data.draw(st.lists(st.integers(int(labels[0]), int(labels[-1])), max_size=5)), np.int64)
    expected = [float(straight(labels.tolist(), values.tolist(), int(at))) for at in grid]
    assert resample(labels, values, grid).tolist() == pytest.approx(expected, abs=1e-12)
    both = resample(labels, np.stack([values, 1 - values], axis=1), grid)
    assert both[:, 0].tolist() == pytest.approx(expected, abs=1e-12)
    assert both.sum(axis=1).tolist() == pytest.approx([1] * len(grid))


@FAST
@given(curves(), st.integers(1, 16))
def test_labels_needed_is_the_first_crossing(curve, sixteenths):
    labels, values = curve
    level = sixteenths / 16
    found = labels_needed(labels, values, level)
    if values.max() < level:
        assert np.isnan(found)
        return
    steps = np.arange(labels[0], labels[-1] + 0.005, 0.01)
    heights = np.interp(steps, labels, values)
    assert found == pytest.approx(steps[np.flatnonzero(heights >= level - 1e-9)[0]], abs=0.011)
    if values[0] < level:
        assert np.interp(found, labels, values) == pytest.approx(level)
    else:
        assert found == labels[0]


def test_a_fall_after_the_level_does_not_matter():
    assert labels_needed(np.array([0, 10, 20, 30]), np.array([0.0, 0.8, 0.1, 0.9]), 0.4) == 5


def test_union_and_common():
    counts = [np.array([10, 20, 40]), np.array([12, 20, 35, 50]), np.array([5, 45])]
    assert common(counts) == (12, 40)
    assert union(counts).tolist() == [12, 20, 35, 40]
    assert union([np.array([3])]).tolist() == [3]
    with pytest.raises(ValueError, match="one curve begins at 30 labels, another ends at 20"):
        common([np.array([10, 20]), np.array([30, 40])])


def test_the_mean_on_the_union_is_the_mean_of_the_curves():
    rng = np.random.default_rng(0)
    counts = [np.sort(rng.choice(100, 8, replace=False)) for _ in range(3)]
    values = [rng.random(8) for _ in counts]
    grid = union(counts)
    mean = np.mean([resample(x, y, grid) for x, y in zip(counts, values, strict=True)], axis=0)
    low, high = common(counts)
    whole = np.mean([area(x, y, low, high) for x, y in zip(counts, values, strict=True)])
    assert area(grid, mean, low, high) == pytest.approx(whole)


@pytest.mark.parametrize("repeats", [3, 4, 20])
def test_spread_is_students_interval(repeats):
    samples = np.random.default_rng(repeats).normal(0.5, 0.1, (repeats, 7))
    mean, low, high = spread(samples)
    expected = stats.t.interval(0.95, repeats - 1, loc=samples.mean(axis=0), scale=stats.sem(samples, axis=0))
    assert mean.tolist() == pytest.approx(samples.mean(axis=0).tolist())
    assert low.tolist() == pytest.approx(expected[0].tolist())
    assert high.tolist() == pytest.approx(expected[1].tolist())
    _, low, high = spread(samples, (0.48, 0.52))
    assert low.min() >= 0.48
    assert high.max() <= 0.52


def test_spread_of_few():
    mean, low, high = spread(np.array([[0.2, 0.6], [0.4, 0.4]]))
    assert (mean.tolist(), low.tolist(), high.tolist()) == (pytest.approx([0.3, 0.5]), [0.2, 0.4], [0.4, 0.6])
    mean, low, high = spread(np.array([0.2]))
    assert mean == 0.2
    assert np.isnan([low, high]).all()


def interval(differences, *scope):
    return paired_interval(np.asarray(differences, np.float64), seeds.generator(0, "test", *scope))


def test_paired_interval_of_normal_data_is_students():
    normal = stats.norm.ppf((np.arange(60) + 0.5) / 60) * 3 + 1
    mean, low, high = interval(normal)
    expected = stats.t.interval(0.95, 59, loc=1, scale=stats.sem(normal))
    assert mean == pytest.approx(1)
    assert (low, high) == pytest.approx(expected, abs=0.03 * (expected[1] - expected[0]))


def test_paired_interval_keeps_the_skew():
    mean, low, high = interval(stats.expon.ppf((np.arange(20) + 0.5) / 20))
    assert high - mean > 1.1 * (mean - low)


def test_paired_interval_of_little():
    assert interval([0.5])[0] == 0.5
    assert np.isnan(interval([0.5])[1:]).all()
    assert interval([0.0] * 5) == (0, 0, 0)
    assert interval([0.25] * 5) == pytest.approx((0.25,) * 3)
    mean, low, high = interval([1.0, 3.0])
    assert mean == 2
    assert mean - low == pytest.approx(high - mean)
    assert mean - low == pytest.approx(np.sqrt(2) * 12.7062 / 1.95996, rel=1e-4)  # the percentiles of two are the two


def test_the_same_seed_gives_the_same_interval():
    differences = np.random.default_rng(0).normal(size=9)
    assert interval(differences) == interval(differences)
    assert interval(differences) != interval(differences, "other")
    assert interval(differences + 5) == pytest.approx([end + 5 for end in interval(differences)])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_paired_interval_covers(kind):
    """A run equal to the baseline by construction, 20 repeats: 200 studies under each of 5 seeds. 3 standard errors are 0.021."""
    covered = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        studies = rng.normal(size=(200, 20)) if kind == "normal" else rng.gamma(4, size=(200, 20)) - 4
        ends = np.array([paired_interval(study, rng)[1:] for study in studies])
        covered += ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).tolist()
    assert 0.929 <= np.mean(covered) <= 0.971


@FAST
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8))
def test_entropy(counts):
    expected = stats.entropy(counts) if sum(counts) else 0
    assert entropy(np.array(counts)) == pytest.approx(expected, abs=1e-12)


def test_imbalance_ratio():
    assert imbalance_ratio(np.array([1, 3])) == 0.5
    assert imbalance_ratio(np.array([4, 4, 4])) == imbalance_ratio(np.zeros(3)) == 0
    assert imbalance_ratio(np.array([9, 0, 0, 0])) == pytest.approx(np.sqrt(3))


def test_columns_of_differences_are_resampled_alike():
    differences = np.random.default_rng(0).normal(size=(5, 3))
    together = np.array(paired_intervals(differences, seeds.generator(0, "test")))
    alone = np.array([interval(column) for column in differences.T])
    np.testing.assert_allclose(together.T, alone)
    assert np.isnan(paired_intervals(differences[:1], seeds.generator(0, "test"))[1]).all()


def test_rarest():
    counts = np.array([5, 1, 9, 1, 3])
    assert np.flatnonzero(rarest(counts, 0.4)).tolist() == [1, 3]
    assert np.flatnonzero(rarest(counts, 0.2)).tolist() == [1]
    assert rarest(counts, 0.001).sum() == 1
    assert rarest(counts, 0.999).sum() == 4
    assert np.flatnonzero(rarest(counts, 0.6)).tolist() == [1, 3, 4]


def test_best_is_the_share_of_resamples():
    """Of 2 repeats there are four resamples; stretched, the mean differences are 2, and 2 - s, 2, 2 and 2 + s with s = 1 x 9.17."""
    areas = np.array([[51.0, 50.0], [53.0, 50.0]])
    assert learning_curves.best(areas, np.random.default_rng(0)) == pytest.approx([0.75, 0.25], abs=0.02)
    assert learning_curves.best(areas + np.array([0, 100]), np.random.default_rng(0)).tolist() == [0, 1]
    assert learning_curves.best(np.ones((3, 4)), np.random.default_rng(0)).tolist() == [0.25] * 4


def test_best_agrees_with_the_paired_interval():
    rng = np.random.default_rng(1)
    for _ in range(20):
        areas = rng.normal(size=(5, 2)) + np.array([rng.normal(scale=2), 0])
        chance = learning_curves.best(areas, np.random.default_rng(2))[0]
        _, low, high = learning_curves.paired_interval(areas[:, 0] - areas[:, 1], np.random.default_rng(2))
        assert (low > 0) == (chance > 0.975) or abs(chance - 0.975) < 0.005
        assert (high < 0) == (chance < 0.025) or abs(chance - 0.025) < 0.005


def test_paired_ratio():
    ratio, low, high = learning_curves.paired_ratio(np.array([50.0, 100.0]), np.array([100.0, 200.0]), np.random.default_rng(0))
    assert (ratio, low, high) == (0.5, pytest.approx(0.5), pytest.approx(0.5))  # paired: the same in every resample
    ratio, low, high = learning_curves.paired_ratio(np.array([1.0, 2, 3]), np.array([3.0, 1, 2]), np.random.default_rng(0))
    assert low < ratio == 1 < high
    assert np.isnan(learning_curves.paired_ratio(np.array([3.0]), np.array([2.0]), np.random.default_rng(0))[1:]).all()


def test_area_over_the_logarithm_of_the_labels():
    """Three doublings, each of the same weight: the mean of (0 + 0.2) / 2, (0.2 + 0.6) / 2 and 0.6."""
    labels, values = np.array([10, 20, 40, 80]), np.array([0.0, 0.2, 0.6, 0.6])
    assert learning_curves.area(labels, values, 10, 80, log=True) == pytest.approx(100 * (0.1 + 0.4 + 0.6) / 3)
    assert learning_curves.area(labels, values, 20, 40, log=True) == pytest.approx(40)
    assert learning_curves.area(labels, values, 20, 20, log=True) == pytest.approx(20)


@pytest.mark.parametrize(("effect", "expected"), [(0.5, 34), (0.8, 15), (1.0, 10), (0.2, 199), (1e9, 2)])
def test_repeats_needed(effect, expected):
    """Cohen's tables of the paired t-test, two-sided at 5 % with power 80 %, have the same numbers, give or take one."""
    spread = np.array([-1.0, 1.0]) / np.sqrt(2)  # of standard deviation 1
    assert abs(learning_curves.repeats_needed(spread + effect) - expected) <= (0 if effect > 1e6 else 1)
    assert learning_curves.repeats_needed(-spread - effect) == learning_curves.repeats_needed(spread + effect)


def test_repeats_needed_for_nothing():
    assert learning_curves.repeats_needed(np.array([1.0])) is None
    assert learning_curves.repeats_needed(np.array([1.0, -1.0])) is None
    assert learning_curves.repeats_needed(np.array([1.0, -0.999])) is None  # more than anyone repeats
    assert learning_curves.repeats_needed(np.array([1.0, 1.0])) == 2


@pytest.mark.parametrize(("value", "expected"), [(0.6299, 0.62), (0.0347, 0.034), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0), (-1.0, 0.0)])
def test_rounded_down(value, expected):
    assert learning_curves.rounded_down(value) == expected

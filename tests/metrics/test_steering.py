"""Which estimates steer, and the weights that come of them, by hand."""

import numpy as np
import pytest

from altool.metrics.gaps import Aims
from altool.metrics.steering import EVEN, SHRINK, WEIGHTS_FROM, Sample, estimates, sample, steered, wanted, weights


def of(value, rows):
    return Sample(np.array(value, float), np.array(rows))


AIMS = Aims(("f1",) * 3, np.array([0.9, 0.8, 0.7]), np.array([1.0, 2, 0]), (0.9,) * 3)
SAMPLES = {
    "holdout": of([0.8, 0.5, 0.3], [10, 4, 0]),
    "explored": of([0.6, 0.7, np.nan], [90, 5, 0]),
    "labeled": of([0.2, 0.1, 0.4], [95, 15, 5]),
}


def test_a_sample_as_it_is():
    assert estimates(SAMPLES, "holdout").tolist() == [0.8, 0.5, 0]  # of the last no row was measured
    assert estimates(SAMPLES, "explored").tolist() == [0.6, 0.7, 0]
    assert estimates(SAMPLES, "labeled").tolist() == [0.2, 0.1, 0.4]


def test_auto_takes_each_class_from_one_sample_and_shrinks_it():
    assert SHRINK == 5
    # ten held-out rows suffice; four are fewer than five drawn labels
    assert estimates(SAMPLES, "auto") == pytest.approx([0.8 * 10 / 15, 0.7 * 5 / 10, 0])
    held = {"holdout": SAMPLES["holdout"]}
    assert estimates(held, "auto") == pytest.approx([0.8 * 10 / 15, 0.5 * 4 / 9, 0])
    assert estimates({"labeled": SAMPLES["labeled"], "explored": SAMPLES["explored"]}, "auto")[0] == pytest.approx(0.6 * 90 / 95)
    assert estimates({"labeled": SAMPLES["labeled"]}, "auto") == pytest.approx([0.2 * 95 / 100, 0.1 * 15 / 20, 0.4 * 5 / 10])
    few = {"holdout": of([0.8, 0.5, 0.3], [3, 0, 0]), "explored": of([0.1, 0.2, 0.3], [3, 1, 0])}
    assert estimates(few, "auto") == pytest.approx([0.8 * 3 / 8, 0.2 / 6, 0])
    assert estimates({"holdout": of([0.8], [np.inf])}, "auto") == [0.8]  # nobody knows of how many rows


def test_weights():
    value = np.array([0.5, 0.7, 0])
    for name in ("holdout", "explored", "labeled"):
        assert weights(value, AIMS, name) == pytest.approx([0.4, 0.2, 0])
    assert weights(value, AIMS, "equal").tolist() == [1, 2, 0]
    assert EVEN == 0.5
    assert weights(value, AIMS, "auto") == pytest.approx([0.5 * 0.4 / 0.6 + 0.5 / 3, 0.5 * 0.2 / 0.6 + 0.5 * 2 / 3, 0])
    assert weights(np.ones(3), AIMS, "auto") == pytest.approx([1 / 3, 2 / 3, 0])  # all targets are met
    assert weights(value, Aims(AIMS.metrics, AIMS.targets, np.zeros(3), AIMS.at_precision), "auto").tolist() == [0, 0, 0]


@pytest.mark.parametrize("weights_from", WEIGHTS_FROM)
def test_without_any_sample_every_class_is_at_0(weights_from):
    assert steered({}, AIMS, weights_from) == pytest.approx(weights(np.zeros(3), AIMS, weights_from))
    assert AIMS.priorities.tolist() == [1, 2, 0]


def test_the_metric_is_that_of_the_target():
    aims = Aims(("recall", "precision", "f1"), np.ones(3), np.ones(3), (0.9,) * 3)
    found = sample(np.array([0, 0, 1, 1]), np.eye(3)[[0, 1, 1, 1]], aims)
    assert found.value == pytest.approx([1 / 2, 2 / 3, 0])
    assert found.rows.tolist() == [2, 2, 0]


def test_what_is_measured_out_of_fold():
    assert set(wanted("explored", None)) == {"explored"}
    assert set(wanted("labeled", None)) == {"labeled"}
    assert not wanted("equal", None)
    assert not wanted("holdout", SAMPLES["holdout"])
    assert set(wanted("auto", None)) == set(wanted("auto", SAMPLES["holdout"])) == {"explored"}
    assert not wanted("auto", of([0, 0, 0], [10, 30, 10]))  # every class has held-out rows enough

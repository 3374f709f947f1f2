"""TAAL's class weights, by hand."""

import numpy as np

from altool.metrics.gaps import Aims, met, shortfall, weights


def test_classes_below_their_target_weigh_what_they_miss():
    np.testing.assert_allclose(weights([0.4, -0.1, 0.2], [1, 1, 1]), [0.4, 0, 0.2])


def test_priority_scales():
    np.testing.assert_allclose(weights([0.4, 0.1, 0.2], [1, 3, 0]), [0.4, 0.3, 0])


def test_all_met_means_equal_weights():
    np.testing.assert_allclose(weights([-0.4, 0, -0.2], [1, 1, 1]), [1, 1, 1])
    np.testing.assert_allclose(weights([-0.4, 0, -0.2], [2, 1, 0]), [2, 1, 0])


def test_a_gap_of_a_class_that_is_left_out_does_not_count():
    np.testing.assert_allclose(weights([0.9, -0.1], [0, 1]), [0, 1])
    np.testing.assert_allclose(weights([0.9, 0.1], [0, 0]), [0, 0])


def test_inputs_stay():
    priority = np.array([1.0, 1.0])
    weights(np.array([-1.0, -1.0]), priority)[0] = 7
    assert priority.tolist() == [1, 1]


def test_shortfall():
    """What is above a target makes up for nothing; priority 0 and what was not measured are left out."""
    aims = Aims(("f1",) * 4, np.array([0.9, 0.5, 0.9, 0.7]), np.array([1.0, 3, 0, 1]), (0.9,) * 4)
    np.testing.assert_allclose(shortfall(np.array([0.6, 0.8, 0.1, 0.6]), aims), (0.3 + 0 + 0.1) / 3)
    np.testing.assert_allclose(shortfall(np.array([[0.6, 0.4, 0, np.nan], [1, 1, 0, 1]]), aims), [(0.3 + 0.1) / 2, 0])
    assert shortfall(np.zeros(2), Aims(("f1",) * 2, np.ones(2), np.zeros(2), (0.9,) * 2)) == 0


def test_met_includes_the_target():
    assert met([0.9, 0.8999, 1.0], [0.9, 0.9, 0.9]).tolist() == [True, False, True]

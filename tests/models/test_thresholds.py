import numpy as np

from altool.models.thresholds import decided


def test_a_row_is_of_no_class_of_one_or_of_several() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0], [0, 0.2, 0.8], [0.1, 0.1, 0.8]], np.float32)
    bounds, classes = decided(probabilities, np.array([0.4, 0.25, np.inf]))
    assert bounds.tolist() == [0, 1, 3, 3, 3]
    assert classes.tolist() == [0, 0, 1]
    assert bounds.dtype == np.int32


def test_a_probability_at_its_threshold_is_not_above_it() -> None:
    tenth = np.float32(0.1)  # a little more than the float64 0.1
    assert decided(np.array([[tenth]]), np.array([float(tenth)]))[1].tolist() == []
    assert decided(np.array([[tenth]]), np.array([0.1]))[1].tolist() == [0]
    assert decided(np.empty((0, 3), np.float32), np.zeros(3))[0].tolist() == [0]

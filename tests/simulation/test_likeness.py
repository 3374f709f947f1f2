"""Near copies in a simulated pool: by features, or by equal texts."""

from __future__ import annotations

import numpy as np

from altool.simulation.from_model import Pool, likeness

NONE = np.empty(0, np.int64)


def a_pool(rows: np.ndarray) -> Pool:
    return Pool(rows, np.zeros(len(rows), np.int64), rows[:0], NONE, ("ant", "bee"))


def test_features_are_those_of_the_candidates_and_the_labeled_rows() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = likeness(a_pool(rows), 0.9, np.array([1, 3, 5]), np.array([0, 4]))
    assert found.contents is None
    assert found.vectors is not None
    candidates, labeled = found.vectors.read(np.array([2, 0]))
    assert (candidates.tolist(), labeled.tolist()) == (rows[[5, 1]].tolist(), rows[[0, 4]].tolist())


def test_equal_texts_are_copies() -> None:
    texts = np.array(["red", "blue", "red", "green", "blue", "red "], object)
    found = likeness(a_pool(texts), 0.9, np.array([1, 2, 4, 5]), np.array([0]))
    assert found.vectors is None
    assert found.contents is not None
    (blue, red, again, other), (labeled,) = found.contents(np.arange(4))
    assert blue == again
    assert red == labeled
    assert len({blue, red, other}) == 3

"""Outliers, by hand and against the whole matrix of distances."""

from __future__ import annotations

import numpy as np
import pytest

from altool.kernels.copies import units
from altool.metrics import outliers


def test_the_mean_distance_to_the_nearest_others() -> None:
    rows = units(np.random.default_rng(0).normal(size=(60, 5)))
    distances = np.sort(np.linalg.norm(rows[:, None] - rows[None], axis=2), axis=1)
    np.testing.assert_allclose(outliers.isolation(rows, np.random.default_rng(1)), distances[:, 1:11].mean(axis=1), atol=1e-6)


def test_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "SAMPLE", 20)
    monkeypatch.setattr(outliers, "BLOCK", 16)
    rows = units(np.random.default_rng(0).normal(size=(50, 4)))
    sample = np.sort(np.random.default_rng(3).permutation(50)[:20])
    expected = [np.sort([np.linalg.norm(rows[row] - rows[other]) for other in sample if other != row])[:10].mean() for row in range(50)]
    np.testing.assert_allclose(outliers.isolation(rows, np.random.default_rng(3)), expected, atol=1e-6)


def test_robust_z_by_hand() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0])  # median 3, absolute deviations 2, 1, 0, 1, 97: median 1
    np.testing.assert_allclose(outliers.robust_z(values), (values - 3) / 1.4826)
    assert outliers.robust_z(np.array([1.0, 1.0, 1.0, 9.0])).tolist() == [0, 0, 0, 0]
    assert outliers.robust_z(np.empty(0)).tolist() == []


def test_few_rows() -> None:
    assert outliers.isolation(np.ones((1, 2)), np.random.default_rng(0)).tolist() == [0]
    assert outliers.isolation(np.empty((0, 2)), np.random.default_rng(0)).tolist() == []

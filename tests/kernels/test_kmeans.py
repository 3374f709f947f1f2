"""k-means: what a fixed point of Lloyd's iteration must be, scikit-learn's sum of squares, and places that are hard to cluster."""

import mmap
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from extra import torch
from hypothesis import given
from hypothesis import strategies as st

from altool.engines.local import limited
from altool.kernels import kmeans


def squares(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n, k) squared distances from the differences, in float64."""
    return ((rows[:, None].astype(np.float64) - centres[None].astype(np.float64)) ** 2).sum(axis=2)


def blobs(rng: np.random.Generator, rows: int, width: int, groups: int = 8) -> np.ndarray:
    return (rng.normal(size=(groups, width))[rng.integers(0, groups, rows)] * 3 + rng.normal(size=(rows, width))).astype(np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_a_fixed_point_of_lloyds_iteration(seed: int) -> None:
    """Every row is at its nearest centre, every centre the mean of its rows, and the sum is that of the distances."""
    rng = np.random.default_rng(seed)
    rows = blobs(rng, int(rng.integers(1, 300)), int(rng.integers(1, 12))) + rng.choice([0, 50])
    clusters = int(rng.integers(1, 20))
    centres, assignment, inertia = kmeans.fit(rows, clusters, rng, iterations=500)
    assert centres.dtype == np.float32
    assert centres.shape == (min(clusters, len(rows)), rows.shape[1])
    assert assignment.dtype == np.int32
    distances = squares(rows, centres)
    own = distances[np.arange(len(rows)), assignment]
    assert own == pytest.approx(distances.min(axis=1), rel=1e-3, abs=1e-3)
    assert inertia == pytest.approx(own.sum(), rel=1e-4, abs=1e-4)
    assert set(assignment.tolist()) == set(range(len(centres)))
    for number in range(len(centres)):
        assert centres[number] == pytest.approx(rows[assignment == number].astype(np.float64).mean(axis=0), abs=2e-5)


@pytest.mark.slow
def test_no_worse_than_scikit_learn() -> None:
    from sklearn.cluster import KMeans

    rows = blobs(np.random.default_rng(3), 3000, 16, 30)
    theirs = [KMeans(40, init="random", n_init=1, max_iter=25, random_state=seed).fit(rows).inertia_ for seed in range(4)]
    ours = [kmeans.fit(rows, 40, np.random.default_rng(seed))[2] for seed in range(4)]
    assert np.mean(ours) < 1.01 * np.mean(theirs)


def test_every_step_lowers_the_sum() -> None:
    rows = blobs(np.random.default_rng(5), 800, 6)
    sums = [kmeans.fit(rows, 12, np.random.default_rng(1), iterations=turns)[2] for turns in range(12)]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(sums))
    assert sums[11] < 0.8 * sums[0]


def test_different_rows_get_clusters_of_their_own() -> None:
    """Rows that repeat: centres that start on equal rows move on to those nobody stands for."""
    points = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    rows = points[np.random.default_rng(4).integers(0, 9, 500)]
    for seed in range(10):
        centres, assignment, inertia = kmeans.fit(rows, 9, np.random.default_rng(seed), iterations=30)
        assert inertia == pytest.approx(0, abs=1e-5)
        assert len(np.unique(assignment)) == 9
        assert np.array(sorted(centres.tolist())) == pytest.approx(np.array(sorted(points.tolist())), abs=1e-4)


@pytest.mark.parametrize("rows", [np.zeros((7, 2)), np.full((7, 2), 1e6), np.ones((1, 3))], ids=["origin", "far", "one"])
def test_equal_rows(rows: np.ndarray) -> None:
    centres, assignment, inertia = kmeans.fit(rows.astype(np.float32), 3, np.random.default_rng(0))
    assert len(centres) == min(3, len(rows))
    assert len(set(assignment.tolist())) == 1
    assert inertia == 0


def test_nothing_to_cluster_is_refused() -> None:
    for rows, clusters in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="a row and a cluster"):
            kmeans.fit(np.ones((rows, 2), np.float32), clusters, np.random.default_rng(0))


@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 5), st.integers(1, 4))
def test_any_shape(rows: int, clusters: int, iterations: int, sample: int) -> None:
    matrix = blobs(np.random.default_rng(rows), rows, 2).round()
    centres, assignment, _ = kmeans.fit(matrix, clusters, np.random.default_rng(1), iterations=iterations, sample=sample)
    assert centres.shape == (min(rows, clusters), 2)
    assert np.isfinite(centres).all()
    assert ((assignment >= 0) & (assignment < len(centres))).all()


def mapped(matrix: np.ndarray) -> np.ndarray:
    array = np.ndarray(matrix.shape, matrix.dtype, mmap.mmap(-1, matrix.nbytes, flags=mmap.MAP_SHARED))
    array[:] = matrix
    return array


@pytest.mark.parametrize("sample", [256, 20])
def test_wherever_the_rows_lie(sample: int) -> None:
    """Threads, mapped files, one or two matrices: the same bytes. Tensors: the same clusters."""
    rows = blobs(np.random.default_rng(6), 5000, 8).astype(np.float16)
    frozen = rows.copy()
    frozen.setflags(write=False)

    def fit(matrix: Any) -> tuple[np.ndarray, np.ndarray, float]:
        return kmeans.fit(matrix, 10, np.random.default_rng(1), sample=sample)

    expected = fit(frozen)
    for threads in (1, 3):
        with limited(threads):
            for matrix in (rows, mapped(rows), rows.astype(np.float32)):
                centres, assignment, inertia = fit(matrix)
                assert np.array_equal(centres, expected[0])
                assert np.array_equal(assignment, expected[1])
                assert inertia == expected[2]
    centres, assignment, inertia = fit(torch.from_numpy(rows))
    assert centres == pytest.approx(expected[0], abs=1e-3)
    assert (assignment == expected[1]).mean() > 0.999
    assert inertia == pytest.approx(expected[2], rel=1e-4)
    parts = [rows[:700], rows[700:700], rows[700:]]
    assert kmeans.learn(parts, 10, np.random.default_rng(1), sample=sample) == pytest.approx(expected[0], abs=1e-3)


def test_more_clusters_than_fit_into_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = blobs(np.random.default_rng(7), 900, 5)
    whole = kmeans.fit(rows, 30, np.random.default_rng(2))
    monkeypatch.setattr(kmeans, "PRODUCTS", {True: 100, False: 100})
    for matrix in (rows, torch.from_numpy(rows)):
        centres, assignment, _ = kmeans.fit(matrix, 30, np.random.default_rng(2))
        assert centres == pytest.approx(whole[0], abs=1e-3)
        assert (assignment == whole[1]).mean() > 0.99

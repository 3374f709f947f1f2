"""kmeans: the nearest row of each cluster, by hand and from the clusters."""

import numpy as np
import pytest
from extra import torch

from altool.kernels import kmeans as kernel
from altool.strategies import kmeans


def test_by_hand() -> None:
    """Clusters of 4, 3 and 2 rows far from each other: the middle row of each (of two, the first), the largest cluster first."""
    line = np.array([100, 0, 1, 2, 101, 200, 4, 203, 100.5], np.float32)[:, None]
    found = {tuple(kmeans.pick(line, 3, np.random.default_rng(seed)).tolist()) for seed in range(30)}
    assert (3, 8, 5) in found  # means 1.75, 100.5, 201.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_equals_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(int(rng.integers(2, 60)), 3)).astype(np.float32)
    if seed % 3 == 0:
        rows = rows[rng.integers(0, len(rows), len(rows))]
    count = int(rng.integers(1, len(rows)))
    centres, assignment, _ = kernel.fit(rows, count, np.random.default_rng(seed))
    distances = ((rows.astype(np.float64) - centres[assignment]) ** 2).sum(axis=1)
    expected = []
    for number in set(assignment.tolist()):
        members = np.flatnonzero(assignment == number)
        close = distances[members].min() * (1 + 1e-5) + 1e-12
        expected.append((-len(members), min(row for row in members if distances[row] <= close)))
    order = [int(row) for _, row in sorted(expected)]
    found = kmeans.pick(rows, count, np.random.default_rng(seed))
    assert found[: len(order)].tolist() == order
    assert len(set(found.tolist())) == count


@pytest.mark.parametrize("place", [np.asarray, torch.from_numpy, lambda rows: rows.astype(np.float16)], ids=["numpy", "torch", "half"])
def test_fewer_different_rows_than_wanted(place) -> None:  # type: ignore[no-untyped-def]
    rows = place(np.repeat(np.eye(3, dtype=np.float32), [5, 4, 1], axis=0))
    for count in (0, 1, 5, 10, 11):
        found = kmeans.pick(rows, count, np.random.default_rng(1))
        assert found.dtype == np.int64
        assert len(set(found.tolist())) == len(found) == min(count, 10)
    assert {0, 5, 9} <= set(kmeans.pick(rows, 5, np.random.default_rng(1)).tolist())

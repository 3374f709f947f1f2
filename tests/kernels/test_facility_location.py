from __future__ import annotations

import numpy as np
import pytest

from altool.kernels import submodular
from altool.kernels.facility_location import greedy, nearest
from altool.kernels.similarity import Rows, candidates


def reference(table: np.ndarray, count: int, low: np.ndarray, high: np.ndarray, reward: float) -> list[int]:
    """Plain greedy of sum_i clip(max_a s_ia, low_i, high_i) + reward sum_a max_i s_ia; `table` (n, m)."""
    level, picks = np.maximum(low, 0), []
    while len(picks) < min(count, len(table)):
        gains = np.maximum(np.minimum(table, high) - level, 0).sum(axis=1) + reward * table.max(axis=1)
        gains[picks] = -np.inf
        picks.append(int(np.flatnonzero(gains >= gains.max() - 1e-12 * max(1, abs(gains.max())))[0]))
        level = np.maximum(level, np.minimum(table[picks[-1]], high))
    return picks


def unit(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)


@pytest.mark.slow
@pytest.mark.parametrize("shifted", [True, False])
@pytest.mark.parametrize("pool", [4, 60, 2048])
def test_queries(pool: int, shifted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submodular, "POOL", pool)
    rng = np.random.default_rng(0)
    for reward in (0.0, 0.3, 1.0, 50.0):
        x, q = rng.normal(size=(700, 6)).astype(np.float32), rng.normal(size=(25, 6)).astype(np.float32)
        x[::5] = x[1::5]  # copies
        table = unit(x) @ unit(q).T
        table = (1 + table) / 2 if shifted else table
        picks, _ = greedy(candidates(x, None, shifted), 80, Rows((q,), None, shifted), reward=reward)
        assert picks.tolist() == reference(table, 80, np.zeros(25), np.full(25, 2.0), reward)


@pytest.mark.slow
@pytest.mark.parametrize("store", [300, 2**22])
def test_all_candidates(store: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submodular, "STORE", store)
    rng = np.random.default_rng(1)
    for _ in range(6):
        x = rng.normal(size=(150, 4)).astype(np.float32)
        low, high = rng.uniform(-0.5, 0.9, 150), rng.uniform(0.3, 1.2, 150)
        rows = candidates(x, None, shifted=True)
        table = (1 + unit(x) @ unit(x).T) / 2
        assert greedy(rows, 150, rows, low, high)[0].tolist() == reference(table, 150, low, high, 0.0)
        assert greedy(rows, 30, rows, low)[0].tolist() == reference(table, 30, low, np.full(150, 2.0), 0.0)


def test_more_queries_than_a_chunk() -> None:
    rng = np.random.default_rng(2)
    x, q = rng.normal(size=(300, 3)).astype(np.float32), rng.normal(size=(2500, 3)).astype(np.float32)
    picks, _ = greedy(candidates(x, None, shifted=True), 40, Rows((q,), None, shifted=True), reward=1.0)
    assert picks.tolist() == reference((1 + unit(x) @ unit(q).T) / 2, 40, np.zeros(2500), np.full(2500, 2.0), 1.0)


def test_a_pool_of_one_point_is_taken_in_order() -> None:
    x = np.ones((5000, 8), np.float32)
    rows = candidates(x, None, shifted=True)
    assert greedy(rows, 20, Rows((x[:3],), None, shifted=True), reward=1.0)[0].tolist() == list(range(20))


def test_a_covered_pool_is_taken_in_order() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 5)).astype(np.float32)
    picks, _ = greedy(candidates(x, None, shifted=True), 10, Rows((x[1234:1235],), None, shifted=True))
    assert picks.tolist() == [1234, 0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_nearest() -> None:
    rng = np.random.default_rng(4)
    x, q = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(1500, 4)).astype(np.float32)
    rows = candidates(x, None, shifted=False)
    assert np.allclose(nearest(rows, Rows((q,), None, shifted=False)), (unit(x) @ unit(q).T).max(axis=1), atol=1e-14)
    assert nearest(rows, Rows((q[:0],), None, shifted=False)).tolist() == [0] * 50

from __future__ import annotations

import numpy as np
import pytest

from altool.errors import InputError
from altool.kernels import log_det, verified
from altool.kernels.log_det import greedy
from altool.kernels.similarity import Rows, candidates
from altool.kernels.submodular import first_best


def reference(similarities: np.ndarray, n: int, count: int, chains: list[list[tuple[np.ndarray, float]]], ridge: float) -> list[int]:
    """Plain greedy by Schur complements, of the first `n` rows of `similarities`; chains are positions of labeled rows and weights."""
    kernels = []
    for chain in chains:
        given = np.concatenate([np.empty(0, int), *(rows for rows, _ in chain)])
        weights = np.concatenate([np.empty(0), *(np.full(len(rows), weight) for rows, weight in chain)])
        cross = similarities[:n, given] * weights
        inner = similarities[np.ix_(given, given)] + ridge * np.eye(len(given))
        kernels.append(similarities[:n, :n] + ridge * np.eye(n) - cross @ np.linalg.solve(inner, cross.T))
    picks: list[int] = []
    while len(picks) < min(count, n):
        logs = []
        for kernel in kernels:
            explained = np.zeros(n)
            if picks:
                explained = np.einsum("ij,ji->i", kernel[:, picks], np.linalg.solve(kernel[np.ix_(picks, picks)], kernel[picks]))
            logs.append(np.log(np.maximum(np.diag(kernel) - explained, 1e-300)))
        gains = logs[0] - (logs[1] if len(logs) > 1 else 0)
        gains[picks] = -np.inf
        picks.append(int(np.flatnonzero(gains >= gains.max() - 1e-12)[0]))
    return picks


class Case:
    def __init__(self, seed: int, count: int, gradient: bool, shifted: bool, width: int = 8) -> None:
        rng = np.random.default_rng(seed)
        x, q, p = (rng.normal(size=(size, width)).astype(np.float32) for size in (count, 6, 9))
        probabilities = [rng.dirichlet(np.full(3, 0.5), size).astype(np.float32) if gradient else None for size in (count, 6, 9)]
        self.rows = candidates(x, probabilities[0], shifted)
        labels = [rng.integers(0, 4, size) if gradient else None for size in (6, 9)]
        self.query, self.private = (
            Rows((one,) if other is None else (one, other), label, shifted, np.arange(len(one)))
            for one, other, label in zip((q, p), probabilities[1:], labels, strict=True)
        )
        lots = [self.rows.exact(np.arange(count)), self.query.exact(np.arange(6)), self.private.exact(np.arange(9))]
        self.similarities = np.block([[self.rows.similarities(a, b) for b in lots] for a in lots])
        self.at = {id(self.query): np.arange(count, count + 6), id(self.private): np.arange(count + 6, count + 15)}
        self.count = count

    def check(self, count: int, chains: list[list[tuple[Rows, float]]], ridge: float) -> None:
        named = [[(self.at[id(rows)], weight) for rows, weight in chain] for chain in chains]
        want = reference(self.similarities, self.count, count, named, ridge)
        assert greedy(self.rows, count, chains, ridge)[0].tolist() == want

    def measures(self, eta: float = 1.0, nu: float = 1.0) -> list[list[list[tuple[Rows, float]]]]:
        given = [(self.private, nu)]
        return [[[], [(self.query, eta)]], [given], [given, [*given, (self.query, eta)]], [[]]]


@pytest.mark.slow
@pytest.mark.parametrize("pool", [16, 100, 2048])
@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
def test_plain_greedy(shifted: bool, gradient: bool, pool: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "POOL", pool)
    case = Case(pool, 400, gradient, shifted)
    for ridge in (0.05, 1.0):
        for chains in case.measures():
            case.check(60, chains, ridge)


def test_weights() -> None:
    for gradient in (False, True):
        case = Case(3, 60, gradient, shifted=False)
        for chains in case.measures(0.3, 0.7)[:2] + case.measures(0.6, 0.6)[2:] + case.measures(0.4, 0.5)[2:3]:
            case.check(30, chains, 2.0)


def test_runs_are_cut_where_somebody_outside_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "POOL", 6)
    kept = []
    check = verified.check

    def counted(*given: object) -> tuple[int, list[np.ndarray]]:
        result = check(*given)  # type: ignore[arg-type]
        kept.append(result[0] < len(given[-1]))  # type: ignore[arg-type]
        return result

    monkeypatch.setattr(verified, "check", counted)
    case = Case(5, 300, gradient=False, shifted=True)
    for chains in case.measures():
        case.check(40, chains, 0.2)
    assert any(kept)


@pytest.mark.parametrize("gradient", [False, True])
def test_more_near_ties_than_a_pool_holds(gradient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "POOL", 5)
    rng = np.random.default_rng(6)
    case = Case(6, 80, gradient, shifted=True)
    base = rng.normal(size=8).astype(np.float32)
    x = (base + 1e-6 * rng.normal(size=(80, 8))).astype(np.float32)
    p = np.repeat(np.array([[0.5, 0.3, 0.2]], np.float32), 80, axis=0) if gradient else None
    case.rows = candidates(x, p, shifted=True)
    lots = [case.rows.exact(np.arange(80)), case.query.exact(np.arange(6)), case.private.exact(np.arange(9))]
    case.similarities = np.block([[case.rows.similarities(a, b) for b in lots] for a in lots])
    for chains in case.measures():
        named = [[(case.at[id(rows)], weight) for rows, weight in chain] for chain in chains]
        picks, _ = greedy(case.rows, 12, chains, 1.0)
        want = reference(case.similarities, 80, 12, named, 1.0)
        assert picks[0] == want[0]
        assert len(np.unique(picks)) == 12


def test_copies_are_taken_in_order() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(3, 4)).astype(np.float32)[np.arange(9000) % 3]
    rows = candidates(x, None, shifted=True)
    picks, _ = greedy(rows, 30, [[]], 1.0)
    for one in range(3):
        assert picks[picks % 3 == one].tolist() == list(range(one, 3 * int((picks % 3 == one).sum()), 3))


def test_too_many_labeled_rows_for_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_det, "GIVEN", 8)
    case = Case(8, 10, gradient=True, shifted=True)
    with pytest.raises(InputError, match="9 rows of the query") as caught:
        greedy(case.rows, 3, [[(case.private, 1.0)]], 1.0)
    assert "--similarity features" in caught.value.hint


def test_a_tie_goes_to_the_smaller_position() -> None:
    assert first_best(np.array([1.0, 2.0, 2.0 - 1e-14, 0.5]), np.array([0, 9, 4, 1])) == 2
    assert first_best(np.array([-np.inf, -3.0]), np.array([0, 1])) == 1

"""BAIT's search and its matrices against explicit Fisher information and plain inverses."""

import numpy as np
import pytest
from extra import torch

from altool.kernels import fisher


def explicit(features: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(n, K d, K d): the sum over classes c of p_c g_c g_c^T, g_c = (onehot_c - p) (x) h, row by row as the paper writes it."""
    found = []
    for h, p in zip(features, probabilities, strict=True):
        gradients = [np.kron(np.eye(len(p))[c] - p, h) for c in range(len(p))]
        found.append(sum(p[c] * np.outer(g, g) for c, g in enumerate(gradients)))
    return np.array(found)


def search(matrices: np.ndarray, known: np.ndarray, target: np.ndarray, weight: float, most: int, count: int) -> list[int]:
    """The greedy search with plain inverses; equally good rows (within 1e-9): the first is added, the last taken away."""

    def trace(chosen: list[int]) -> float:
        return float(np.trace(np.linalg.inv(known + weight * matrices[chosen].sum(axis=0)) @ target))

    chosen: list[int] = []
    while len(chosen) < most:
        now = trace(chosen)
        gains = {row: now - trace([*chosen, row]) for row in range(len(matrices)) if row not in chosen}
        best = max(gains.values())
        chosen.append(next(row for row, gain in gains.items() if gain >= best - 1e-9 * abs(best) - 1e-12))
    while len(chosen) > count:
        now = trace(chosen)
        losses = [trace([other for other in chosen if other != row]) - now for row in chosen]
        least = min(losses)
        chosen.pop(max(place for place, loss in enumerate(losses) if loss <= least + 1e-9 * abs(least) + 1e-12))
    return chosen


def draw(rng: np.random.Generator, rows: int, classes: int, width: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    features = rng.normal(size=(rows, width))
    probabilities = rng.dirichlet(np.full(classes, 0.3 if kind == "sure" else 1.0), rows)
    if kind == "twins":
        same = rng.integers(0, max(1, rows // 3), rows)
        features, probabilities = features[same], probabilities[same]
    if kind == "sure":
        hot = rng.random(rows) < 0.4
        probabilities[hot] = np.eye(classes)[rng.integers(0, classes, hot.sum())]
        probabilities[rng.random((rows, classes)) < 0.2] = 0
        probabilities += (probabilities.sum(axis=1, keepdims=True) == 0) / classes
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        features[rng.random(rows) < 0.1] = 0
    return features, probabilities


@pytest.mark.parametrize("kind", ["plain", "twins", "sure"])
def test_roots_and_sums_equal_the_definition(kind: str) -> None:
    rng = np.random.default_rng(1)
    for classes in (2, 3, 6):
        features, probabilities = draw(rng, 12, classes, 3, kind)
        root = fisher.roots(probabilities)
        assert root.shape == (12, classes, classes - 1)
        expected = np.array([np.diag(p) - np.outer(p, p) for p in probabilities])
        assert root @ root.transpose(0, 2, 1) == pytest.approx(expected, abs=1e-15)
        total = explicit(features, probabilities).sum(axis=0)
        assert fisher.information(features, probabilities) == pytest.approx(total, abs=1e-12)
        assert fisher.information(torch.from_numpy(features), torch.from_numpy(probabilities)) == pytest.approx(total, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "twins", "sure"])
@pytest.mark.parametrize("seed", range(34))
def test_search_equals_plain_inverses(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, classes, width = int(rng.integers(1, 16)), int(rng.integers(2, 5)), int(rng.integers(1, 5))
    features, probabilities = draw(rng, rows, classes, width, kind)
    matrices = explicit(features, probabilities)
    others = draw(rng, 4, classes, width, "plain")
    known = rng.choice([0.01, 1.0]) * np.eye(classes * width) + rng.integers(2) * explicit(*others).mean(axis=0)
    target = matrices.mean(axis=0)
    most = int(rng.integers(1, rows + 1))
    count, weight = int(rng.integers(0, most + 1)), float(rng.choice([0.1, 1.0]))
    found = fisher.forward_backward(features, probabilities, known, target, weight=weight, most=most, count=count)
    assert found.dtype == np.int64
    assert found.tolist() == search(matrices, known, target, weight, most, count)


def test_gains_brought_up_to_date_late_are_those_of_all() -> None:
    """More rows than are refreshed at once, over several blocks: the same choice as with every trace from scratch."""
    rng = np.random.default_rng(5)
    features, probabilities = rng.normal(size=(1100, 3)), rng.dirichlet(np.ones(3), 1100)
    target = fisher.information(features, probabilities) / 1100
    found = fisher.forward_backward(features, probabilities, np.eye(9), target, weight=0.5, most=12, count=12)
    inverse, left = np.eye(9), fisher.roots(probabilities)
    sides = np.einsum("nck,nd->ncdk", left, features).reshape(1100, 9, 2)
    taken: list[int] = []
    for row in found.tolist():
        reach = inverse @ sides
        s, t = sides.transpose(0, 2, 1) @ reach, reach.transpose(0, 2, 1) @ target @ reach
        gains = np.trace(np.linalg.solve(s + np.eye(2) / 0.5, t), axis1=1, axis2=2)
        gains[taken] = -1
        assert row == gains.argmax()
        taken.append(row)
        inverse = np.linalg.inv(np.linalg.inv(inverse) + 0.5 * sides[row] @ sides[row].T)

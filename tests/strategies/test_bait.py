"""bait against the formulas on explicit Fisher matrices."""

import numpy as np
import pytest
from extra import torch

from altool.errors import InputError, UsageError
from altool.options import check, flag
from altool.strategies import bait


def fisher(features: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    probabilities = probabilities.astype(np.float64)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    width = features.shape[1] * probabilities.shape[1]
    found = np.zeros((len(features), width, width))
    for row, (h, p) in enumerate(zip(features.astype(np.float64), probabilities, strict=True)):
        for c in range(len(p)):
            gradient = np.kron(np.eye(len(p))[c] - p, h)
            found[row] += p[c] * np.outer(gradient, gradient)
    return found


def reference(
    features: np.ndarray, probabilities: np.ndarray, labeled: tuple[np.ndarray, np.ndarray], count: int, ridge: float, oversample: float
) -> list[int]:
    """docs/algorithms.md, "BAIT", with the authors' weights: one trace of a plain inverse for every row in every step."""
    pool, known = fisher(features, probabilities), fisher(*labeled)
    count = min(count, len(pool))
    target = np.concatenate([pool, known]).mean(axis=0)
    start = ridge * np.eye(len(target))
    if len(known):
        start = start + len(known) / (len(known) + count) * known.mean(axis=0)
    weight = count / (len(known) + count)

    def trace(chosen: list[int]) -> float:
        return float(np.trace(np.linalg.inv(start + weight * pool[chosen].sum(axis=0)) @ target))

    def equal(one: float, other: float) -> bool:
        return abs(one - other) <= 1e-9 * abs(trace([]) - trace(chosen)) + 1e-11

    chosen: list[int] = []
    while len(chosen) < min(len(pool), int(np.ceil(oversample * count))):
        after = {row: trace([*chosen, row]) for row in range(len(pool)) if row not in chosen}
        chosen.append(next(row for row in after if equal(after[row], min(after.values()))))
    while len(chosen) > count:
        without = [trace([other for other in chosen if other != row]) for row in chosen]
        chosen.pop(max(place for place in range(len(chosen)) if equal(without[place], min(without))))
    return chosen


def pool(rng: np.random.Generator, rows: int, classes: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(rows, width)).astype(np.float32), rng.dirichlet(np.ones(classes), rows).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_equals_plain_inverses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, width = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    features, probabilities = pool(rng, int(rng.integers(1, 14)), classes, width)
    labeled = pool(rng, int(rng.integers(0, 6)), classes, width)
    if seed % 4 == 0:
        features[::2], probabilities[::2] = features[0], probabilities[0]
    if seed % 5 == 0:
        probabilities[rng.random(len(probabilities)) < 0.5] = np.eye(classes)[0]
    count, ridge, oversample = int(rng.integers(1, 6)), float(rng.choice([0.01, 1])), float(rng.choice([1, 1.5, 2]))
    for place in (np.asarray, torch.from_numpy):
        given = [place(array) for array in (features, probabilities, *labeled)]
        found = bait.pick(*given, count, np.random.default_rng(0), bait_lambda=ridge, bait_oversample=oversample)
        assert found.dtype == np.int64
        assert found.tolist() == reference(features, probabilities, labeled, count, ridge, oversample)


@pytest.mark.parametrize("components", [2, 4, 9])
def test_components_are_the_principal_ones(components: int) -> None:
    rng = np.random.default_rng(7)
    features, probabilities = pool(rng, 14, 3, 4)
    labeled = pool(rng, 5, 3, 4)
    whole = np.concatenate([features, labeled[0]]).astype(np.float64)
    axes = np.linalg.svd(whole - whole.mean(axis=0))[2][:components].T
    turned, turned_labeled = ((part - whole.mean(axis=0)) @ axes for part in (features, labeled[0]))
    expected = reference(turned, probabilities, (turned_labeled, labeled[1]), 4, 1.0, 2)
    assert bait.pick(features, probabilities, *labeled, 4, rng, bait_components=components).tolist() == expected


def test_a_large_pool_is_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the rows of smallest margin are candidates, as many as are added at least; F is that of a sample."""
    rng = np.random.default_rng(9)
    features, probabilities = pool(rng, 200, 3, 2)
    labeled = pool(rng, 100, 3, 2)
    monkeypatch.setattr(bait, "CANDIDATES", 20)
    monkeypatch.setattr(bait, "SAMPLE", 50)
    ordered = np.sort(probabilities, axis=1)
    nearest = np.argsort(ordered[:, -1].astype(np.float64) - ordered[:, -2], kind="stable")
    found = bait.pick(features, probabilities, *labeled, 5, np.random.default_rng(1))
    assert len(set(found.tolist())) == 5
    assert set(found.tolist()) <= set(nearest[:20].tolist())
    assert np.array_equal(found, bait.pick(features, probabilities, *labeled, 5, np.random.default_rng(1)))
    found = bait.pick(features, probabilities, *labeled, 30, np.random.default_rng(1))
    assert set(found.tolist()) <= set(nearest[:60].tolist())


def test_what_is_refused() -> None:
    rng = np.random.default_rng(0)
    features, probabilities = pool(rng, 6, 5, 1000)
    labeled = pool(rng, 0, 5, 1000)
    with pytest.raises(InputError, match="over 4000") as refused:
        bait.pick(features, probabilities, *labeled, 2, rng)
    assert refused.value.hint == "give --bait-components 800"
    with pytest.raises(InputError, match="over 4000"):
        bait.pick(features, probabilities, *labeled, 2, rng, bait_components=801)
    with pytest.raises(InputError, match="two classes"):
        bait.pick(features, probabilities[:, :1], labeled[0], labeled[1][:, :1], 2, rng)
    for wrong in ({"bait_lambda": 0.0}, {"bait_oversample": 0.5}, {"bait_components": 0}):
        with pytest.raises(UsageError, match="expected a"):
            check(bait.STRATEGY.options, wrong, flag, bait.STRATEGY.name)

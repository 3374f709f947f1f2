"""Gradient k-means++ against explicit outer products: distances, bounds, and the law of whole sequences."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from extra import torch
from scipy.stats import chi2

from altool.engines.local import limited
from altool.kernels import kmeans_plusplus as module
from altool.kernels.gradients import Gradients, residuals, separations
from altool.kernels.kmeans_plusplus import kmeans_plusplus


def explicit(features: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The gradient embeddings, float64 (n, K D)."""
    p, h = probabilities.astype(np.float64), features.astype(np.float64)
    target = np.zeros_like(p)
    target[np.arange(len(p)), p.argmax(axis=1)] = 1
    return ((target - p)[:, :, None] * h[:, None, :]).reshape(len(p), -1)


def pool(seed: int, rows: int, width: int = 6, classes: int = 4, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features, and probabilities in eighths, whose residuals are exact in float32."""
    draw = np.random.default_rng(seed)
    eighths = draw.multinomial(8, draw.dirichlet(np.full(classes, spread), rows)) / 8
    return draw.standard_normal((rows, width)).astype(np.float32), eighths.astype(np.float32)


def brute(gradients: np.ndarray, picks: list[int]) -> np.ndarray:
    return np.square(gradients[:, None] - gradients[picks]).sum(axis=2).min(axis=1)


def law(gradients: np.ndarray, count: int) -> dict[tuple[int, ...], float]:
    """The probability of every sequence of picks."""
    first = int(np.square(gradients).sum(axis=1).argmax())
    chances = {}
    for rest in permutations([row for row in range(len(gradients)) if row != first], count - 1):
        chance, picked = 1.0, [first]
        for row in rest:
            weights = brute(gradients, picked)
            chance *= weights[row] / weights.sum()
            picked.append(row)
        chances[tuple(picked)] = chance
    return chances


# a bound is only ever lowered where a row was drawn; after every batch for all rows; as it is
@pytest.mark.slow
@pytest.mark.parametrize(("draws", "dear"), [(3, 0.0), (4, 1e9), (128, 4)])
@pytest.mark.parametrize("seed", [1])
def test_sequences_have_the_exact_law(draws: int, dear: float, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAWS", draws)
    monkeypatch.setattr(module, "DEAR", dear)
    features, probabilities = pool(seed, 5, 3, 3)
    chances = law(explicit(features, probabilities), 3)
    rng, runs = np.random.default_rng(seed), 1500
    with limited(1):
        seen = Counter(tuple(kmeans_plusplus(features, probabilities, 3, rng).tolist()) for _ in range(runs))
    possible = {sequence: chance for sequence, chance in chances.items() if chance > 0}
    assert set(seen) <= set(possible)
    statistic = sum((seen[sequence] - runs * chance) ** 2 / (runs * chance) for sequence, chance in possible.items())
    assert statistic < chi2.ppf(0.999, len(possible) - 1)


def test_the_law_test_would_notice_another_power() -> None:
    """What the statistic of the test above would be, on average, had rows been drawn by distance instead of its square."""
    right = law(explicit(*pool(1, 5, 3, 3)), 3)
    wrong = {}
    gradients = explicit(*pool(1, 5, 3, 3))
    for sequence in right:
        chance = 1.0
        for place in range(1, 3):
            weights = np.sqrt(brute(gradients, list(sequence[:place])))
            chance *= weights[sequence[place]] / weights.sum()
        wrong[sequence] = chance
    expected = 1500 * sum((wrong[sequence] - chance) ** 2 / chance for sequence, chance in right.items() if chance > 0)
    assert expected > 2 * chi2.ppf(0.999, len(right) - 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tensors", [False, True])
def test_weights_are_the_squared_distances(seed: int, tensors: bool) -> None:
    features, probabilities = pool(seed, 300, spread=0.3)
    features[200:] = features[:100]
    probabilities[200:] = probabilities[:100]  # duplicates of each other, and some of picks
    picks = np.random.default_rng(seed).choice(150, 40, False)
    exact = brute(explicit(features, probabilities), picks.tolist())
    x, p = (torch.from_numpy(part) if tensors else part for part in (features, probabilities))
    everything = np.full(300, np.inf)
    weights = module._weights(Gradients.of(x, p), everything, x, p, picks)
    assert np.allclose(weights, exact, rtol=1e-12, atol=0)
    assert ((weights == 0) == (exact == 0)).all()
    bound = everything.copy()
    module._lower(bound, x, p, picks)
    assert (bound >= exact * (1 - 1e-12)).all()
    assert (bound <= exact * 1.2).all()


def test_bounds_hold_far_from_the_origin() -> None:
    """Features that differ in their last digits: in float32 products nothing is left of the distances."""
    features, probabilities = pool(3, 400)
    features = (300 + 1e-3 * features).astype(np.float32)
    probabilities[:] = probabilities[0]
    picks = np.arange(30)
    exact = brute(explicit(features, probabilities), picks.tolist())
    bound = np.full(400, np.inf)
    module._lower(bound, features, probabilities, picks)
    assert np.allclose(bound, exact, rtol=1e-9, atol=0)


def test_separations_keep_their_digits() -> None:
    features, probabilities = pool(4, 200)
    there = Gradients.of(np.nextafter(features, np.float32(9)), probabilities)
    here = Gradients.of(features, probabilities)
    exact = np.square(explicit(there.features, probabilities) - explicit(features, probabilities)).sum(axis=1)
    assert np.allclose(separations(here, there), exact, rtol=1e-6, atol=0)
    assert (separations(here, here) == 0).all()


def test_residuals_and_norms() -> None:
    p = np.array([[0.25, 0.75], [0.5, 0.5], [0, 1]], np.float32)
    assert residuals(p).tolist() == [[-0.25, 0.25], [0.5, -0.5], [0, 0]]
    gradients = Gradients.of(np.array([[2, 0], [0, 2], [3, 3]], np.float32), p)
    assert gradients.own.tolist() == [4 * 0.125, 4 * 0.5, 0]


@pytest.mark.parametrize("seed", range(20))
def test_starts_with_the_longest_and_the_smaller_position(seed: int) -> None:
    features, probabilities = pool(seed, 60)
    lengths = np.square(explicit(features, probabilities)).sum(axis=1)
    longest = int(lengths.argmax())
    features, probabilities = (np.concatenate([part, part[longest:], part[longest : longest + 1]]) for part in (features, probabilities))
    assert kmeans_plusplus(features, probabilities, 1, np.random.default_rng(0)).tolist() == [longest]


def test_every_distinct_gradient_comes_before_its_duplicates() -> None:
    features, probabilities = pool(8, 12, 20)
    alive = np.flatnonzero(np.square(explicit(features, probabilities)).sum(axis=1))
    features, probabilities = np.repeat(features[alive], 5, axis=0), np.repeat(probabilities[alive], 5, axis=0)
    chosen = kmeans_plusplus(features, probabilities, len(features), np.random.default_rng(1))
    assert sorted(set(chosen[: len(alive)] // 5)) == list(range(len(alive)))
    rest = chosen[len(alive) :]
    assert (np.diff(rest) > 0).all()
    assert sorted(chosen.tolist()) == list(range(len(features)))


@pytest.mark.parametrize("kind", ["one point", "one-hot", "origin", "one class", "one row"])
def test_nothing_to_tell_rows_apart(kind: str) -> None:
    features, probabilities = pool(2, 3000)
    if kind == "one point":
        features, probabilities = np.repeat(features[:1], 3000, axis=0), np.repeat(probabilities[:1], 3000, axis=0)
    elif kind == "one-hot":
        probabilities = np.eye(4, dtype=np.float32)[np.arange(3000) % 4]
    elif kind == "origin":
        features = np.zeros_like(features)
    elif kind == "one class":
        probabilities = np.ones((3000, 1), np.float32)
    else:
        features, probabilities = features[:1], probabilities[:1]
    assert kmeans_plusplus(features, probabilities, 2999, np.random.default_rng(1)).tolist() == list(range(min(2999, len(features))))


@pytest.mark.parametrize("count", [0, 1, 5, 40, 60])
def test_distinct_positions(count: int) -> None:
    for seed in range(10):
        features, probabilities = pool(seed, 40, spread=0.2)
        chosen = kmeans_plusplus(features.astype(np.float16), probabilities, count, np.random.default_rng(seed))
        assert chosen.dtype == np.int64
        assert len(set(chosen.tolist())) == len(chosen) == min(count, 40)
    assert kmeans_plusplus(features[:0], probabilities[:0], count, np.random.default_rng(0)).tolist() == []


@pytest.mark.parametrize("threads", [1, 3])
def test_places_and_threads(threads: int, tmp_path: Path) -> None:
    features, probabilities = pool(9, 6000, 16)
    chosen = kmeans_plusplus(features, probabilities, 200, np.random.default_rng(3)).tolist()
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    tensors = torch.from_numpy(features), torch.from_numpy(probabilities)
    with limited(threads):
        assert kmeans_plusplus(mapped, probabilities, 200, np.random.default_rng(3)).tolist() == chosen
        assert kmeans_plusplus(*tensors, 200, np.random.default_rng(3)).tolist() == chosen


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_overflows_is_refused() -> None:
    features, probabilities = pool(1, 20)
    with pytest.raises(ValueError, match="too large"):
        kmeans_plusplus(features * np.float32(1e25), probabilities, 3, np.random.default_rng(0))

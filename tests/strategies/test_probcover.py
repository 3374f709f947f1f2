"""ProbCover against loops over its graph, and its radius against a search over all distances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference_herding import lazily, rows, unit

from altool.errors import InputError
from altool.kernels import herding, kmeans
from altool.strategies import probcover


def distances(one: np.ndarray, other: np.ndarray) -> list[list[float]]:
    left, right = ([unit(row.astype(float)) for row in part] for part in (one, other))
    return [[math.sqrt(max(0.0, 2 - 2 * float(a @ b))) for b in right] for a in left]


def degrees(features: np.ndarray, labeled: np.ndarray, count: int, radius: float) -> list[int]:
    """docs/algorithms.md, "ProbCover": picks by out-degree into uncovered rows, until all are covered."""
    table = distances(features, features)
    covered = (
        [any(distance < radius for distance in row) for row in distances(features, labeled)] if len(labeled) else [False] * len(features)
    )
    chosen: list[int] = []
    while len(chosen) < count:
        degree = [sum(1 for x in range(len(features)) if not covered[x] and table[row][x] < radius) for row in range(len(features))]
        if max(degree) == 0:
            break
        chosen.append(degree.index(max(degree)))
        covered = [now or table[chosen[-1]][x] < radius for x, now in enumerate(covered)]
    return chosen


def pick(features: np.ndarray, labeled: np.ndarray, count: int, **options: float) -> list[int]:
    labels = np.arange(len(labeled)) % 3
    found = probcover.pick(lazily(features, labeled), count, np.random.default_rng(0), labels, 0, **options)  # type: ignore[arg-type]
    assert found.dtype == np.int64
    assert len(set(found.tolist())) == min(count, len(features))
    return found.tolist()


@pytest.mark.parametrize("labeled", [0, 5])
@pytest.mark.parametrize("radius", [0.3, 0.15, 1.2])
def test_equals_the_loops(labeled: int, radius: float) -> None:
    features, known = rows(110), rows(labeled, seed=1)
    expected = degrees(features, known, 30, radius)
    assert pick(features, known, 30, probcover_radius=radius)[: len(expected)] == expected


@pytest.mark.parametrize("purity", [1.0, 0.95, 0.5])
def test_the_radius_is_the_largest_of_that_purity(purity: float) -> None:
    features = herding.unit(rows(100))
    found = probcover.pure(features, 4, purity, np.random.default_rng(3))
    clusters = kmeans.assign(features, kmeans.learn([features], 4, np.random.default_rng(3)))[0]
    table = distances(features, features)

    def share(radius: float) -> float:
        return sum(all(clusters[x] == clusters[y] for y in range(100) if table[x][y] < radius) for x in range(100)) / 100

    steps = sorted({distance for row in table for distance in row})
    largest = max(radius for radius in steps if share(radius) >= purity)
    assert found == pytest.approx(largest, rel=1e-4)
    assert share(found * 1.001) < purity <= share(found * 0.999)


def test_one_cluster_is_pure_at_any_radius() -> None:
    assert probcover.pure(herding.unit(rows(20)), 1, 0.95, np.random.default_rng(0)) == 2


def test_the_number_of_classes() -> None:
    features, labeled = rows(80), rows(6, seed=1)
    given = lazily(features, labeled)

    def found(labels: np.ndarray | None, classes: int | None, **options: int) -> list[int]:
        return probcover.pick(given, 10, np.random.default_rng(0), labels, classes, **options).tolist()

    three = np.arange(6) % 3
    assert found(three, 0) == found(None, 3) == found(three, 2) == found(np.zeros(6, int), 9, probcover_classes=3)
    assert found(three, 0) != found(three, 4)
    for labels, classes in ((None, None), (np.zeros(6, int), 1), (np.empty(0, int), 0)):
        with pytest.raises(InputError, match=r"found [01], expected 2 or more"):
            found(labels, classes)
        assert len(found(labels, classes, probcover_classes=2)) == 10


def test_when_all_rows_are_covered_the_rest_is_drawn() -> None:
    features = rows(50)
    draws = [
        probcover.pick(lazily(features, features[:0]), 50, np.random.default_rng(seed), None, None, probcover_radius=1.9).tolist()
        for seed in (0, 0, 1)
    ]
    covering = len(degrees(features, features[:0], 50, 1.9))
    assert covering < 5
    assert draws[0] == draws[1] != draws[2]
    assert draws[0][:covering] == draws[2][:covering]


def test_adversaries() -> None:
    zeros = np.zeros((6, 3), np.float32)
    assert sorted(pick(zeros, zeros[:2], 6, probcover_radius=0.5)) == list(range(6))
    copies = np.repeat(rows(4), 10, axis=0)
    found = pick(copies, copies[:0], 40, probcover_radius=0.1)
    different = len(degrees(copies, copies[:0], 40, 0.1))
    assert all(place % 10 == 0 for place in found[:different])
    cone = rows(60) + np.float32(20)
    assert len(pick(cone, cone[:4], 10)) == 10
    assert pick(rows(1), rows(30, seed=2), 5) == [0]


def test_says_what_it_needs() -> None:
    assert probcover.STRATEGY.tables == ("features",)
    assert probcover.STRATEGY.cold_start
    assert {option.name: option.default for option in probcover.STRATEGY.options}["probcover_purity"] == 0.95

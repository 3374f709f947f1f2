"""TypiClust against loops over its clusters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from reference_herding import rows, unit

from altool.kernels import herding, kmeans
from altool.strategies import typiclust


def typicality(table: list[list[float]], place: int, left: list[int]) -> float:
    """One over the mean distance to the nearest rows that are left."""
    wanted = min(20, len(left) // 2)
    near = sorted(table[place][other] for other in left if other != place)[:wanted]
    return 1 / (sum(near) / max(1, len(near)) + 1e-5)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    square = max(0.0, 2 - 2 * float(one @ other))
    return math.sqrt(square) if square > 2e-6 else 0.0


def loops(features: np.ndarray, labeled: np.ndarray, clusters: np.ndarray, count: int) -> list[int]:
    """docs/algorithms.md, "TypiClust": `clusters` are those of the candidates, then of the labeled rows."""
    units = [unit(row.astype(float)) for row in features]
    table = [[distance(one, other) for other in units] for one in units]
    members = {number: [x for x in range(len(features)) if clusters[x] == number] for number in set(clusters.tolist())}
    known = {number: sum(clusters[len(features) :] == number) for number in members}
    size = {number: len(members[number]) + known[number] for number in members}
    chosen: list[int] = []
    for kept in (True, False):
        kind = [number for number in members if (size[number] > 5) == kept]
        order = sorted(kind, key=lambda number: (known[number], -size[number], number))
        while any(members[number] for number in order):
            for number in order:
                left = members[number]
                if left:
                    values = [typicality(table, place, left) for place in left]
                    best = next(place for place, value in zip(left, values, strict=True) if value >= max(values) * (1 - 2e-6))
                    chosen.append(best)
                    left.remove(best)
    return chosen[:count]


@pytest.fixture
def found_clusters(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The clusters of the candidates and of the labeled rows, as they are found."""
    kept: list[np.ndarray] = []
    inner = typiclust._cells

    def cells(given: Any, centres: np.ndarray) -> np.ndarray:
        kept.append(inner(given, centres))
        return kept[-1]

    monkeypatch.setattr(typiclust, "_cells", cells)
    return kept


def pick(features: np.ndarray, labeled: np.ndarray, count: int, seed: int = 0) -> list[int]:
    found = typiclust.pick(features, labeled, count, np.random.default_rng(seed))
    assert found.dtype == np.int64
    assert len(set(found.tolist())) == min(count, len(features))
    return found.tolist()


@pytest.mark.parametrize(("labeled", "count"), [(0, 1), (0, 6), (7, 5), (3, 30), (12, 90)])
def test_equals_the_loops(found_clusters: list[np.ndarray], labeled: int, count: int) -> None:
    features, known = rows(120), rows(labeled, seed=1)
    found = pick(features, known, count)
    assert found == loops(features, known, np.concatenate(found_clusters), count)


def test_all_rows_in_many_turns(found_clusters: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours are looked up afresh when too many of those that were noted are picked."""
    monkeypatch.setattr(typiclust, "CLUSTERS", 2)
    monkeypatch.setattr(typiclust, "SPARE", 3)
    features = rows(140, seed=2)
    assert pick(features, features[:0], 140) == loops(features, features[:0], np.concatenate(found_clusters), 140)


def test_the_clusters_are_those_of_all_unit_rows(found_clusters: list[np.ndarray]) -> None:
    features, known = rows(60), rows(5, seed=1)
    pick(features, known, 4)
    centres = kmeans.learn([herding.unit(np.concatenate([features, known]))], 9, Rewound(60 + 5))
    assert np.array_equal(np.concatenate(found_clusters), kmeans.assign(herding.unit(np.concatenate([features, known])), centres)[0])


def Rewound(total: int) -> np.random.Generator:  # noqa: N802
    """A generator from which the sample of all rows was drawn."""
    rng = np.random.default_rng(0)
    rng.choice(total, total, replace=False)
    return rng


def test_at_most_500_clusters(found_clusters: list[np.ndarray]) -> None:
    features = np.random.default_rng(0).normal(size=(1300, 4)).astype(np.float32)
    pick(features, features[:300], 600)
    assert np.concatenate(found_clusters).max() == 499


def test_a_labeled_cluster_comes_last() -> None:
    """Three clumps of 12, 10 and 8 rows: the largest has a label."""
    around = 0.01 * np.random.default_rng(1).normal(size=(30, 3))
    clumps = (np.repeat(np.eye(3), [12, 10, 8], axis=0) + around).astype(np.float32)
    found = pick(clumps, np.array([[1, 0, 0]], np.float32), 2)
    assert [place >= 12 for place in found] == [True, True]
    assert [12 <= found[0] < 22, found[1] >= 22] == [True, True]


def test_of_a_large_cluster_a_sample_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typiclust, "MEMBERS", 50)
    features = rows(900, seed=3)
    assert pick(features, features[:0], 5) == pick(features, features[:0], 5)
    monkeypatch.setattr(typiclust, "CLUSTERS", 1)
    assert len(pick(features, features[:0], 200)) == 200


def test_adversaries() -> None:
    zeros = np.zeros((9, 3), np.float32)
    assert len(pick(zeros, zeros[:2], 9)) == 9
    copies = np.repeat(rows(3), 20, axis=0)
    assert len(pick(copies, copies[:1], 30)) == 30
    cone = rows(60) + np.float32(20)
    assert len(pick(cone, cone[:4], 10)) == 10
    assert pick(rows(1), rows(30, seed=2), 5) == [0]
    assert pick(rows(5), rows(0), 0) == []


def test_says_what_it_needs() -> None:
    assert typiclust.STRATEGY.tables == ("features",)
    assert typiclust.STRATEGY.cold_start

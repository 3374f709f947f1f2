"""cluster-margin against plain average linkage on explicit distances."""

import math
from fractions import Fraction

import numpy as np
import pytest
from extra import torch

from altool.errors import InputError, UsageError
from altool.options import check, flag
from altool.simulation.from_model import Pool
from altool.simulation.plan import make
from altool.simulation.replay import replay
from altool.strategies import cluster_margin


def linkage(points: np.ndarray, threshold: float | None, wanted: int) -> list[set[int]]:
    """Merge the two nearest clusters, by the mean distance of their pairs, up to the threshold (None: till `wanted` are left)."""
    distances = np.sqrt(((points[:, None].astype(float) - points[None].astype(float)) ** 2).sum(axis=2))
    clusters = [{row} for row in range(len(points))]
    height = threshold if threshold is not None else 0.0
    while len(clusters) > 1:
        pairs = [
            (distances[np.ix_(list(a), list(b))].mean(), i, j) for i, a in enumerate(clusters) for j, b in enumerate(clusters) if i < j
        ]
        nearest, i, j = min(pairs)
        if threshold is None and len(clusters) > wanted:
            height = max(height, nearest)
        if nearest > height * (1 + 1e-12):
            break
        clusters[i] |= clusters.pop(j)
    return clusters


def reference(
    features: np.ndarray, probabilities: np.ndarray, labeled: np.ndarray, count: int, factor: float, threshold: float | None
) -> list[int]:
    """docs/algorithms.md, "Cluster-Margin", a row at a time."""
    gaps = [Fraction(float(a)) - Fraction(float(b)) for *_, b, a in np.sort(probabilities, axis=1)]
    exact = Fraction(str(factor))
    near = sorted(range(len(features)), key=lambda row: (gaps[row], row))[: math.ceil(exact * count)]
    whole = np.concatenate([features, labeled])
    groups = [[row for row in near if row in cluster] for cluster in linkage(whole, threshold, math.ceil(len(whole) / exact))]
    groups = sorted((group for group in groups if group), key=lambda group: (len(group), min(group)))
    chosen = []
    while any(groups) and len(chosen) < count:
        chosen += [group.pop(0) for group in groups if group]
    return chosen[: min(count, len(features))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(120))
def test_equals_plain_linkage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, labeled, width = int(rng.integers(1, 20)), int(rng.integers(0, 5)), int(rng.integers(1, 4))
    features = rng.normal(size=(rows, width)).astype(np.float32)
    if seed % 3 == 0:
        features = features[rng.integers(0, rows, rows)]
    others = rng.normal(size=(labeled, width)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(3), rows).astype(np.float32)
    if seed % 4 == 0:
        kinds = rng.integers(0, 2, rows)
        kinds[:2] = [0, 1][:rows]  # were all margins one, the order would be random
        probabilities = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)[kinds]
    count, factor = int(rng.integers(0, rows + 2)), float(rng.choice([1, 1.1, 1.25, 3, 10]))
    threshold = [None, 0.0, 0.5, 2.0][int(rng.integers(4))]
    for place in (np.asarray, torch.from_numpy):
        given = [place(array) for array in (features, probabilities, others)]
        options = {"cluster_margin_factor": factor, "cluster_margin_threshold": threshold}
        found = cluster_margin.pick(*given, count, np.random.default_rng(0), **options)
        assert found.dtype == np.int64
        assert found.tolist() == reference(features, probabilities, others, count, factor, threshold)


def test_by_hand() -> None:
    """k_m = 5 rows in clusters {0, 1, 2} and {3} and {4}: the lone rows first, then the least certain of the three."""
    line = np.array([0, 0.1, 0.2, 10, 20, 30], np.float32)[:, None]
    first = np.array([0.53, 0.51, 0.52, 0.54, 0.55, 0.9], np.float32)
    probabilities = np.stack([first, 1 - first], axis=1)
    options = {"cluster_margin_factor": 1.25, "cluster_margin_threshold": 1.0}
    assert cluster_margin.pick(line, probabilities, line[:0], 4, np.random.default_rng(0), **options).tolist() == [3, 4, 1, 2]


@pytest.mark.parametrize("threshold", [None, 0.5])
@pytest.mark.parametrize("factor", [1.25, 30])
def test_centres_stand_for_the_rows_of_a_large_pool(threshold: float | None, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far groups of rows, more than points: with the groups as clusters, each gives one row before any gives two."""
    monkeypatch.setattr(cluster_margin, "POINTS", (40, 60))
    rng = np.random.default_rng(2)
    group = rng.integers(0, 15, 400)
    features = (rng.normal(size=(15, 6)) * 100)[group] + 0.01 * rng.normal(size=(400, 6))
    features = features.astype(np.float32)
    probabilities = rng.dirichlet(np.ones(4), 400).astype(np.float32)
    options = {"cluster_margin_factor": factor, "cluster_margin_threshold": threshold}
    found = cluster_margin.pick(features, probabilities, features[:30], 20, np.random.default_rng(0), **options)
    assert len(set(found.tolist())) == 20
    if threshold or factor == 30:
        sizes = np.bincount(group[cluster_margin.least(probabilities, min(400, math.ceil(factor * 20)), rng)])
        first = found[: (sizes > 0).sum()]
        assert len(set(group[first].tolist())) == len(first)


def test_equal_rows_share_a_cluster_of_a_large_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_margin, "POINTS", (20, 20))
    rng = np.random.default_rng(4)
    kinds = rng.normal(size=(6, 3)).astype(np.float32)
    which = rng.integers(0, 6, 100)
    probabilities = rng.dirichlet(np.ones(3), 100).astype(np.float32)
    found = cluster_margin.pick(kinds[which], probabilities, kinds[:0], 6, np.random.default_rng(0), cluster_margin_factor=10)
    assert len(set(which[found].tolist())) == 6


def test_what_is_refused() -> None:
    rows, rng = np.ones((3, 2), np.float32), np.random.default_rng(0)
    with pytest.raises(InputError, match="two classes"):
        cluster_margin.pick(rows, rows[:, :1], rows, 2, rng)
    for wrong in ({"cluster_margin_factor": 0.9}, {"cluster_margin_threshold": -1.0}):
        with pytest.raises(UsageError, match="expected a"):
            check(cluster_margin.STRATEGY.options, wrong, flag, cluster_margin.STRATEGY.name)


def test_kept_clusters_choose_as_those_that_are_made_anew() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(60, 3)).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(3), 50).astype(np.float32)
    kept = cluster_margin.keep(rows, 10, np.random.default_rng(0), {"cluster_margin_factor": 2})
    assert len(np.unique(kept)) == 30
    given = rows[:50], probabilities, rows[50:], 10, np.random.default_rng(0)
    anew = cluster_margin.pick(*given, cluster_margin_factor=2)
    assert cluster_margin.pick(*given, kept[:50], cluster_margin_factor=2).tolist() == anew.tolist()
    one = cluster_margin.pick(*given, np.zeros(50, int), cluster_margin_factor=2)  # of one cluster: the smallest margins
    assert one.tolist() == cluster_margin.least(probabilities, 10, np.random.default_rng(0)).tolist()


def test_a_simulation_clusters_its_pool_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(120) % 3
    rows = (rng.normal(size=(120, 4)) + truth[:, None]).astype(np.float32)
    pool = Pool(rows, truth, rows[:30], truth[:30], ("a", "b", "c"))
    sizes = []
    linked = cluster_margin._linked
    monkeypatch.setattr(cluster_margin, "_linked", lambda points, *rest: sizes.append(len(points)) or linked(points, *rest))
    plan = make({"seed_size": 12, "rounds": 3, "budget": 10}, [{"strategy": "cluster-margin"}])
    found = replay(pool, plan, plan.runs[0], 0)
    assert [len(part.positions) for part in found.asked] == [12, 10, 10, 10]
    assert sizes == [120]

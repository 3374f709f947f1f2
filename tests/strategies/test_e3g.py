"""e3g: the law of its places, exact chances of explored rows, and the order of exploited ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from extra import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.engines.local import limited
from altool.engines.scratch import Scratch
from altool.errors import InputError, UsageError
from altool.kernels import kmeans
from altool.options import flag
from altool.strategies import e3g
from altool.strategies.registry import prepare
from altool.wrappers.target_aware import adapt, candidate_labels


def pool(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(rows, 3)).astype(np.float32), draw.dirichlet(np.ones(4), rows).astype(np.float32)


def by_entropy(probabilities: np.ndarray, without: set[int]) -> list[int]:
    """The formula in float64, the largest first."""
    scores = [
        -sum(p * math.log(p) for p in row if p > 0) / sum(row) + math.log(sum(row)) for row in probabilities.astype(np.float64).tolist()
    ]
    return [row for row in sorted(range(len(scores)), key=lambda row: (-scores[row], row)) if row not in without]


def flagged(found: tuple[np.ndarray, dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Positions, and whether each was explored."""
    return found[0], found[1]["explored"]


def pick(rows: int, count: int, seed: int = 0, labeled: int = 2000, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    features, probabilities = pool(rows)
    return flagged(e3g.pick(features, count, np.random.default_rng(seed), probabilities, np.zeros(labeled, np.int64), **options))


def test_epsilon_by_hand() -> None:
    assert e3g.epsilon(0) == 1
    assert e3g.epsilon(6000) == pytest.approx(0.1)
    assert e3g.epsilon(3000) == pytest.approx(0.1**0.5)
    assert e3g.epsilon(60_000) == 0.1
    assert e3g.epsilon(500, least=0.25, total_budget=1000) == pytest.approx(0.5)
    assert e3g.epsilon(1000, 0.002, 0) == pytest.approx(math.exp(-2))
    assert e3g.epsilon(1000, 0.0) == e3g.epsilon(1000, least=1) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"least": -0.1},
        {"least": 1.1},
        {"least": math.nan},
        {"least": 0},
        {"decay": 0.1, "total_budget": 10},
        {"decay": -1.0},
        {"decay": math.nan},
        {"decay": math.inf},
        {"total_budget": 0},
    ],
)
def test_epsilon_of_nonsense(options: dict[str, float]) -> None:
    names = {"decay": "e3g_decay", "least": "e3g_epsilon_min"}
    with pytest.raises(UsageError, match="--"):
        prepare("e3g", {names.get(name, name): value for name, value in options.items()}, flag, "--strategy e3g")


class Line:
    """A generator whose shuffles do nothing, and whose start is given."""

    def __init__(self, start: int) -> None:
        self.start = start

    def integers(self, high: int) -> int:
        assert 0 <= self.start < high
        return self.start

    def permutation(self, rows: Any) -> np.ndarray:
        return np.arange(rows) if isinstance(rows, int) else rows


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.data())
def test_over_all_starts_every_row_is_explored_equally_often(clusters: list[int], data: st.DataObject) -> None:
    """Exactly count / n of them; and each sample takes its share of every cluster, up to rounding. Few rows of many clusters, too."""
    rows, cluster = len(clusters), np.array(clusters, np.int32)
    count = data.draw(st.integers(1, rows))
    often = np.zeros(rows, int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmeans, "fit", lambda *_: (None, cluster, 0.0))
        for start in range(rows):
            sample = e3g._explore(np.empty((rows, 1), np.float32), count, 3, Line(start))  # type: ignore[arg-type]
            assert len(set(sample.tolist())) == len(sample) == count
            often[sample] += 1
            taken, sizes = np.bincount(cluster[sample], minlength=10), np.bincount(cluster, minlength=10)
            assert (np.abs(taken * rows - sizes * count) < rows).all()
    assert (often == count).all()


@pytest.mark.parametrize("count", [1, 3, 7, 11])
def test_explored_rows_are_drawn_with_equal_chances(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By counting, with shuffles; the first explored row of a batch alone has equal chances too."""
    cluster, times = np.array([4, 0, 0, 1, 1, 1, 1, 1, 2, 3, 3, 3], np.int32), 4000
    monkeypatch.setattr(kmeans, "fit", lambda *_: (None, cluster, 0.0))
    rng, often, first = np.random.default_rng(count), np.zeros(12), np.zeros(12)
    for _ in range(times):
        sample = e3g._explore(np.empty((12, 1), np.float32), count, 5, rng)
        often[sample] += 1
        first[sample[0]] += 1
    for counts, chance in ((often, count / 12), (first, 1 / 12)):
        assert np.abs(counts - times * chance).max() < 4.5 * math.sqrt(times * chance * (1 - chance))


def test_inside_a_cluster_all_pairs_are_equally_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans, "fit", lambda *_: (None, np.zeros(5, np.int32), 0.0))
    rng, times = np.random.default_rng(1), 4000
    pairs = [e3g._explore(np.empty((5, 1), np.float32), 2, 1, rng).tolist() for _ in range(times)]
    counts = np.unique(pairs, axis=0, return_counts=True)[1]  # in either order
    assert len(counts) == 20
    assert np.abs(counts - times / 20).max() < 4.5 * math.sqrt(times / 20)


@pytest.mark.slow
def test_places_explore_independently_with_probability_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explorers are Binomial: the mean and the variance of their number, and each place by itself."""
    share, times = e3g.epsilon(2000), 3000
    assert share == pytest.approx(0.1 ** (1 / 3))
    monkeypatch.setattr(kmeans, "fit", lambda *_: (None, np.zeros(9, np.int32), 0.0))
    with limited(1):
        flags = np.array([pick(9, 8, seed)[1] for seed in range(times)])
    spread = math.sqrt(share * (1 - share) / times)
    assert np.abs(flags.mean(axis=0) - share).max() < 4.5 * spread
    assert flags.sum(axis=1).mean() == pytest.approx(8 * share, abs=4.5 * spread * math.sqrt(8))
    assert flags.sum(axis=1).var() == pytest.approx(8 * share * (1 - share), rel=0.15)


@pytest.mark.parametrize("seed", range(40))
def test_exploited_rows_are_the_largest_entropies_of_the_others(seed: int) -> None:
    features, probabilities = pool(60, seed)
    probabilities[::7] = probabilities[0]  # ties
    count = 1 + seed
    labels = np.zeros(500 * (seed % 9), np.int64)
    chosen, explored = flagged(e3g.pick(features, count, np.random.default_rng(seed), probabilities, labels))
    assert (chosen.dtype, explored.dtype, chosen.shape, explored.shape) == (np.int64, np.bool_, (count,), (count,))
    assert len(set(chosen.tolist())) == count
    sample = set(chosen[explored].tolist())
    assert chosen[~explored].tolist() == by_entropy(probabilities, sample)[: count - len(sample)]


def test_each_cluster_of_k_means_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 500 rows 50 are explored: a tenth of each of min(100, sqrt(n / 2)) or of `e3g_clusters` clusters, up to rounding."""
    found: list[np.ndarray] = []
    fit = kmeans.fit

    def watched(*arguments: Any) -> tuple[np.ndarray, np.ndarray, float]:
        result = fit(*arguments)
        assert arguments[1] == wanted
        found.append(result[1])
        return result

    monkeypatch.setattr(kmeans, "fit", watched)
    for wanted, clusters in ((15, None), (4, 4), (70, 70)):
        chosen, explored = pick(500, 50, labeled=0, e3g_clusters=clusters)
        assert explored.all()
        sizes, taken = (np.bincount(cluster, minlength=wanted) for cluster in (found[-1], found[-1][chosen]))
        assert (np.abs(taken * 10 - sizes) < 10).all()


def test_without_labels_all_is_explored_and_probabilities_are_not_needed() -> None:
    for labels in (None, np.empty(0, np.int64)):
        chosen, explored = flagged(e3g.pick(pool(60)[0], 10, np.random.default_rng(1), None, labels))
        assert explored.all()
        assert len(set(chosen.tolist())) == 10


def test_nothing_is_explored_when_epsilon_is_0() -> None:
    chosen, explored = pick(60, 10, e3g_decay=1e9, e3g_epsilon_min=0.0)
    assert not explored.any()
    assert chosen.tolist() == by_entropy(pool(60)[1], set())[:10]


def test_exploiting_needs_probabilities() -> None:
    with pytest.raises(InputError, match="predictions"):
        e3g.pick(pool(60)[0], 10, np.random.default_rng(1), None, np.zeros(3, np.int64))
    with pytest.raises(InputError):
        e3g.pick(pool(60)[0], 10, np.random.default_rng(1), queue_size=20)


def test_a_queue_goes_on_by_entropy() -> None:
    chosen, explored = pick(60, 10, seed=3)
    longer, marks = pick(60, 10, seed=3, queue_size=45)
    assert longer[:10].tolist() == chosen.tolist()
    assert marks[:10].tolist() == explored.tolist()
    assert not marks[10:].any()
    assert longer[~marks].tolist() == by_entropy(pool(60)[1], set(chosen[explored].tolist()))[: 45 - explored.sum()]
    assert sorted(pick(60, 10, seed=3, queue_size=1000)[0].tolist()) == list(range(60))
    assert pick(60, 10, seed=3, queue_size=4)[0].tolist() == chosen.tolist()


@pytest.mark.parametrize(("rows", "count"), [(60, 60), (60, 70), (1, 1), (1, 5), (60, 0), (60, -1), (0, 3), (2, 1)])
def test_sizes(rows: int, count: int) -> None:
    chosen, explored = pick(rows, count)
    assert len(chosen) == len(explored) == len(set(chosen.tolist())) == max(0, min(rows, count))
    assert set(chosen.tolist()) <= set(range(rows))


@pytest.mark.parametrize("clusters", [None, 1, 60, 1000])
def test_equal_rows(clusters: int | None) -> None:
    features, probabilities = np.zeros((60, 3), np.float32), np.repeat(np.eye(1, 4, dtype=np.float32), 60, axis=0)
    chosen, explored = flagged(
        e3g.pick(features, 30, np.random.default_rng(2), probabilities, np.zeros(3000, np.int64), e3g_clusters=clusters)
    )
    assert len(set(chosen.tolist())) == 30
    assert 0 < explored.sum() < 30
    assert not (np.diff(chosen[~explored]) > 0).all()  # all entropies are one: by position would be by class, where ids begin with it


def test_no_cluster() -> None:
    with pytest.raises(UsageError, match="--e3g-clusters: expected a whole number of at least 1, found 0"):
        prepare("e3g", {"e3g_clusters": 0}, flag, "--strategy e3g")


def test_files_tensors_halves_and_threads_give_the_same_rows_and_are_left_alone() -> None:
    features, probabilities = (array.astype(np.float16) for array in pool(3000))
    mapped = [Scratch(0).empty(array.shape, array.dtype) for array in (features, probabilities)]
    for place, array in zip(mapped, (features, probabilities), strict=True):
        place[:] = array
        array.setflags(write=False)
    expected = flagged(e3g.pick(features, 200, np.random.default_rng(4), probabilities, np.zeros(1000, np.int64)))
    forms = [(features.astype(np.float32), probabilities.astype(np.float32)), mapped]
    forms.append(tuple(torch.from_numpy(array.copy()) for array in (features, probabilities)))
    for threads, (rows, p) in zip((1, 3, 2), forms, strict=True):
        with limited(threads):
            found = flagged(e3g.pick(rows, 200, np.random.default_rng(4), p, np.zeros(1000, np.int64)))
        assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


def test_the_strategy_says_what_it_needs() -> None:
    assert e3g.STRATEGY.tables == ("features",)
    assert e3g.STRATEGY.function is e3g.pick


@pytest.mark.parametrize("seed", range(5))
def test_under_taal_explored_rows_keep_their_places(seed: int) -> None:
    """The adapter's queue is the batch, then all other rows. In the other places are the rows of the one class that has weight."""
    features, probabilities = pool(300)
    labels = np.zeros(3000, np.int64)
    queue, explored = flagged(e3g.pick(features, 40, np.random.default_rng(seed), probabilities, labels, queue_size=300))
    candidates = candidate_labels(probabilities, 0.5)
    rows, target_class = adapt(queue, *candidates, np.array([0.0, 0.0, 1.0, 0.0]), 40, np.random.default_rng(seed), explored)
    batch, marks = flagged(e3g.pick(features, 40, np.random.default_rng(seed), probabilities, labels))
    assert 0 < marks.sum() < 40
    assert rows[marks].tolist() == batch[marks].tolist()
    likely = np.flatnonzero(probabilities[:, 2] >= 0.5 * probabilities.max(axis=1))
    assert len(likely) > 60
    expected = [row for row in by_entropy(probabilities, set(batch[marks].tolist())) if row in likely]
    assert rows[~marks].tolist() == expected[: (~marks).sum()]
    assert target_class.tolist() == np.where(marks, -1, 2).tolist()

"""MaxHerding against loops over the definition, and its samples of many rows."""

from __future__ import annotations

import numpy as np
import pytest
from reference_herding import covering, lazily, rows

from altool.kernels import herding
from altool.strategies import maxherding


def pick(features: np.ndarray, labeled: np.ndarray, count: int, seed: int = 0, **options: float) -> list[int]:
    found = maxherding.pick(lazily(features, labeled), count, np.random.default_rng(seed), **options)
    assert found.dtype == np.int64
    return found.tolist()


@pytest.mark.parametrize("labeled", [0, 1, 7])
@pytest.mark.parametrize("radius", [1.0, 0.4])
def test_equals_the_loops(labeled: int, radius: float) -> None:
    features, known = rows(90), rows(labeled, seed=1)
    assert pick(features, known, 25, maxherding_radius=radius) == covering(features, known, 25, radius)


def test_the_radius_is_1() -> None:
    features = rows(60)
    assert pick(features, features[:0], 10) == pick(features, features[:0], 10, maxherding_radius=1.0)


def test_a_narrow_cone_is_as_good_as_another() -> None:
    """What all rows have in common does not count."""
    features = rows(70)
    shifted = features + np.float32(16)
    assert pick(shifted, shifted[:0], 20) == covering(shifted, shifted[:0], 20, 1.0)
    assert pick(features, features[:0], 5) == pick(shifted, shifted[:0], 5)


def test_copies_come_last_in_random_order() -> None:
    features = np.tile(rows(5), (8, 1))[::-1].copy()
    features[:] = features[np.arange(40) % 5]
    found = pick(features, features[:0], 40)
    different = len(np.unique(features, axis=0))
    assert sorted(found) == list(range(40))
    assert len({features[place].tobytes() for place in found[:different]}) == different
    assert found[:different] == covering(features, features[:0], 40, 1.0)
    assert pick(features, features[:0], 40, seed=1)[different:] != found[different:]


@pytest.mark.parametrize(("present", "count"), [(0, 5), (3, 9)])
def test_rows_without_a_vector_come_last(present: int, count: int) -> None:
    features = rows(20, seed=3)
    have = np.arange(20) % 7 == 2 if present else np.zeros(20, bool)
    found = maxherding.pick(lazily(features, features[:0], have), count, np.random.default_rng(0)).tolist()
    assert len(set(found)) == count
    assert set(found[:present]) == set(np.flatnonzero(have).tolist())


def test_rows_of_length_0_and_all_rows_but_one_labeled() -> None:
    zeros = np.zeros((6, 3), np.float32)
    assert sorted(pick(zeros, zeros[:2], 6)) == list(range(6))
    features = rows(30)
    assert pick(features[:1], features[1:], 3) == [0]
    assert pick(features[:0], features, 3) == []


def test_of_many_rows_samples_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maxherding, "SAMPLE", 200)
    features, reads = rows(3000, seed=5), []  # type: ignore[var-annotated]
    found = maxherding.pick(lazily(features, features[:4], reads=reads), 60, np.random.default_rng(0))
    assert len(set(found.tolist())) == 60
    assert reads == pytest.approx([430], abs=20)  # 240 candidates and 200 rows to cover, of which few are in both
    assert coverage(features, features[found]) > 0.99 * coverage(features, features[covering_of_all(features, 60)])


def coverage(features: np.ndarray, chosen: np.ndarray) -> float:
    mean = features.mean(axis=0, dtype=float)
    return float(herding.closeness(herding.nearest(herding.unit(features, mean), herding.unit(chosen, mean)), 1.0).mean())


def covering_of_all(features: np.ndarray, count: int) -> list[int]:
    return maxherding.pick(lazily(features, features[:0]), count, np.random.default_rng(0)).tolist()


def test_many_picks_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    features = rows(400, seed=6)
    whole = pick(features, features[:3], 50)
    reads: list[int] = []
    monkeypatch.setattr(maxherding, "PART", 20)
    found = maxherding.pick(lazily(features, features[:3], reads=reads), 50, np.random.default_rng(0))
    assert len(reads) == 3
    assert found.tolist() == whole  # the sample is all rows each time


def test_rows_are_drawn_by_their_weights() -> None:
    weights = np.array([0, 1, 0, 3, 0, 6.0])
    drawn = [maxherding._drawn(weights, 1, np.random.default_rng(seed))[0] for seed in range(2000)]
    shares = np.bincount(drawn, minlength=6) / 2000
    assert shares == pytest.approx(weights / 10, abs=0.04)
    assert maxherding._drawn(weights, 3, np.random.default_rng(0)).tolist() == [1, 3, 5]
    assert maxherding._drawn(weights, 6, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4, 5]


def test_says_what_it_needs() -> None:
    assert maxherding.STRATEGY.tables == ("features",)
    assert maxherding.STRATEGY.cold_start

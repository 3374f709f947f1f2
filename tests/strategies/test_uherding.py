"""UHerding against loops over the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference_herding import covering, lazily, rows, unit

from altool.errors import InputError
from altool.strategies import maxherding, uherding


def chances(count: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(4, 0.4), count).astype(np.float32)


def doubt(row: np.ndarray, kind: str = "margin", temperature: float = 1.0) -> float:
    """u of a row of probabilities, from its definition."""
    scaled = [math.exp(math.log(p) / temperature) if p > 0 else 0.0 for p in map(float, row)]
    p = sorted((value / sum(scaled) for value in scaled), reverse=True)
    if kind == "entropy":
        return -sum(value * math.log(value) for value in p if value > 0)
    return 1 - (p[0] - p[1]) if kind == "margin" else 1 - p[0]


def spacing(labeled: np.ndarray, features: np.ndarray) -> float:
    mean = features.astype(float).mean(axis=0)
    units = [unit(row.astype(float) - mean) for row in labeled]
    distances = [math.sqrt(max(0.0, 2 - 2 * float(one @ other))) for place, one in enumerate(units) for other in units[:place]]
    return min((distance for distance in distances if distance > 2e-3), default=1.0)


def pick(features: np.ndarray, labeled: np.ndarray, count: int, likely: np.ndarray | None, **options: object) -> list[int]:
    labels = np.arange(len(labeled)) % 4
    margin = None
    if likely is not None:
        ordered = np.sort(likely, axis=1).astype(np.float64)
        margin = ordered[:, -1] - ordered[:, -2]
    found = uherding.pick(lazily(features, labeled), count, np.random.default_rng(0), margin, likely, labels, **options)  # type: ignore[arg-type]
    assert found.dtype == np.int64
    return found.tolist()


@pytest.mark.parametrize("kind", ["margin", "entropy", "least-confidence"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("radius", [None, 0.7])
def test_equals_the_loops(kind: str, temperature: float, radius: float | None) -> None:
    features, labeled, likely = rows(80), rows(6, seed=1), chances(80)
    found = pick(features, labeled, 20, likely, uherding_uncertainty=kind, uherding_temperature=temperature, uherding_radius=radius)
    weights = [doubt(row, kind, temperature) for row in likely]
    expected = covering(features, labeled, 20, radius or spacing(labeled, features), weights)
    assert found[: len(expected)] == expected
    assert len(expected) > 10


def test_margin_alone_is_enough() -> None:
    features, labeled, likely = rows(50), rows(5, seed=1), chances(50)
    ordered = np.sort(likely, axis=1).astype(np.float64)
    margin = ordered[:, -1] - ordered[:, -2]
    found = uherding.pick(lazily(features, labeled), 9, np.random.default_rng(0), margin, None, np.arange(5))
    assert found.tolist() == pick(features, labeled, 9, likely)
    with pytest.raises(InputError, match="need the probabilities"):
        uherding.pick(lazily(features, labeled), 9, np.random.default_rng(0), margin, None, np.arange(5), uherding_temperature=2.0)


@pytest.mark.parametrize("likely", [None, chances(60)])
def test_without_labels_it_is_maxherding(likely: np.ndarray | None) -> None:
    features = rows(60)
    assert (
        pick(features, features[:0], 12, likely) == maxherding.pick(lazily(features, features[:0]), 12, np.random.default_rng(0)).tolist()
    )


def test_rows_of_which_the_model_is_certain_count_nothing() -> None:
    features, likely = rows(40), np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    likely[[4, 9]] = 0.25
    assert set(pick(features, rows(3, seed=1), 2, likely, uherding_radius=0.05)) == {4, 9}


def test_where_the_model_is_certain_of_all_rows_they_count_alike() -> None:
    features, likely = rows(40), np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    labeled = rows(3, seed=1)
    assert pick(features, labeled, 8, likely, uherding_radius=1.0) == covering(features, labeled, 8, 1.0)


def test_the_radius_is_the_smallest_distance_of_two_labels_that_are_no_copies() -> None:
    units = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], np.float32)
    assert uherding.spacing(units) == pytest.approx(math.sqrt(2 - 1.6))
    assert uherding.spacing(units[[0, 3]]) == uherding.spacing(units[:1]) == uherding.spacing(units[:0]) == 1.0
    assert uherding.spacing(units[[0, 4]]) == pytest.approx(math.sqrt(2))
    many = np.random.default_rng(0).normal(size=(3000, 8))
    many /= np.sqrt((many**2).sum(axis=1, keepdims=True))
    gram = np.tril(many @ many.T, -1)
    assert uherding.spacing(many.astype(np.float32)) == pytest.approx(math.sqrt(2 - 2 * gram.max()), rel=1e-3)


def test_where_few_rows_are_uncertain_they_are_what_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maxherding, "SAMPLE", 100)
    features, likely = rows(4000, seed=4), np.tile(np.array([[1, 0, 0, 0]], np.float32), (4000, 1))
    unsure = np.arange(0, 4000, 40)
    likely[unsure] = 0.25
    found = pick(features, rows(4, seed=1), 30, likely)
    assert len(set(found) & set(unsure.tolist())) > 25  # of 100 among 4,000 rows


def test_says_what_it_needs() -> None:
    assert uherding.STRATEGY.tables == ("features",)
    assert uherding.STRATEGY.cold_start

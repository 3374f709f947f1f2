"""auto: its rule in plain loops, its fall-backs, the mix of its batch, and what it reads."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.engines.local import limited
from altool.strategies import auto, maxherding
from altool.strategies.inputs import Vectors
from altool.strategies.registry import Account


def vectors(rows: np.ndarray, labeled: np.ndarray, present: np.ndarray | None = None, reads: list[int] | None = None) -> Vectors:
    def fetch(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert (np.diff(places) > 0).all()
        if reads is not None:
            reads.append(len(places))
        return rows[places], labeled

    return Vectors(np.ones(len(rows), bool) if present is None else present, fetch)


def pool(rows: int, labeled: int, classes: int, seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    features = (draw.normal(size=(rows + labeled, 5)) + 2).astype(np.float32)
    probabilities = np.sort(draw.dirichlet(np.ones(classes), rows), axis=1)
    return {
        "margin": probabilities[:, -1] - probabilities[:, -2],
        "likeliest": draw.integers(classes, size=rows).astype(np.int32),
        "vectors": vectors(features[:rows], features[rows:]),
        "labels": np.arange(labeled) % classes,
        "features": features[:rows],
        "labeled": features[rows:],
    }


def choose(count: int, given: dict[str, Any], seed: int = 0, **options: Any) -> tuple[list[int], list[str], Account]:
    parts = [given.get(name) for name in ("margin", "likeliest", "vectors", "labels")]
    size = len(next(part for part in parts if part is not None)) if "rows" not in given else given["rows"]
    places, marks, account = auto.pick(count, size, np.random.default_rng(seed), *parts, **options)
    assert len(places) == len(marks["reason"])
    return places.tolist(), marks["reason"].tolist(), account


def rule(count: int, given: dict[str, Any]) -> list[tuple[int, str]]:
    """The rule in loops and float64, for pools of which every row is a candidate and is to be covered."""
    features, labeled = given["features"].astype(float), given["labeled"].astype(float)
    mean = features.mean(axis=0)

    def shape(row: np.ndarray) -> np.ndarray:
        return (row - mean) / math.sqrt(sum((row - mean) ** 2))

    z, known = [shape(row) for row in features], [shape(row) for row in labeled]
    classes = len(set(given["labels"].tolist()))
    warm = given.get("margin") is not None and classes > 1
    labels_a_class = (len(given["labels"]) + count / 2) / max(classes, 1)
    share = 0.7 * min(max((labels_a_class - 3) / 7, 0), 1) if warm else 0.0
    boundary = round(share * count)
    coverage = count - boundary
    weight = [max(1 - gap, 1e-6) for gap in given["margin"]] if warm else [1.0] * len(z)
    distances = [[math.dist(a, b) for b in known] for a in z]
    reaches = sorted(least for least in map(min, distances) if least >= 1e-3) if known else []
    radius = max(float(np.median(reaches)), 0.05) if warm else 1.0
    covered = [max((math.exp(-((d / radius) ** 2)) for d in row), default=0.0) for row in distances]
    near = [[math.exp(-((math.dist(a, b) / radius) ** 2)) for b in z] for a in z]
    first: list[int] = []
    for _ in range(coverage):
        gains = [-1.0 if j in first else sum(w * max(near[i][j] - covered[i], 0) for i, w in enumerate(weight)) for j in range(len(z))]
        best = gains.index(max(gains))
        first.append(best)
        covered = [max(now, near[i][best]) for i, now in enumerate(covered)]
    second: list[int] = []
    if warm:
        turn: Counter[int] = Counter()
        keyed = []
        for row in sorted((row for row in range(len(z)) if row not in first), key=lambda row: (given["margin"][row], row)):
            keyed.append((turn[given["likeliest"][row]], len(keyed), row))
            turn[given["likeliest"][row]] += 1
        second = [row for *_, row in sorted(keyed)][:boundary]
    merged: list[tuple[int, str]] = []
    a = b = 0
    while len(merged) < count:
        if a < coverage and (b >= boundary or (a + 0.5) / coverage <= (b + 0.5) / boundary):
            merged.append((first[a], "coverage"))
            a += 1
        else:
            merged.append((second[b], "boundary"))
            b += 1
    return merged


@pytest.mark.parametrize(("labeled", "classes", "count"), [(4, 4, 6), (12, 4, 10), (30, 5, 20), (60, 3, 9), (2, 2, 1)])
def test_it_is_the_rule(labeled: int, classes: int, count: int) -> None:
    for seed in range(3):
        given = pool(90, labeled, classes, seed)
        places, reasons, _ = choose(count, given)
        assert list(zip(places, reasons, strict=True)) == rule(count, given)


def test_the_account_by_hand() -> None:
    given = pool(90, 24, 4)
    _, reasons, account = choose(8, given)  # 24 and half of 8 labels of 4 classes are 7 a class: 0.7 x 4/7 of the batch, 3.2 rows
    assert Counter(reasons) == {"coverage": 5, "boundary": 3}
    assert account.facts["labels_per_class"] == 7
    assert account.facts["boundary_share"] == pytest.approx(0.4)
    assert account.basis == f"radius {account.facts['radius']:.2f}, 7.0 labels a class"
    assert account.lines == ()


@pytest.mark.parametrize("without", ["margin and labels", "labels", "margin", "one class"])
def test_cold_is_maxherding(without: str) -> None:
    given = pool(70, 8, 2)
    if "margin" in without:
        given |= {"margin": None, "likeliest": None}
    if "labels" in without:
        given |= {
            "labels": np.empty(0, np.int64),
            "labeled": given["labeled"][:0],
            "vectors": vectors(given["features"], given["labeled"][:0]),
        }
    if without == "one class":
        given["labels"] = np.zeros(8, np.int64)
    places, reasons, account = choose(12, given)
    expected = rule(12, {**given, "margin": None})
    assert places == [row for row, _ in expected]
    assert set(reasons) == {"coverage"}
    assert account.facts["radius"] == 1
    missing = "model" if "margin" in without else "labels"
    assert account.lines == (f"no {missing} of two classes yet, so rows are chosen that cover the pool best",)


def test_without_vectors_it_is_margin_with_classes_in_turn() -> None:
    given = {**pool(60, 8, 4), "vectors": None}
    places, reasons, account = choose(15, given)
    turn: Counter[int] = Counter()
    keyed = []
    for row in sorted(range(60), key=lambda row: given["margin"][row]):
        keyed.append((turn[given["likeliest"][row]], len(keyed), row))
        turn[given["likeliest"][row]] += 1
    assert places == [row for *_, row in sorted(keyed)][:15]
    assert set(reasons) == {"boundary"}
    assert account.lines == ("no features, so margin, with the predicted classes in turn, chooses all rows",)


def test_predictions_are_enough_for_the_boundary_step() -> None:
    given = {**pool(60, 8, 4), "vectors": None}
    without = {**given, "labels": None}  # somebody else's export
    assert choose(15, without)[:2] == choose(15, given)[:2]


def test_a_row_of_another_scale_does_not_hide_the_others() -> None:
    given = pool(60, 0, 2)
    given |= {"margin": None, "likeliest": None, "labels": None}
    given["features"][7] = 1e20
    places, reasons, _ = choose(10, given)
    assert set(reasons) == {"coverage"}
    assert len(set(places)) == 10


def test_without_anything_it_is_chance() -> None:
    draws = [choose(5, {"rows": 40}, seed) for seed in range(30)]
    assert {reason for _, reasons, _ in draws for reason in reasons} == {"random"}
    assert len({row for places, *_ in draws for row in places}) > 35
    assert draws[0][2].lines == ("no features, so chance chooses all rows",)


def test_rows_without_a_vector_come_by_the_boundary_alone() -> None:
    given = pool(60, 40, 4)
    present = np.arange(60) % 2 == 0
    given["vectors"] = vectors(given["features"], given["labeled"], present)
    places, reasons, _ = choose(20, given)
    assert {row % 2 for row, reason in zip(places, reasons, strict=True) if reason == "coverage"} == {0}
    assert {row % 2 for row, reason in zip(places, reasons, strict=True) if reason == "boundary"} == {0, 1}


def test_what_coverage_gains_nothing_by_goes_to_the_next_step() -> None:
    given = pool(50, 6, 3)
    given["features"][:] = given["features"][0]  # copies: one of them covers all
    places, reasons, _ = choose(10, given)
    assert len(set(places)) == 10
    assert Counter(reasons)["coverage"] <= 1
    cold = {**given, "margin": None, "likeliest": None, "labels": None}
    _, reasons, _ = choose(10, cold)
    assert Counter(reasons)["random"] >= 9


def test_equal_uncertainty_weighs_nothing() -> None:
    given = pool(50, 6, 3)
    certain = {**given, "margin": np.full(50, 1.0)}
    unsure = {**given, "margin": np.full(50, 0.25)}
    assert choose(3, certain)[0] == choose(3, unsure)[0]


@settings(max_examples=60)
@given(
    st.integers(1, 40), st.integers(0, 30), st.integers(1, 5), st.integers(0, 60), st.integers(0, 80), st.sampled_from(["", "zero", "cone"])
)
def test_any_part_of_the_batch_has_the_same_mix(rows: int, labeled: int, classes: int, count: int, more: int, kind: str) -> None:
    given = pool(rows, labeled, classes) if classes > 1 else {**pool(rows, labeled, 2), "labels": np.zeros(labeled, np.int64)}
    if kind == "zero":
        given["features"][: rows // 2] = 0
    if kind == "cone":
        given["features"][:] = given["features"] * 1e-6 + 1
    places, reasons, _ = choose(count, given, queue_size=count + more)
    size = min(rows, count + more)
    assert len(places) == len(set(places)) == size
    assert min(places, default=0) >= 0
    batch = min(count, rows)
    covered = reasons[:batch].count("coverage")
    for end in range(1, batch + 1) if not kind else ():
        assert abs(reasons[:end].count("coverage") - covered * end / batch) <= 1
    assert places[:batch] == choose(count, given)[0]  # what is behind the batch does not change it


def test_it_reads_a_sample_and_chooses_the_same_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maxherding, "SAMPLE", 300)
    found = []
    for threads in (1, 2):
        given, reads = pool(5000, 30, 10), list[int]()
        given["vectors"] = vectors(given["features"], given["labeled"], reads=reads)
        with limited(threads):
            found.append(choose(100, given))
        assert len(reads) == 1
        assert 400 < reads[0] <= 700  # 4 x 100 candidates and 300 rows to be covered, which share some
    assert found[0] == found[1]
    assert choose(100, given, seed=1)[0] != found[0][0]


def test_candidates_are_drawn_by_their_uncertainty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maxherding, "SAMPLE", 100)
    given = pool(4000, 4, 2)
    given["margin"] = np.where(np.arange(4000) < 200, 0.2, 1 - 1e-9)  # 5 % unsure
    places, *_ = choose(20, given)
    assert max(places) < 200

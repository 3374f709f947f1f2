"""TAAL's query adapter against Algorithm 1 word for word, and against the exact law of a small case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from extra import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_algorithm1 import algorithm_1, candidates

from altool.engines.local import limited
from altool.wrappers import target_aware
from altool.wrappers.target_aware import adapt, candidate_labels, stacked, taken


def ragged(rows: list[list[int]]) -> target_aware.Ragged:
    return np.cumsum([0, *map(len, rows)]), np.array([class_ for row in rows for class_ in row], np.int16)


def lists(starts: np.ndarray, classes: np.ndarray) -> list[list[int]]:
    return [part.tolist() for part in np.split(classes, starts[1:-1])] if len(starts) > 1 else []


def printed(queue: list[int], rows: list[list[int]], weights: list[float], count: int, seed: int) -> tuple[list[int], list[int]]:
    """Algorithm 1, then the rest of the queue in order, for class -1."""
    labels = {row: set(rows[row]) for row in queue}
    found, served = algorithm_1(queue, labels, weights, min(count, len(queue)), np.random.default_rng(seed).random)
    rest = [row for row in queue if row not in found][: max(0, count - len(found))]
    return found + rest, served + [-1] * len(rest)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[int], list[list[int]], list[float], int, int]:
    """Few classes, so that they run out; empty candidate sets, and rows of all classes; weights of 0 and very unequal ones."""
    width = draw(st.integers(1, 6))
    sets = draw(st.lists(st.integers(0, 2**width - 1), max_size=40))
    rows = [[class_ for class_ in range(width) if bits >> class_ & 1] for bits in sets]
    queue = draw(st.permutations(range(len(rows))))[: draw(st.integers(0, 40))]
    weights = draw(st.lists(st.sampled_from([0.0, 0.0, 0.1, 1.0, 1.0, 1e-9, 7.3]), min_size=width, max_size=width))
    return queue, rows, weights, draw(st.integers(0, 45)), draw(st.integers(0, 2**20))


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(cases(), st.sampled_from([(target_aware.PREFIX, target_aware.DRAWS), (1, 5), (2, 16)]))
def test_equals_algorithm_1_row_by_row(case: tuple[list[int], list[list[int]], list[float], int, int], sizes: tuple[int, int]) -> None:
    queue, rows, weights, count, seed = case
    with pytest.MonkeyPatch.context() as patch:  # lists that grow, and few draws at a time
        patch.setattr(target_aware, "PREFIX", sizes[0])
        patch.setattr(target_aware, "DRAWS", sizes[1])
        found, served = adapt(np.array(queue, np.int64), *ragged(rows), np.array(weights), count, np.random.default_rng(seed))
    assert (found.dtype, served.dtype) == (np.int64, np.int32)
    assert (found.tolist(), served.tolist()) == printed(queue, rows, weights, count, seed)
    assert len(set(found.tolist())) == len(found)


@pytest.mark.parametrize("seed", range(12))
def test_equals_algorithm_1_on_larger_queues(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With windows of draws and lists as they grow in earnest: rare classes run out, and most of the draws are lost in the end."""
    monkeypatch.setattr(target_aware, "PREFIX", 16)
    monkeypatch.setattr(target_aware, "DRAWS", 100 + 50 * seed)
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet(np.geomspace(0.01, 1, 12), 400).astype(np.float32)
    starts, classes = candidate_labels(probabilities, 0.1)
    weights = np.where(draw.random(12) < 0.7, draw.random(12), 0)
    queue = draw.permutation(400)[:350]
    for count in (3, 60, 350):
        found, served = adapt(queue, starts, classes, weights, count, np.random.default_rng(seed))
        expected = printed(queue.tolist(), lists(starts, classes), weights.tolist(), count, seed)
        assert (found.tolist(), served.tolist()) == expected


def law(
    queue: tuple[int, ...], rows: dict[int, frozenset[int]], weights: tuple[Fraction, ...], count: int
) -> dict[tuple[int, ...], Fraction]:
    """The probability of every output of Algorithm 1, by following every draw."""
    total: dict[tuple[int, ...], Fraction] = {}

    def follow(found: tuple[int, ...], labels: dict[int, frozenset[int]], weights: tuple[Fraction, ...], share: Fraction) -> None:
        if len(found) == count or not any(weights):
            total[found] = total.get(found, Fraction(0)) + share
            return
        for class_, weight in enumerate(weights):
            if not weight:
                continue
            part = share * weight / sum(weights)
            row = next((row for row in queue if class_ in labels[row]), None)
            if row is None:
                follow(found, labels, tuple(Fraction(0) if c == class_ else w for c, w in enumerate(weights)), part)
            else:
                follow(found if row in found else (*found, row), {**labels, row: labels[row] - {class_}}, weights, part)

    follow((), rows, weights, Fraction(1))
    return total


@pytest.mark.slow
def test_the_law_of_a_small_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_aware, "DRAWS", 16)
    rows = [[0, 1], [1], [0, 2], [], [2], [1, 2]]
    queue, weights = [4, 0, 2, 5, 1], [1, 2, 4]
    expected = law(tuple(queue), {row: frozenset(rows[row]) for row in queue}, tuple(map(Fraction, weights)), 3)
    assert sum(expected.values()) == 1
    rng, times = np.random.default_rng(5), 5000
    counts = Counter(tuple(adapt(np.array(queue), *ragged(rows), np.array(weights), 3, rng)[0].tolist()) for _ in range(times))
    assert set(counts) <= set(expected)
    assert len(expected) > 5
    for output, probability in expected.items():
        spread = (times * float(probability) * (1 - float(probability))) ** 0.5
        assert abs(counts[output] - times * probability) < 4.5 * spread + 1


def test_by_hand() -> None:
    """Class 1 alone has weight: its rows in order of the queue, then what is left in that order."""
    rows = [[0], [1], [0, 1], [], [1]]
    found, served = adapt(np.array([3, 4, 0, 2, 1]), *ragged(rows), np.array([0.0, 2.0]), 4, np.random.default_rng(0))
    assert found.tolist() == [4, 2, 1, 3]
    assert served.tolist() == [1, 1, 1, -1]


class Draws:
    """A generator of given numbers."""

    def __init__(self, numbers: list[float]) -> None:
        self.numbers = iter(numbers)

    def random(self, count: int = 1) -> np.ndarray:
        return np.array([next(self.numbers) for _ in range(count)])


def test_a_draw_on_the_edge_of_two_classes_is_the_upper_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And 0 is no class without weight. Classes 0 to 3 weigh 0, 1, 1, 2; each has one row of its own number."""
    monkeypatch.setattr(target_aware, "DRAWS", 3)
    draws, weights = [0.0, 0.5, 0.25], [0.0, 1.0, 1.0, 2.0]
    found, _ = adapt(np.arange(4), *ragged([[0], [1], [2], [3]]), np.array(weights), 3, Draws(draws))  # type: ignore[arg-type]
    assert found.tolist() == [1, 3, 2]
    numbers = iter(draws)
    assert algorithm_1(range(4), {row: {row} for row in range(4)}, weights, 3, lambda: next(numbers))[0] == [1, 3, 2]


def test_without_weights_the_queue_stays_as_it_is() -> None:
    found, served = adapt(np.array([2, 0, 1]), *ragged([[0], [1], [0, 1]]), np.zeros(2), 2, np.random.default_rng(0))
    assert found.tolist() == [2, 0]
    assert served.tolist() == [-1, -1]


@pytest.mark.parametrize("weights", [[1.0, np.nan], [np.inf, 1.0], [-1.0, 2.0]])
def test_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        adapt(np.arange(2), *ragged([[0], [1]]), np.array(weights), 1, np.random.default_rng(0))


@given(cases(), st.data())
def test_fixed_rows_keep_their_places(case: tuple[list[int], list[list[int]], list[float], int, int], data: st.DataObject) -> None:
    queue, rows, weights, count, seed = case
    fixed = np.array(data.draw(st.lists(st.booleans(), min_size=len(queue), max_size=len(queue))), bool)
    found, served = adapt(np.array(queue, np.int64), *ragged(rows), np.array(weights), count, np.random.default_rng(seed), fixed)
    assert len(found) == min(count, len(queue))
    kept = fixed[: len(found)]
    assert found[kept].tolist() == np.array(queue, np.int64)[: len(found)][kept].tolist()
    assert (served[kept] == -1).all()
    others = [row for row, held in zip(queue, fixed, strict=True) if not held]
    expected = printed(others, rows, weights, int((~kept).sum()), seed)
    assert (found[~kept].tolist(), served[~kept].tolist()) == expected


def test_inputs_are_left_alone() -> None:
    given_ = [np.array([2, 0, 1]), *ragged([[0], [1], [0, 1]]), np.array([1.0, 0.0])]
    before = [array.copy() for array in given_]
    for array in given_:
        array.setflags(write=False)
    found, _ = adapt(*given_, 3, np.random.default_rng(0))  # type: ignore[arg-type]
    found[:] = 0
    assert all(np.array_equal(*pair) for pair in zip(given_, before, strict=True))


def test_candidates_by_hand() -> None:
    rows = np.array([[0.6, 0.3, 0.1], [0.2, 0.0, 0.8], [0.0, 0.0, 0.0], [0.4, 0.4, 0.2]], np.float32)
    assert lists(*candidate_labels(rows, 0.5)) == [[0, 1], [2], [], [0, 1, 2]]
    assert lists(*candidate_labels(rows, 1)) == [[0], [2], [], [0, 1]]
    assert lists(*candidate_labels(rows, 0)) == [[0, 1, 2], [0, 1, 2], [], [0, 1, 2]]
    assert lists(*candidate_labels(rows, np.array([1, 0.6, 0.1]))) == [[0, 2], [2], [], [0, 1, 2]]


@pytest.mark.slow
@pytest.mark.parametrize("place", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_candidates_equal_the_definition(place: Callable[[np.ndarray], target_aware.Matrix], dtype: type) -> None:
    rng = np.random.default_rng(7)
    rows = rng.integers(0, 5, (5000, 6)) * rng.integers(0, 2, (5000, 1))  # ties, and half of the rows empty
    rows = (rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)).astype(dtype)
    for threshold in (0.5, rng.integers(0, 9, 6) / 8):
        with limited(2):
            starts, classes = candidate_labels(place(rows), threshold)
        assert (starts.dtype, classes.dtype, len(starts)) == (np.int64, np.int16, 5001)
        wanted = np.broadcast_to(np.asarray(threshold, np.float32), 6)
        assert lists(starts, classes) == [sorted(candidates(row, wanted)) for row in rows.astype(np.float32)]  # type: ignore[arg-type]


def test_candidates_of_no_rows_and_of_many_classes() -> None:
    starts, classes = candidate_labels(np.empty((0, 3), np.float32), 0.5)
    assert (starts.tolist(), classes.tolist()) == ([0], [])
    starts, classes = candidate_labels(np.eye(3, 40_000, 39_998, np.float32), 0.5)
    assert classes.dtype == np.int32
    assert lists(starts, classes) == [[39_998], [39_999], []]
    weights = np.repeat([1.0, 0.0, 2.0], [10, 39_980, 10])
    found, served = adapt(np.arange(3), starts, classes, weights, 3, np.random.default_rng(0))
    assert sorted(zip(found.tolist(), served.tolist(), strict=True)) == [(0, 39_998), (1, 39_999), (2, -1)]


def test_candidates_of_parts_and_of_chosen_rows() -> None:
    rows = [[0, 2], [], [1], [0, 1, 2]]
    assert lists(*stacked([ragged(rows[:1]), ragged([]), ragged(rows[1:])])) == rows
    assert lists(*taken(*ragged(rows), np.array([3, 1, 0]))) == [rows[3], rows[1], rows[0]]
    assert taken(*ragged(rows), np.empty(0, np.int64))[0].tolist() == [0]

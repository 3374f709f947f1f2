"""Every function against the formula written out over all cuts (docs/algorithms.md, "Class lists")."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.kernels import class_lists
from altool.kernels.class_lists import (
    between,
    finding,
    lists,
    marks,
    nearest,
    ordered,
    position,
    ranks,
    shares,
    threshold,
    version_space,
    window,
)

POOLS = st.lists(
    st.sampled_from(
        [(1.0, 0.0, 0.0), (0.0, 1.0, -0.0), (0.5, 0.5, 0.0), (0.5, 0.25, 0.25), (0.2, 0.3, 0.5), (0.7, 0.3, -1e-7), (0.6, 0.1, 0.3)]
    ),
    min_size=1,
    max_size=30,
).map(lambda rows: np.array(rows, np.float32))
KEYS = st.lists(st.integers(0, 12), min_size=1, max_size=40).map(lambda keys: np.array(keys, np.uint64))


def listed(keys: np.ndarray) -> list[int]:
    return sorted(range(len(keys)), key=lambda row: (keys[row], row))


@st.composite
def labeled_lists(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys, the labeled rows among them, and whether each is of the class."""
    keys = draw(KEYS)
    marks = draw(st.lists(st.sampled_from([None, None, True, False]), min_size=len(keys), max_size=len(keys)))
    labeled = [row for row, mark in enumerate(marks) if mark is not None]
    return keys, np.array(labeled, np.int64), np.array([marks[row] for row in labeled], bool)


def losses(keys: np.ndarray, labeled: np.ndarray, is_class: np.ndarray) -> list[int]:
    """Of every cut 0..N the labeled rows on the wrong side."""
    place = {row: number for number, row in enumerate(listed(keys))}
    rows = list(zip(labeled.tolist(), is_class.tolist(), strict=True))
    return [sum((place[row] < cut) != own for row, own in rows) for cut in range(len(keys) + 1)]


@given(POOLS, POOLS, st.sampled_from([np.float32, np.float16]))
def test_lists_are_in_order_of_the_gap_then_the_probability_then_the_row(candidates: np.ndarray, others: np.ndarray, dtype: type) -> None:
    parts = candidates.astype(dtype), others.astype(dtype)
    classes, in_turn = lists(*parts)
    every = np.concatenate(parts).astype(np.float32).clip(0)
    assert classes.tolist() == [class_ for class_ in range(3) if (parts[0][:, class_] > 0).any()]
    for class_, keys in zip((2, 0, 1), in_turn(np.array([2, 0, 1])), strict=True):
        gaps = every.max(axis=1) - every[:, class_]
        expected = sorted(range(len(every)), key=lambda row: (gaps[row], -every[row, class_], row))
        assert listed(keys) == ordered(keys).tolist() == expected
        assert ranks(keys)[expected].tolist() == list(range(len(every)))
        assert [position(keys, row) for row in expected] == list(range(len(every)))


def test_columns_are_read_alike_in_groups_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 50).astype(np.float32)
    whole = list(lists(rows[:30], rows[30:])[1](np.arange(7)))
    monkeypatch.setattr(class_lists, "BLOCK", 7)
    monkeypatch.setattr(class_lists, "GROUP", 3)
    assert all(np.array_equal(*pair) for pair in zip(whole, lists(rows[:30], rows[30:])[1](np.arange(7)), strict=True))


def test_rows_that_are_predicted_alike_come_by_falling_probability() -> None:
    """Not in the order of the published code, whose second class comes out reversed (docs/algorithms.md, "Class lists")."""
    first = np.array([0.9, 0.8, 0.6, 0.4, 0.2, 0.1], np.float32)
    _, in_turn = lists(np.stack([first, 1 - first], axis=1))
    assert [listed(keys) for keys in in_turn(np.array([0, 1]))] == [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]]


@given(KEYS, st.integers(0, 12), st.integers(0, 12))
def test_between_takes_both_ends(keys: np.ndarray, low: int, high: int) -> None:
    assert between(keys, np.uint64(low), np.uint64(high)).tolist() == [row for row in listed(keys) if low <= keys[row] <= high]
    assert between(keys, None, None).tolist() == listed(keys)


@given(labeled_lists())
def test_the_version_space_lies_between_the_sure_rows(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    keys, labeled, is_class = case
    order = listed(keys)
    own = [place for place, row in enumerate(order) if row in labeled[is_class]]
    others = [place for place, row in enumerate(order) if row in labeled[~is_class]]
    before = [place for place in own if not others or place < others[0]]
    behind = [place for place in others if not own or place > own[-1]]
    first = before[-1] + 1 if before else 0
    last = behind[0] + 1 if behind else len(keys)
    assert first <= last
    assert version_space(keys, labeled, is_class).tolist() == order[first:last]


@given(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=1, max_size=30), st.data())
def test_the_window_gives_up_the_worse_end_row_by_row(given_marks: list[int], data: st.DataObject) -> None:
    size = len(given_marks)
    length = data.draw(st.integers(0, size))
    loss = [given_marks[:cut].count(-1) + given_marks[cut:].count(1) for cut in range(size + 1)]
    start, stop, from_stop = 0, size, True
    while stop - start > length:
        if loss[start] == loss[stop]:
            start, stop, from_stop = (start, stop - 1, False) if from_stop else (start + 1, stop, True)
        else:
            start, stop, from_stop = (start + 1, stop, True) if loss[start] > loss[stop] else (start, stop - 1, True)
    assert window(np.array(given_marks, np.int8), length) == start


@given(labeled_lists())
def test_the_threshold_has_the_least_loss_of_all_cuts_and_is_nearest_to_the_middle(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    loss = losses(*case)
    best = [cut for cut, value in enumerate(loss) if value == min(loss)]
    assert threshold(*case) == min(best, key=lambda cut: (abs(cut - Fraction(len(case[0]), 2)), cut))


@given(labeled_lists())
def test_the_least_loss_is_the_largest_difference_of_counts(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Equation 1: of the class less of others among the labeled rows before the cut."""
    keys, labeled, is_class = case
    order = listed(keys)
    difference = [sum((1 if is_class[labeled == row][0] else -1) for row in order[:cut] if row in labeled) for cut in range(len(keys) + 1)]
    assert difference[threshold(*case)] == max(difference)


@given(KEYS, st.data())
def test_the_nearest_rows_alternate_between_both_sides(keys: np.ndarray, data: st.DataObject) -> None:
    size = len(keys)
    cut, count = data.draw(st.integers(0, size)), data.draw(st.integers(0, size + 2))
    free = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    order = listed(keys)
    expected = []
    for step in range(size):
        expected += [order[place] for place in (cut - 1 - step, cut + step) if 0 <= place < size and free[order[place]]]
    assert nearest(keys, cut, free, count).tolist() == expected[:count]


@given(st.integers(0, 2000), st.integers(1, 100))
def test_shares_are_exact(total: int, parts: int) -> None:
    found = shares(total, parts).tolist()
    assert found == [total * (part + 1) // parts - total * part // parts for part in range(parts)]
    assert sum(found) == total


@given(POOLS, st.data())
def test_a_finding_says_where_the_class_ends(pool: np.ndarray, data: st.DataObject) -> None:
    known = np.array(data.draw(st.lists(st.sampled_from([-3, -2, -1, 0, 1, 2, 7]), min_size=len(pool), max_size=len(pool))))
    keys = next(lists(pool)[1](np.array([1])))
    found = finding(keys, known, 1)
    labeled = np.flatnonzero(known >= 0)
    rows = version_space(keys, labeled, known[labeled] == 1)
    assert found.threshold == threshold(keys, labeled, known[labeled] == 1)
    assert found.size == len(pool)
    assert listed(keys)[found.first : found.last] == rows.tolist()
    assert found.unlabeled == sum(known[row] in (-2, -3) for row in rows)
    last = pool[listed(keys)[found.threshold - 1]].clip(0) if found.threshold else None
    assert math.isnan(found.gap) if last is None else found.gap == last.max() - last[1]


def test_marks_tell_the_class_from_others_and_from_none() -> None:
    assert marks(np.array([1, 0, 9, -1, -2, -3]), 1).tolist() == [1, -1, -1, 0, 0, 0]

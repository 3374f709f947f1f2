"""galaxy against the definition of a path's middle, and what becomes of whole rounds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool import seeds
from altool.errors import InputError
from altool.strategies import galaxy
from altool.strategies.galaxy import next_place
from altool.strategies.registry import PENDING, SKIPPED
from altool.wrappers.ask import replay


def draws(seed: int = 0) -> Callable[..., np.random.Generator]:
    return partial(seeds.generator, seed, "test")


def in_list(answers: dict[int, int], size: int, class_: int = 1) -> tuple[int | None, bool]:
    places = np.array(sorted(answers), np.int64)
    return next_place(places, np.array([answers[place] for place in places], np.int64), class_, size)


def reference(answers: dict[int, int], size: int, class_: int = 1) -> tuple[int | None, bool]:
    """One row at a time, no pending ones: the shortest path through unasked rows between labels that differ, and its middle node."""
    labeled = [place for place in sorted(answers) if answers[place] >= 0]
    paths, cuts = [], []
    for left, right in pairwise(labeled):
        if (answers[left] == class_) != (answers[right] == class_):
            between = [place for place in range(left, right + 1) if place in (left, right) or place not in answers]
            if len(between) > 2:
                paths.append(between if answers[left] != class_ else between[::-1])
            else:
                cuts.append((left, right))
    if paths:
        shortest = min(paths, key=lambda path: (len(path), min(path)))
        return shortest[len(shortest) // 2], True  # of L + 1 nodes number (L + 1) // 2
    free = [place for place in range(size) if place not in answers]
    distances = [(abs(place - end), place) for place in free for cut in cuts for end in cut]
    return (min(distances)[1], False) if distances else (None, True)


@st.composite
def states(draw: st.DrawFn) -> tuple[dict[int, int], int]:
    size = draw(st.integers(2, 30))
    answers = draw(st.dictionaries(st.integers(0, size - 1), st.sampled_from([0, 1, 1, 2, SKIPPED]), max_size=size - 1))
    return answers, size


@pytest.mark.slow
@settings(max_examples=300)
@given(states())
def test_the_middle_of_the_shortest_path_or_the_row_nearest_to_a_cut(state: tuple[dict[int, int], int]) -> None:
    assert in_list(*state) == reference(*state)


def test_the_middle_is_counted_from_the_other_class() -> None:
    assert in_list({0: 1, 3: 0}, 9) == (1, True)  # of 3, 2, 1, 0 the third
    assert in_list({0: 0, 3: 1}, 9) == (2, True)
    assert in_list({2: 1, 3: 1, 4: 0, 5: SKIPPED}, 9) == (1, False)  # as far as 6: the one nearer to the start
    assert in_list({0: 1, 1: 1, 2: 0, 3: 0}, 9) == (4, False)
    assert in_list({0: 1, 4: 1}, 9) == (None, True)
    assert in_list({}, 9) == (None, True)


def test_open_questions_make_room_for_others() -> None:
    assert in_list({0: 1, 8: 0, 20: 1}, 30)[0] == 4
    assert in_list({0: 1, 4: PENDING, 8: 0, 20: 1}, 30)[0] == 14  # another path first
    assert in_list({0: 1, 4: PENDING, 8: 0, 14: PENDING, 20: 1}, 30)[0] == 2  # then the parts of the shortest
    assert in_list({0: 1, 2: PENDING, 4: PENDING, 8: 0}, 9)[0] == 6  # the widest part


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("cut", [1, 137, 600, 998])
def test_a_separable_list_is_bisected(parallel: int, cut: int) -> None:
    first = ((1000 - np.arange(1000)) / 1001).astype(np.float32)
    rows = np.stack([first, 1 - first], axis=1)
    truth = (np.arange(1000) >= cut).astype(np.int64)
    ends = np.array([0, 999])
    rest = np.arange(1, 999)
    found = replay(galaxy.ask(rows[rest], rows[ends], truth[ends], 60, draws(), parallel), truth[rest])
    steps = found.asked.search.nonzero()[0]
    assert len(steps) <= 11 * parallel  # log2 of 998, and in a batch as many wrong halves
    assert steps.tolist() == list(range(len(steps)))
    near = np.sort(rest[found.asked.rows[len(steps) :]])
    assert near[-1] - near[0] <= 60 + len(steps) or min(cut, 1000 - cut) < 60  # all around the cut
    assert {one.threshold for one in found.findings()} == {cut, 1000 - cut}


def test_without_opposite_labels_it_draws_at_random() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 500).astype(np.float32)
    found = replay(galaxy.ask(rows, rows[:0], np.empty(0, np.int64), 5, draws(), 5), np.zeros(500, np.int64)).asked
    assert (found.classes == -1).all()
    assert found.search.all()
    assert len(set(found.rows.tolist())) == 5


def test_classes_are_drawn_alike() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 600).astype(np.float32)
    held = rows[:40]
    found = replay(galaxy.ask(rows, held, held.argmax(axis=1), 400, draws(), 8), rows.argmax(axis=1)).asked
    assert (np.abs(np.bincount(found.classes, minlength=4) - 100) < 40).all()


def test_one_class_is_refused() -> None:
    with pytest.raises(InputError, match="two classes"):
        next(galaxy.ask(np.ones((4, 1), np.float32), np.ones((0, 1), np.float32), np.empty(0, np.int64), 2, draws(), 1))


def next_order_rows(label: list[int]) -> set[int]:
    """As the authors' code goes on where no unlabeled row lies between opposite labels: rows up to `order` places apart are joined, but for
    opposite labels, with the least order that joins some; the middles of the shortest paths. `label`: 1 the class, 0 another, -1 none."""
    size = len(label)

    def distances(own: int, order: int) -> dict[int, int]:
        found = {row: 0 for row in range(size) if label[row] == own}
        front = list(found)
        while front:
            row = front.pop(0)
            for other in range(max(0, row - order), min(size, row + order + 1)):
                if other not in found and {label[row], label[other]} != {0, 1}:
                    found[other] = found[row] + 1
                    front.append(other)
        return found

    for order in range(1, size):
        near, far = distances(1, order), distances(0, order)
        between = {row: near[row] + far[row] for row in range(size) if label[row] < 0 and row in near and row in far}
        if between:
            length = min(between.values())
            return {row for row, steps in between.items() if steps == length and far[row] == (length + 1) // 2}
    return set()


def test_after_the_cuts_it_asks_a_row_that_edges_of_the_next_order_lead_to() -> None:
    rng = np.random.default_rng(0)
    seen = 0
    while seen < 150:
        label = rng.integers(-1, 2, int(rng.integers(4, 12)))
        known = np.flatnonzero(label >= 0)
        turns = known[:-1][label[known[1:]] != label[known[:-1]]]
        if len(known) in (len(label), 0) or not len(turns) or (label[turns + 1] < 0).any():
            continue
        seen += 1
        place, search = galaxy.next_place(known, np.where(label[known] == 1, 0, 1), 0, len(label))
        assert not search
        assert place in next_order_rows(label.tolist())

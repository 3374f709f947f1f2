"""GALAXY (Zhang, Katz-Samuels and Nowak 2022): bisect between opposite labels in every class's list, then label next to the cuts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from altool.errors import InputError
from altool.kernels import class_lists
from altool.kernels.blocks import Matrix
from altool.strategies.registry import PENDING, UNASKED, Course, Question, Strategy


def ask(
    probabilities: Matrix,
    labeled_probabilities: Matrix,
    labels: np.ndarray,
    count: int,
    draw: Callable[..., np.random.Generator],
    parallel: int,
) -> Course:
    """One row at a time: a class at random, and in its list (as DIRECT's) the middle of the shortest path between opposite labels.

    A path leads from a row labeled with the class to the next labeled row, one of another class, or back; skipped rows are no part of
    it. Of L + 1 rows, counted from that of the other class, the middle is number (L + 1) // 2; ties go to the path nearer to the list's
    start. Where nothing unlabeled lies between opposite labels any more, it is the unlabeled row nearest to such a cut, ties to the one
    nearer to the start; in a list without opposite labels, a random row.

    Of `parallel` rows asked at once, each is for a class of its own draw, and goes by what it is not yet known: a path with fewer open
    questions comes first, and a path with some is bisected in the widest part between them. The paper asks for one row at a time.

    A class that no candidate can be of (probability 0) has no list. Raises InputError for one class.
    """
    if probabilities.shape[1] < 2:
        raise InputError("predictions: galaxy needs at least two classes, and there is one", "use random, or train with more classes")
    classes, in_turn = class_lists.lists(probabilities, labeled_probabilities)
    known = np.concatenate([np.full(len(probabilities), UNASKED, np.int32), labels.astype(np.int32)])
    seen = np.arange(len(probabilities), len(known))  # labeled before, or asked
    ranks: dict[int, np.ndarray] = {}

    def findings() -> list[class_lists.Finding]:
        return [class_lists.finding(keys, known, class_) for class_, keys in zip(classes.tolist(), in_turn(classes), strict=True)]

    def choose(step: int) -> tuple[int, int, bool]:
        rng = draw(step)
        class_ = int(rng.choice(classes))
        if class_ not in ranks:
            ranks[class_] = class_lists.ranks(next(in_turn(np.array([class_]))))
        places = ranks[class_][seen]
        order = np.argsort(places)
        place, search = next_place(places[order], known[seen[order]], class_, len(known))
        if place is None:
            return int(rng.choice(np.flatnonzero(known == UNASKED))), -1, search
        return int(np.flatnonzero(ranks[class_] == place)[0]), class_, search

    done, count = 0, min(count, len(probabilities))
    while done < count:
        before, batch = seen, []
        for step in range(done, min(done + parallel, count)):
            batch.append(choose(step))
            known[batch[-1][0]] = PENDING
            seen = np.append(seen, batch[-1][0])
        rows, classes_, search = (np.array(column) for column in zip(*batch, strict=True))
        reply = yield Question(rows, classes_.astype(np.int32), search)
        known[rows], seen = UNASKED, before
        if reply is None:
            break
        rows, answers = reply
        known[rows], seen = answers, np.concatenate([seen, rows])
        done += len(rows)
    return findings


def next_place(places: np.ndarray, answers: np.ndarray, class_: int, size: int) -> tuple[int | None, bool]:
    """The place in the list of `class_` to ask about, None if there are no opposite labels, and whether that searches for a cut.

    `places` (m,), increasing, are those of the rows that are labeled or asked, `answers` (m,) their class numbers, SKIPPED or PENDING;
    the list has `size` rows, and not all of them are asked.
    """
    labeled = np.flatnonzero(answers >= 0)
    is_class = answers[labeled] == class_
    turns = np.flatnonzero(is_class[1:] != is_class[:-1])
    if not len(turns):
        return None, True
    left, right = labeled[turns], labeled[turns + 1]
    free = places[right] - places[left] - (right - left)
    paths = np.flatnonzero(free)
    if len(paths):
        waiting = np.cumsum(answers == PENDING)
        path = paths[np.lexsort((free[paths], (waiting[right] - waiting[left])[paths]))[0]]
        inside = slice(left[path], right[path] + 1)
        return _middle(places[inside], answers[inside] == PENDING, from_start=not is_class[turns[path]]), True
    ends = np.flatnonzero(np.append(np.diff(places) > 1, True))  # of runs of neighbours
    starts = np.append(0, ends[:-1] + 1)
    run = np.searchsorted(ends, left)
    near = np.concatenate([places[starts[run]] - 1, places[ends[run]] + 1])
    distance = np.abs(near - np.concatenate([places[left], places[right]]))
    outside = (near < 0) | (near >= size)
    return int(near[np.lexsort((near, distance, outside))[0]]), False


def _middle(places: np.ndarray, pending: np.ndarray, *, from_start: bool) -> int:
    """The middle of the unasked places between the ends of `places`; of the parts that pending ones make, the widest, the first of two."""
    bounds = np.flatnonzero(np.concatenate([[True], pending[1:-1], [True]]))
    free = np.diff(places[bounds]) - np.diff(bounds)
    part = int(free.argmax())
    length = int(free[part]) + 1
    place = int(places[bounds[part]]) + ((length + 1) // 2 if from_start else length // 2)
    for skipped in places[bounds[part] + 1 : bounds[part + 1]]:
        place += int(skipped <= place)
    return place


STRATEGY = Strategy(
    name="galaxy",
    shape="ask",
    function=ask,
    takes=("probabilities", "labeled_probabilities", "labels", "count", "draw", "parallel"),
    summary="the rows between opposite labels in a class's list, then those next to such cuts",
    cold_start=True,
    paper="Zhang, Katz-Samuels and Nowak 2022",
)

"""DIRECT (Nuggehalli et al. 2023): find where each class ends in the list of the rows that look like it, then label next to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import numpy as np

from altool.errors import InputError
from altool.kernels import class_lists
from altool.kernels.blocks import Matrix
from altool.options import Option
from altool.strategies.registry import UNASKED, Course, Question, Strategy
from altool.text import count as plural


def ask(
    probabilities: Matrix,
    labeled_probabilities: Matrix,
    labels: np.ndarray,
    count: int,
    draw: Callable[..., np.random.Generator],
    parallel: int,
    *,
    direct_min_per_class: int | None = None,
) -> Course:
    """Algorithms 1 and 2: half of the round's budget searches, class by class, the other half goes next to the thresholds found.

    A class's list holds the candidates and the labeled rows by max p - p_k, those predicted k by falling p_k. The search gives each of K
    classes, in a random order, floor(count / 2K) labels, `parallel` at a time or a quarter of them if that is less, drawn from the version
    space (between the last row of the class before any other and the first of another behind all of the class), which is cut down after
    each batch to the part whose ends have the least loss, by the same factor every time so that one row would be left at the end. Then
    what is left of the budget is split evenly over the classes, in another random order: each takes the unlabeled rows nearest to its
    threshold as the labels put it by then.

    With `direct_min_per_class` M, where the search could not give each class as many, the count // 2M classes with the fewest labels get
    M each. A class that no candidate can be of (probability 0) has no list. Raises InputError for one class.
    """
    if probabilities.shape[1] < 2:
        raise InputError("predictions: direct needs at least two classes, and there is one", "use random, or train with more classes")
    classes, in_turn = class_lists.lists(probabilities, labeled_probabilities)
    known = np.concatenate([np.full(len(probabilities), UNASKED, np.int32), labels.astype(np.int32)])
    left = min(count, len(probabilities))

    def split(class_: int) -> tuple[np.ndarray, np.ndarray]:
        labeled = np.flatnonzero(known >= 0)
        return labeled, known[labeled] == class_

    def findings() -> list[class_lists.Finding]:
        return [class_lists.finding(keys, known, class_) for class_, keys in zip(classes.tolist(), in_turn(classes), strict=True)]

    def question(rows: np.ndarray, class_: int, search: bool) -> Question:
        course = (class_, search)
        return Question(rows, np.full(len(rows), class_, np.int32), np.full(len(rows), search), course)

    searched, share = _searched(classes, labels, left, direct_min_per_class)
    order = draw("search").permutation(searched) if share else searched[:0]
    at_once = min(parallel, _quarter(share))
    for class_, keys in zip(order.tolist(), in_turn(order), strict=True):
        space = class_lists.version_space(keys, *split(class_))
        factor = max(len(space), 1) ** (1 / ceil(share / at_once))
        due = share
        while due > 0:
            free = space[known[space] == UNASKED]
            rows = draw("search", class_, share - due).choice(free, min(at_once, due, len(free)), replace=False)
            reply = yield question(rows, class_, True)
            if reply is None:
                return findings
            rows, answers = reply
            if not len(rows):
                break
            known[rows] = answers
            due, left = due - len(rows), left - len(rows)
            length = ceil(len(space) / factor - 1e-9)
            start = class_lists.window(class_lists.marks(known[space], class_), length)
            space = space[start : start + length]

    dues = class_lists.shares(left, len(classes))
    order = draw("spend").permutation(classes)[dues > 0]
    for class_, keys, due in zip(order.tolist(), in_turn(order), dues[dues > 0].tolist(), strict=True):
        rows = class_lists.nearest(keys, class_lists.threshold(keys, *split(class_)), known == UNASKED, due)
        while due > 0:
            rows = rows[known[rows] == UNASKED]
            reply = yield question(rows[: min(parallel, due)], class_, False)
            if reply is None:
                return findings
            asked, answers = reply
            if not len(asked):
                break
            known[asked] = answers
            due -= len(asked)
    return findings


def _searched(classes: np.ndarray, labels: np.ndarray, count: int, least: int | None) -> tuple[np.ndarray, int]:
    """The classes that are searched, and how many labels each gets."""
    share = count // (2 * len(classes)) if len(classes) else 0
    if least is None or share >= least:
        return classes, share
    counts = np.bincount(labels, minlength=classes[-1] + 1)[classes]
    return np.sort(classes[np.argsort(counts, kind="stable")[: count // (2 * least)]]), least


def _quarter(share: int) -> int:
    """So many labels at once that a search of `share` labels takes four batches, and is cut down four times."""
    return max(1, ceil(share / 4))


def remark(given: Mapping[str, Any]) -> str:
    """What a budget means for the search, where that is not what the options say."""
    classes, count, parallel, least = given["probabilities"].shape[1], given["count"], given["parallel"], given.get("direct_min_per_class")
    numbers = np.arange(classes)
    searched, share = _searched(numbers, given["labels"][given["labels"] < classes], count, least)
    if not share or not len(searched):
        hint = "" if least else "; --direct-min-per-class M searches the rarest classes alone"
        return f"a budget of {count:,} is too small to search any of {plural(classes, 'class', 'classes')}{hint}"
    if _quarter(share) < parallel:
        return f"each class is searched with {plural(share, 'label')}, so {_quarter(share):,} at a time instead of --parallel {parallel:,}"
    return ""


STRATEGY = Strategy(
    name="direct",
    shape="ask",
    function=ask,
    takes=("probabilities", "labeled_probabilities", "labels", "count", "draw", "parallel"),
    summary="the rows next to where each class ends, which a search finds first",
    cold_start=True,
    remark=remark,
    paper="Nuggehalli et al. 2023",
    options=(Option("direct_min_per_class", int, help="Search the rarest classes only, with N labels each.", low=1, metavar="N"),),
)

"""From arrays to the rows that are chosen: a strategy and what is wrapped around it, for `select` and `simulate` alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from altool.engines.local import limited
from altool.kernels.blocks import take
from altool.kernels.top import order, top
from altool.strategies.registry import Question, Strategy
from altool.wrappers import ask
from altool.wrappers.diversify import diversify
from altool.wrappers.partition import pick_in_parts
from altool.wrappers.target_aware import adapt

PARALLEL = 20  # rows that a strategy asks about at once, if nothing is said
PER_ROW = ("probabilities", "features", "mutual_information", "ranks")  # arrays with one entry per candidate


@dataclass(frozen=True)
class Request:
    """What is to be chosen: `keywords` are the strategy's own options, `generator(*scope)` makes the local random generators.

    `class_weights` (K,) make it target-aware (TAAL): the strategy's queue (all candidates where it sorts, else `queue_size` of them, by
    default ten times the count) is re-ordered by them.
    """

    strategy: Strategy
    count: int
    generator: Callable[..., np.random.Generator]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    diversify: bool = False
    partitions: int | None = None
    class_weights: np.ndarray | None = None
    queue_size: int | None = None
    parallel: int = PARALLEL
    threads: int = 0


@dataclass(frozen=True)
class Choice:
    """int64 (n,) places among the candidates, first choice first, and of each a float64 score (higher is sooner), whether it was
    explored, and the class that it was taken for (int32; -1: none, in the order of the strategy alone; None where nothing is taken for a
    class). Of a strategy that asks also whether the search asked for it, and how far the round has come."""

    places: np.ndarray
    scores: np.ndarray
    explored: np.ndarray
    target_class: np.ndarray | None
    search: np.ndarray | None = None
    round: ask.Round | None = None


def choose(request: Request, candidates: int, arrays: Mapping[str, Any]) -> Choice:
    """min(count, n) of the candidates.

    `arrays` holds what the strategy takes (registry.Strategy); of a strategy that was run over a stream, its `scores` (n,). With
    `diversify` also `likeliest` (n,), the predicted classes; with class weights also `candidate_labels`, as wrappers.target_aware has
    them. A row that was picked, or re-ordered, scores minus its rank. For a strategy that asks, `answers` (n,) as wrappers.ask.replay has
    them, and `recorded`, the batches of its round, where it does not wait: the rows are those to be labeled now.
    """
    if request.strategy.shape == "ask":
        return _ask(request, arrays)
    strategy = request.strategy
    count = min(request.count, candidates)
    aware = request.class_weights is not None
    if strategy.shape == "pick":
        size = min(candidates, request.queue_size or 10 * count) if aware else count
        queue, explored = _pick(request, candidates, arrays, count, size)
        scores = None
    else:
        scores = arrays["scores"] if "scores" in arrays else _call(request, arrays, candidates, request.generator(), request.keywords)
        if request.diversify:
            queue = diversify(order(scores), arrays["likeliest"], candidates if aware else count)
        else:
            queue = order(scores) if aware else top(scores, count)
        explored = np.full(len(queue), strategy.source == "explore")
    target_class = None
    if request.class_weights is not None:
        fixed = explored if strategy.marks else None
        starts, classes = arrays["candidate_labels"]
        places, target_class = adapt(queue, starts, classes, request.class_weights, count, request.generator("target-aware"), fixed)
        explored = np.isin(places, queue[explored])
        queue, scores = places, None
    return Choice(queue, scores[queue] if scores is not None else -np.arange(1.0, count + 1), explored, target_class)


def asked(rows: Question, round_: ask.Round) -> Choice:
    """The choice of these rows of a round."""
    count = len(rows.rows)
    return Choice(rows.rows, -np.arange(1.0, count + 1), np.zeros(count, bool), rows.classes, rows.search, round_)


def _ask(request: Request, arrays: Mapping[str, Any]) -> Choice:
    given = {**arrays, "count": request.count, "draw": request.generator, "parallel": request.parallel}
    with limited(request.threads):
        course = request.strategy.function(*(given[name] for name in request.strategy.takes), **request.keywords)
        found = ask.replay(course, arrays["answers"], arrays.get("recorded"))
    return asked(found.now, found)


def _call(request: Request, arrays: Mapping[str, Any], count: int, rng: np.random.Generator, keywords: Mapping[str, Any]) -> Any:
    given = {**arrays, "count": count, "rng": rng}
    names = (*request.strategy.takes, *request.strategy.optional)
    return request.strategy.function(*(given.get(name) for name in names), **keywords)


def _pick(request: Request, candidates: int, arrays: Mapping[str, Any], count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 (size,) places in picking order, in parts with `partitions`, and whether each was explored."""
    strategy = request.strategy
    if not count:
        return np.empty(0, np.int64), np.empty(0, bool)

    def pick_part(places: np.ndarray, share: int, number: int) -> np.ndarray:
        part = {name: take(array, places) if name in PER_ROW else array for name, array in arrays.items()}
        keywords = dict(request.keywords)
        if "first" in keywords:  # belongs to one part
            first = keywords.pop("first")
            place = int(np.searchsorted(places, first))
            if place < len(places) and places[place] == first:
                keywords["first"] = place
        return _call(request, part, share, request.generator("part", number), keywords)

    with limited(request.threads):
        if strategy.marks:  # the batch is drawn first, so that its explored rows stay in it; the queue goes on behind it
            keywords = {**request.keywords, **({"queue_size": size} if size > count else {})}
            return _call(request, arrays, count, request.generator(), keywords)
        if request.partitions and size >= request.partitions:
            queue = pick_in_parts(pick_part, candidates, size, request.partitions, request.generator())
        else:
            queue = _call(request, arrays, size, request.generator(), request.keywords)
    return queue, np.full(len(queue), strategy.source == "explore")


def class_options(
    strategy: Strategy, labels: np.ndarray, query: list[int] | None, private: list[int] | None, behind: list[int] | None = None
) -> dict[str, list[int]]:
    """The class numbers that the strategy is given as `query_classes` and `private_classes`, as far as it knows these options.

    `labels` int64 (m,) are those of the labeled rows. By default the query classes are those `behind` their target, if that is known,
    else all labeled ones but the most common (ties: the smaller number is more common); the private ones are the labeled classes that
    are no query classes.
    """
    found, counts = np.unique(labels, return_counts=True)
    chosen: dict[str, list[int]] = {}
    if "query_classes" in strategy.options:
        rest = np.delete(found, counts.argmax()).tolist() if len(found) > 1 else found.tolist()
        chosen["query_classes"] = query if query is not None else behind if behind is not None else rest
    if "private_classes" in strategy.options:
        others = [class_ for class_ in found.tolist() if class_ not in chosen.get("query_classes", ())]
        chosen["private_classes"] = private if private is not None else others
    return chosen

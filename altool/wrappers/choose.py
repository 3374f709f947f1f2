"""From arrays to the rows that are chosen: a strategy and what is wrapped around it, for `select` and `simulate` alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from altool.engines.local import limited
from altool.kernels.blocks import alike, holds, take
from altool.kernels.top import order, top
from altool.strategies import registry
from altool.strategies.inputs import PER_CANDIDATE
from altool.strategies.registry import SUBSET_FACTOR, Account, Question, Strategy
from altool.wrappers import ask
from altool.wrappers.diversify import diversify, pseudo_classes
from altool.wrappers.partition import pick_in_parts
from altool.wrappers.target_aware import adapt, taken

THRESHOLD = 0.5  # share of a row's largest probability that makes a class a candidate (TAAL), if nothing is said
PARALLEL = 20  # rows that a strategy asks about at once, if nothing is said


@dataclass(frozen=True)
class Request:
    """What is to be chosen: `keywords` are the options of the strategy, and of one inside it; `generator(*scope)` makes the local random
    generators.

    `class_weights` (K,) make it target-aware (TAAL): the strategy's queue (all candidates where it sorts, else `queue_size` of them, by
    default ten times the count) is re-ordered by them. Of the options SUBSET_FACTOR is for `choose`. `sifted`: the candidates are the
    best of more, of which not all are equally good.
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
    sifted: bool = False


@dataclass(frozen=True)
class Choice:
    """int64 (n,) places among the candidates, first choice first, and of each a score (higher is sooner), whether it was
    explored, the class that it was taken for (int32; -1: none, in the order of the strategy alone; None where nothing is taken for a
    class), and what else the strategy tells of it (registry.Strategy, `marks`). Of a strategy that asks also whether the search asked for
    it, and how far the round has come. `account` is what the strategy tells of the whole. `tied` says why all candidates were equally
    good, so that their order is a random one ("": no)."""

    places: np.ndarray
    scores: np.ndarray
    explored: np.ndarray
    target_class: np.ndarray | None
    search: np.ndarray | None = None
    round: ask.Round | None = None
    marks: Mapping[str, np.ndarray] = field(default_factory=dict)
    account: Account | None = None
    tied: str = ""


def choose(request: Request, candidates: int, arrays: Mapping[str, Any]) -> Choice:
    """min(count, n) of the candidates.

    `arrays` holds what the strategy takes (registry.Strategy); of a strategy that was run over a stream, its `scores` (n,). With
    `diversify` also `likeliest` (n,), the predicted classes, and where the previous round's are to count `likeliest_before` (n,), -1 for
    rows that it did not score; with class weights also `candidate_labels`, as wrappers.target_aware has them. A row that was picked, or
    re-ordered, scores minus its rank. For a strategy that asks, `answers` (n,) as wrappers.ask.replay has them, and `recorded`, the
    batches of its round, where it does not wait: the rows are those to be labeled now.

    Rows tie by their scores as float32, as tables hold them, and go by place. But where all candidates are equally good they come in a
    random order: places are in id order, and an id often begins with the class.
    """
    if request.strategy.shape == "ask":
        return _ask(request, arrays)
    strategy = request.strategy
    if strategy.inner:
        return _around(request, candidates, arrays)
    count = min(request.count, candidates)
    aware = request.class_weights is not None
    tied, account = "", None
    marks: dict[str, np.ndarray] = {}
    if strategy.shape == "pick":
        size = min(candidates, request.queue_size or 10 * count) if aware else count
        queue, marks, account = _pick(request, candidates, arrays, count, size)
        explored = marks.pop("explored", np.full(len(queue), strategy.source == "explore"))
        tied, scores = _tie(request, arrays, candidates), None
        if tied:
            queue = _drawn(request, candidates)[queue]
    else:
        scores = arrays["scores"] if "scores" in arrays else _call(request, arrays, candidates, request.generator(), request.keywords)
        if "ranks" not in strategy.takes:  # beyond 2**24 not every rank has a float32 of its own
            scores = scores.astype(np.float32)
        subset = _subset(request, candidates, count)
        own = scores[subset]
        if len(own) > 1 and not request.sifted and alike(own):
            tied, queue = "have the same score", request.generator("ties").permutation(len(own))
        else:
            queue = order(own) if aware or request.diversify else top(own, count)
        if request.diversify:
            group = pseudo_classes(arrays["likeliest"], arrays.get("likeliest_before"))
            queue = diversify(queue, group[subset], len(own))
        queue = queue if aware else queue[:count]
        if not isinstance(subset, slice):
            queue = subset[queue]
        explored = np.full(len(queue), strategy.source == "explore")
    target_class = None
    if request.class_weights is not None:
        fixed = explored if "explored" in strategy.marks else None
        starts, classes = arrays["candidate_labels"]
        places, target_class = adapt(queue, starts, classes, request.class_weights, count, request.generator("target-aware"), fixed)
        explored = np.isin(places, queue[explored])
        if marks:
            by_place = np.argsort(queue)
            marks = {name: mark[by_place[np.searchsorted(queue, places, sorter=by_place)]] for name, mark in marks.items()}
        queue, scores = places, None
    told = scores[queue] if scores is not None else -np.arange(1.0, count + 1)
    return Choice(queue, told, explored, target_class, marks=marks, account=account, tied=tied)


def asked(rows: Question, round_: ask.Round) -> Choice:
    """The choice of these rows of a round."""
    count = len(rows.rows)
    return Choice(rows.rows, -np.arange(1.0, count + 1), np.zeros(count, bool), rows.classes, rows.search, round_)


def _ask(request: Request, arrays: Mapping[str, Any]) -> Choice:
    given = {**arrays, "count": request.count, "draw": request.generator, "parallel": request.parallel}
    answers, recorded = arrays["answers"], arrays.get("recorded")
    tied = _tie(request, arrays, len(answers))
    if tied:  # the strategy's n-th row is then the n-th that was drawn
        drawn = _drawn(request, len(answers))
        answers, recorded = answers[drawn], [replace(part, rows=drawn.argsort()[part.rows]) for part in recorded or ()]
    with limited(request.threads):
        course = request.strategy.function(*(given[name] for name in request.strategy.takes), **request.keywords)
        found = ask.replay(course, answers, recorded)
    if tied:
        found = replace(found, asked=replace(found.asked, rows=drawn[found.asked.rows]), now=replace(found.now, rows=drawn[found.now.rows]))
    return replace(asked(found.now, found), tied=tied)


def _tie(request: Request, arrays: Mapping[str, Any], candidates: int) -> str:
    """What leaves a strategy that picks or asks nothing to tell the candidates apart by, or "" (`Choice.tied`)."""
    strategy = request.strategy
    given = [name for name in (*strategy.takes, *strategy.optional) if name in PER_CANDIDATE and arrays.get(name) is not None]
    if candidates < 2 or not given:
        return ""
    if all(name != "vectors" and alike(arrays[name]) for name in given):
        return f"have the same {' and '.join(given)}"
    gradients = strategy.gradients or ("similarity" in strategy.option_names and request.keywords.get("similarity") != "features")
    if gradients and "probabilities" in given and holds(arrays["probabilities"], lambda rows: (rows == 0) | (rows == 1)):
        return "have probabilities of 0 and 1 only, and so gradients of 0"
    return ""


def _drawn(request: Request, candidates: int) -> np.ndarray:
    """int64 (n,): the candidates in a random order; but the row to pick first, if it is named, keeps its place."""
    drawn = request.generator("ties").permutation(candidates)
    if (first := request.keywords.get("first")) is not None:
        drawn[drawn == first], drawn[first] = drawn[first], first
    return drawn


def _around(request: Request, candidates: int, arrays: Mapping[str, Any]) -> Choice:
    """The choice of a strategy that is built around another one: all that wraps, and its scores, are those of the inner one."""
    strategy = registry.load(request.strategy.name)
    inner = request.strategy.wrapped
    found = Choice(np.empty(0, np.int64), np.empty(0), np.empty(0, bool), None)

    def hard(places: np.ndarray, count: int) -> np.ndarray:
        nonlocal found
        part, keywords = narrow(arrays, inner.own(request.keywords), places)
        parts = request.partitions if inner.shape == "pick" and "explored" not in inner.marks else None
        own = replace(request, strategy=inner, count=count, keywords=keywords, partitions=parts)
        found = choose(replace(own, generator=partial(request.generator, inner.name)), len(places), part)
        return places[found.places]

    keywords = strategy.own(request.keywords) | ({"partitions": request.partitions} if request.partitions else {})
    with limited(request.threads):
        places, marks = _call(replace(request, strategy=strategy), {**arrays, "hard": hard}, request.count, request.generator(), keywords)
    count, own = len(places), len(found.places)  # the inner one's come first
    explored, target_class = np.zeros(count, bool), None
    explored[:own] = found.explored
    if found.target_class is not None:
        target_class = np.full(count, -1, np.int32)
        target_class[:own] = found.target_class
    return Choice(places, -np.arange(1.0, count + 1), explored, target_class, marks=marks, tied=found.tied)


def narrow(arrays: Mapping[str, Any], keywords: Mapping[str, Any], places: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and options of some of the candidates alone: their increasing int64 `places`."""
    part: dict[str, Any] = {}
    for name, array in arrays.items():
        part[name] = array.part(places) if name == "vectors" else take(array, places) if name in PER_CANDIDATE else array
    if "candidate_labels" in part:
        starts, classes = part["candidate_labels"]
        part["candidate_labels"] = taken(starts, classes, places)
    own = dict(keywords)
    if "first" in own:  # belongs to one part
        first = own.pop("first")
        place = int(np.searchsorted(places, first))
        if place < len(places) and places[place] == first:
            own["first"] = place
    return part, own


def _subset(request: Request, candidates: int, count: int) -> Any:
    """The places that a score strategy may choose from: rising int64, or a slice where these are all."""
    factor = request.keywords.get(SUBSET_FACTOR.name, request.strategy.default(SUBSET_FACTOR.name) or 0)
    found = sample(request, candidates, factor * count)
    return slice(None) if found is None else found


def sample(request: Request, candidates: int, size: int) -> np.ndarray | None:
    """The rising int64 places of so many candidates drawn at random; None where that is none, or all of them."""
    return np.sort(request.generator("subset").choice(candidates, size, replace=False)) if 0 < size < candidates else None


def _call(request: Request, arrays: Mapping[str, Any], count: int, rng: np.random.Generator, keywords: Mapping[str, Any]) -> Any:
    given = {**arrays, "count": count, "rng": rng}
    names = (*request.strategy.takes, *request.strategy.optional)
    return request.strategy.function(*(given.get(name) for name in names), **function_options(keywords))


def function_options(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a strategy's function is given: all but SUBSET_FACTOR, which `choose` sees to."""
    return {name: value for name, value in keywords.items() if name != SUBSET_FACTOR.name}


def _pick(
    request: Request, candidates: int, arrays: Mapping[str, Any], count: int, size: int
) -> tuple[np.ndarray, dict[str, np.ndarray], Account | None]:
    """int64 (size,) places in picking order, in parts with `partitions`, and what the strategy tells of each, and of the whole."""
    strategy = request.strategy
    if not count:
        return np.empty(0, np.int64), {}, None

    def pick_part(places: np.ndarray, share: int, number: int) -> np.ndarray:
        part, keywords = narrow(arrays, request.keywords, places)
        return _call(request, part, share, request.generator("part", number), keywords)

    with limited(request.threads):
        if strategy.marks:  # the batch is drawn first, so that its explored rows stay in it; the queue goes on behind it
            keywords = {**request.keywords, **({"queue_size": size} if size > count else {})}
            given = {**arrays, "candidates": candidates}
            queue, marks, *account = _call(request, given, count, request.generator(), keywords)
            return queue, dict(marks), account[0] if account else None
        if request.partitions and size >= request.partitions:
            queue = pick_in_parts(pick_part, candidates, size, request.partitions, request.generator())
        else:
            queue = _call(request, arrays, size, request.generator(), request.keywords)
    return queue, {}, None


def class_options(
    strategy: Strategy, labels: np.ndarray, query: list[int] | None, private: list[int] | None, behind: list[int] | None = None
) -> dict[str, list[int]]:
    """The class numbers that the strategy is given as `query_classes` and `private_classes`, as far as it knows these options.

    The query classes are by default those of `query_classes`; the private ones are the labeled classes that are no query classes.
    """
    chosen: dict[str, list[int]] = {}
    if "query_classes" in strategy.option_names:
        chosen["query_classes"] = query_classes(labels, query, behind)
    if "private_classes" in strategy.option_names:
        others = [class_ for class_ in np.unique(labels).tolist() if class_ not in chosen.get("query_classes", ())]
        chosen["private_classes"] = private if private is not None else others
    return chosen


def query_classes(labels: np.ndarray, query: list[int] | None, behind: list[int] | None = None) -> list[int]:
    """The classes that more rows are wanted of: those that are named (`query`), else those `behind` their target, if that is known, else
    all classes of the `labels` int64 (m,) but the most common (ties: the smaller number is more common)."""
    found, counts = np.unique(labels, return_counts=True)
    rest = np.delete(found, counts.argmax()) if len(found) > 1 else found
    return query if query is not None else behind if behind is not None else rest.tolist()

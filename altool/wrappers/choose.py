"""From arrays to the rows that are chosen: a strategy and what is wrapped around it, for `select` and `simulate` alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from altool.engines.local import limited
from altool.kernels.blocks import take
from altool.kernels.top import order, top
from altool.strategies.registry import Strategy
from altool.wrappers.diversify import diversify
from altool.wrappers.partition import pick_in_parts

PER_ROW = ("probabilities", "features", "mutual_information", "ranks")  # arrays with one entry per candidate


@dataclass(frozen=True)
class Request:
    """What is to be chosen: `keywords` are the strategy's own options, `generator(*scope)` makes the local random generators."""

    strategy: Strategy
    count: int
    generator: Callable[..., np.random.Generator]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    diversify: bool = False
    partitions: int | None = None
    threads: int = 0


def choose(request: Request, candidates: int, arrays: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """int64 places among the candidates, first choice first, and float64 scores of these, higher is sooner; min(count, n) of each.

    `arrays` holds what the strategy takes (registry.Strategy); of a strategy that was run over a stream, its `scores` (n,). With
    `diversify` also `likeliest` (n,), the predicted classes. The score of a row that was picked is minus its rank.
    """
    count = min(request.count, candidates)
    if not count:
        return np.empty(0, np.int64), np.empty(0)
    if request.strategy.shape == "pick":
        return _pick(request, candidates, arrays, count), -np.arange(1.0, count + 1)
    scores = arrays["scores"] if "scores" in arrays else _call(request, arrays, candidates, request.generator(), request.keywords)
    chosen = diversify(order(scores), arrays["likeliest"], count) if request.diversify else top(scores, count)
    return chosen, scores[chosen]


def _call(request: Request, arrays: Mapping[str, Any], count: int, rng: np.random.Generator, keywords: Mapping[str, Any]) -> np.ndarray:
    given = {**arrays, "count": count, "rng": rng}
    names = (*request.strategy.takes, *request.strategy.optional)
    return request.strategy.function(*(given.get(name) for name in names), **keywords)


def _pick(request: Request, candidates: int, arrays: Mapping[str, Any], count: int) -> np.ndarray:
    """int64 (count,) places in picking order; in parts with `partitions`."""

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
        if request.partitions and count >= request.partitions:
            return pick_in_parts(pick_part, candidates, count, request.partitions, request.generator())
        return _call(request, arrays, count, request.generator(), request.keywords)


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

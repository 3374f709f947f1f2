"""Of near copies one a batch, over any strategy (docs/algorithms.md, "Near copies")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from altool.kernels.copies import BLOCK, alike, any_alike, units
from altool.strategies.inputs import Vectors
from altool.wrappers.choose import Choice, Request, choose, narrow

NOTHING = np.empty((0, 0))
# The digests of the contents of the candidates at these increasing places, None where there is none; and of the labeled rows.
Contents = Callable[[np.ndarray], tuple[Sequence[bytes | None], Sequence[bytes | None]]]


@dataclass(frozen=True)
class Likeness:
    """What near copies are told by: a cosine of `vectors` of at least the `threshold`, or equal `contents`; one of the two at least."""

    threshold: float
    vectors: Vectors | None = None
    contents: Contents | None = None


@dataclass
class LeftOut:
    """How many rows were left out as near copies of a labeled row, and of a row that was chosen before them."""

    labeled: int = 0
    batch: int = 0


@dataclass
class _Seen:
    """What no later row may be a copy of: unit vectors (m, D) and digests of the labeled rows, and of those chosen."""

    labeled: np.ndarray = field(default_factory=lambda: NOTHING)
    labeled_contents: set[bytes] = field(default_factory=set)
    chosen: np.ndarray = field(default_factory=lambda: NOTHING)
    contents: set[bytes] = field(default_factory=set)


def choose_unique(request: Request, candidates: int, arrays: Mapping[str, Any], likeness: Likeness) -> tuple[Choice, LeftOut]:
    """As `choose`, but without near copies: the first in the queue stays, and none of a labeled row does. Also how many were left out.

    The strategy chooses, copies are left out, and it is asked for what is missing among the candidates that nobody looked at, for twice as
    many each time, until the batch is full or no candidate is left. Without copies the choice is that of `choose`. Rows that a strategy
    draws as a random sample (`explored` among its marks) stay, copies or not, so that they remain one; what is left of a strategy that
    does nothing but draw is no sample of the pool any more, and not marked as explored.

    With tiers each tier is filled by itself. A strategy that asks and waits cannot be wrapped: its round follows from its answers.
    """
    strategy, seen, left_out = request.strategy, _Seen(), LeftOut()
    budgets = strategy.budgets if strategy.tiers else ""
    missing = np.array(request.keywords[budgets] if budgets else [request.count], np.int64)
    samples = "explored" in (*strategy.marks, *strategy.wrapped.marks)
    left, factor = np.arange(candidates), 1
    parts: list[Choice] = []
    while True:
        asked = np.minimum(missing * factor, len(left))
        own = {budgets: tuple(asked.tolist())} if budgets else {}
        whole = len(left) == candidates
        given, keywords = (arrays, request.keywords) if whole else narrow(arrays, request.keywords, left)
        part = choose(replace(request, count=int(asked.sum()), keywords={**keywords, **own}), len(left), given)
        places = left[part.places]
        tiers = part.marks["tier"] if budgets else np.zeros(len(places), np.int64)
        kept, looked = _walk(places, tiers, part.explored if samples else np.zeros(len(places), bool), missing, likeness, seen, left_out)
        explored = part.explored & samples
        parts.append(replace(_taken(part, kept), places=places[kept], explored=explored[kept]))
        left = np.setdiff1d(left, places[looked], assume_unique=True)
        if not missing.any() or not len(left) or not looked.any():
            break
        factor *= 1 if samples else 2  # a sample must not grow beyond its share
    return _joined(parts, request), left_out


def _walk(
    places: np.ndarray,
    tiers: np.ndarray,
    fixed: np.ndarray,
    missing: np.ndarray,
    likeness: Likeness,
    seen: _Seen,
    left_out: LeftOut,
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of a queue are kept, and which were looked at, boolean (k,) each. The `fixed` ones go first, and are no copies.

    `missing` (T,) rows of each tier are wanted: those that are kept are taken off it, and added to what is `seen`.
    """
    kept, looked = np.zeros(len(places), bool), np.zeros(len(places), bool)
    if not len(places):
        return kept, looked
    rows, contents = _read(places, likeness, seen)
    queue = np.concatenate([np.flatnonzero(fixed), np.flatnonzero(~fixed)])
    for start in range(0, len(queue), BLOCK):
        some = queue[start : start + BLOCK]
        vectors = rows[some]
        of_labeled = any_alike(vectors, seen.labeled, likeness.threshold)
        of_chosen = any_alike(vectors, seen.chosen, likeness.threshold)
        pairs = alike(vectors, vectors, likeness.threshold)
        for number, row in enumerate(some):
            if not missing[tiers[row]]:
                continue
            looked[row] = True
            content = contents[row]
            if not fixed[row] and (of_labeled[number] or content in seen.labeled_contents):
                left_out.labeled += 1
                continue
            if not fixed[row] and (of_chosen[number] or content in seen.contents):
                left_out.batch += 1
                continue
            kept[row] = True
            missing[tiers[row]] -= 1
            of_chosen |= pairs[number]
            if content is not None:
                seen.contents.add(content)
        new = vectors[kept[some] & vectors.any(axis=1)]
        seen.chosen = np.concatenate([seen.chosen, new]) if len(seen.chosen) else new
        if not missing.any():
            break
    return kept, looked


def _read(places: np.ndarray, likeness: Likeness, seen: _Seen) -> tuple[np.ndarray, Sequence[bytes | None]]:
    """The unit vectors (k, D) of these candidates, 0 where they have none, and the digests of their contents; both in their order."""
    order = np.argsort(places)
    rows: np.ndarray = np.zeros((len(places), 0))
    contents: list[bytes | None] = [None] * len(places)
    if likeness.vectors is not None:
        present = order[likeness.vectors.present[places[order]]]
        if len(present):
            found, labeled = likeness.vectors.read(places[present])
            rows = np.zeros((len(places), found.shape[1]))
            rows[present] = units(found)
            seen.labeled = units(labeled)
        else:
            rows = np.zeros((len(places), max(seen.chosen.shape[1], seen.labeled.shape[1])))
    if likeness.contents is not None:
        own, theirs = likeness.contents(places[order])
        for place, content in zip(order, own, strict=True):
            contents[place] = content
        seen.labeled_contents.update(content for content in theirs if content is not None)
    return rows, contents


def _taken(choice: Choice, mask: np.ndarray) -> Choice:
    """Those of the rows of a choice."""
    target_class = None if choice.target_class is None else choice.target_class[mask]
    marks = {name: values[mask] for name, values in choice.marks.items()}
    return replace(choice, places=choice.places[mask], scores=choice.scores[mask], target_class=target_class, marks=marks)


def _joined(parts: Sequence[Choice], request: Request) -> Choice:
    """One choice of several, one after another; by tiers where there are some. What is told of the whole is what the first one tells."""
    first = parts[0]
    parts = [part for part in parts if len(part.places)] or [first]
    order = np.arange(sum(len(part.places) for part in parts))
    if request.strategy.tiers:
        order = np.argsort(np.concatenate([part.marks["tier"] for part in parts]), kind="stable")
    target_class = None
    if any(part.target_class is not None for part in parts):
        none = [np.full(len(part.places), -1, np.int32) if part.target_class is None else part.target_class for part in parts]
        target_class = np.concatenate(none)[order]
    sorts = request.strategy.shape == "score" and request.class_weights is None
    return replace(
        first,
        places=np.concatenate([part.places for part in parts])[order],
        scores=np.concatenate([part.scores for part in parts]) if sorts else -np.arange(1.0, len(order) + 1),
        explored=np.concatenate([part.explored for part in parts])[order],
        target_class=target_class,
        marks={name: np.concatenate([part.marks[name] for part in parts])[order] for name in first.marks},
    )

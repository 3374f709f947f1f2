"""The candidates that a strategy is left to choose from: neighbours of labeled rows, a random sample, a shortlist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from altool.kernels.nearest import Nearest
from altool.simulation.from_model import Pool, State
from altool.simulation.plan import Run, class_names
from altool.wrappers.choose import Request, narrow, query_classes, sample
from altool.wrappers.shortlist import scorer, shortlist


def neighbours(
    pool: Pool, run: Run, nearest: Callable[[int], Nearest], candidates: np.ndarray, labeled: np.ndarray, labels: np.ndarray
) -> np.ndarray | None:
    """The rising int64 places of the candidates that are neighbours of labeled rows of the query classes (SEALS); None where the run wants
    no neighbours, or none of these rows is labeled yet. `nearest(number)` finds them in the pool, in which `candidates` and `labeled` are
    positions."""
    if run.within_neighbours is None:
        return None
    named = run.query_classes if run.query_classes is not None else run.options.get("query_classes")
    query = None if named is None else [pool.classes.index(name) for name in class_names(named)]
    mine = np.isin(labels, query_classes(labels, query))
    return np.flatnonzero(nearest(run.within_neighbours).of(labeled[mine])[candidates]) if mine.any() else None


def narrowed(
    run: Run, request: Request, state: State, arrays: dict[str, Any], near: np.ndarray | None
) -> tuple[dict[str, Any], np.ndarray]:
    """The arrays of the candidates that are left, and their rising int64 places among all. `near` are those of `neighbours`."""
    places = np.arange(len(state.candidates)) if near is None else near
    # As strategies with this option draw theirs.
    drawn = sample(request, len(places), (run.subset_factor or 0) * request.count)
    places = places if drawn is None else places[drawn]
    if len(places) < len(state.candidates):
        own = {"answers": arrays["answers"][places]} if request.strategy.shape == "ask" else {}
        arrays = narrow(arrays, {}, places)[0] | own
    if run.shortlist:
        best = shortlist(scorer(run.shortlist_by), run.shortlist, arrays, request.generator("shortlist"))
        arrays, places = narrow(arrays, {}, best)[0], places[best]
    return arrays, places

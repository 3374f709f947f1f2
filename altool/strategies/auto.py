"""The recommended rule: coverage weighted by uncertainty first, which hands over to margin with the predicted classes in turn.

Coverage is that of UHerding (Bae, Oliveira and Sutherland 2025), greedy over a kernel of the distance between vectors, with a radius that
follows the labels: the median distance to the nearest one. The boundary step is margin (Scheffer, Decomain and Wrobel 2001) with one row
per predicted class in each pass. No published strategy is the best from the first label to fifty a class; the share and the
constants below were measured on twelve sets of images and texts (docs/algorithms.md has the figures).
"""

from __future__ import annotations

import numpy as np

from altool.kernels.blocks import Matrix
from altool.kernels.top import order, turns
from altool.strategies import maxherding
from altool.strategies.inputs import Vectors
from altool.strategies.registry import Account, Strategy

COVERAGE, BOUNDARY, DRAWN = "coverage", "boundary", "random"  # the reasons
SHARE = 0.7  # the largest share of the boundary step
FROM, OVER = 3, 7  # labels a class from which on that step gets a share, and over how many more it grows
LEAST = 1e-6  # uncertainty of a row that the model is certain of
COPY = 1e-3  # a smaller distance to a labeled row is that of a copy
RADIUS = 0.05  # the least
AHEAD = 4096  # rows that coverage chooses at least for what re-orders a queue: as many as the least sample serves


def pick(
    count: int,
    candidates: int,
    rng: np.random.Generator,
    margin: np.ndarray | None,
    likeliest: np.ndarray | None,
    vectors: Vectors | None,
    labels: np.ndarray | None,
    *,
    queue_size: int = 0,
) -> tuple[np.ndarray, dict[str, np.ndarray], Account]:
    """int64 (min(count, n),) places, the `reason` that each was taken for, and an account of the round.

    Of the n `candidates`, `margin` float64 (n,) is p1 - p2 and `likeliest` int32 (n,) the class number, both None without a model;
    `labels` int64 (m,) are those of the labeled rows. `vectors` are read for a sample of the candidates and for the labeled rows alone.

    Without a model, or with labels of fewer than two classes, coverage chooses all rows, with a radius of 1 and equal weights
    (MaxHerding); without vectors the boundary step does; without vectors and a model rows are drawn at random. What coverage gains nothing
    by is left to the next step. `queue_size`, if more than count: so many places; those behind the batch are what would follow.
    """
    count = min(max(count, 0), candidates)
    size = min(max(count, queue_size), candidates)
    labels = np.empty(0, np.int64) if labels is None else labels
    classes = len(np.unique(labels))
    scored = margin is not None and likeliest is not None
    warm = scored and classes > 1
    have = np.flatnonzero(vectors.present) if vectors is not None else np.empty(0, np.int64)
    per_class = (len(labels) + count / 2) / max(classes, 1)
    share = SHARE * min(max((per_class - FROM) / OVER, 0.0), 1.0) if warm else 0.0
    covering = min(count - round(share * count), len(have))
    chosen, radius = np.empty(0, np.int64), None
    if vectors is not None and covering:
        uncertainty = np.maximum(1 - margin, LEAST) if warm and margin is not None else None
        ahead = min(round((1 - share) * size), max(covering, AHEAD), len(have)) if size > count else covering
        chosen, radius = maxherding.covering(vectors, uncertainty, ahead, rng, _reach if warm else _cold)
    batch = min(covering, len(chosen))
    rest = np.delete(np.arange(candidates), chosen[:batch])
    if margin is not None and likeliest is not None:
        queue = rng.permutation(rest) if (margin == margin[:1]).all() else rest[order(-margin[rest])]  # ids often begin with the class
        queue = queue[np.argsort(turns(likeliest[queue]), kind="stable")]
    else:
        queue = rng.permutation(rest)
    places, from_coverage = _merged(chosen, queue[:size], batch, count)
    reasons = np.where(from_coverage, COVERAGE, BOUNDARY if scored else DRAWN).astype(object)
    lines = []
    if vectors is None:
        lines.append(f"no features, so {'margin, with the predicted classes in turn,' if scored else 'chance'} chooses all rows")
    elif not warm:
        lines.append(f"no {'labels' if scored else 'model'} of two classes yet, so rows are chosen that cover the pool best")
    basis = [f"radius {radius:.2f}"] if radius is not None else []
    basis += [f"{per_class:.1f} labels a class"] if warm and len(have) else []
    facts = {"radius": radius, "labels_per_class": per_class if classes else None, "boundary_share": share if len(have) else float(scored)}
    return places[:size], {"reason": reasons[:size]}, Account(tuple(lines), ", ".join(basis), facts)


def _reach(labeled: Matrix, points: Matrix, cosines: np.ndarray) -> float:
    """The median distance of the unit `points` (E, D) to the nearest `labeled` one, whose `cosines` (E,) these are, copies left out; 1
    where none is labeled."""
    if not len(labeled):
        return 1.0
    distances = np.sqrt(np.maximum(2 - 2 * cosines.astype(np.float64), 0))
    distances = distances[distances >= COPY]
    return max(float(np.median(distances)), RADIUS) if len(distances) else RADIUS


def _cold(labeled: Matrix, points: Matrix, cosines: np.ndarray) -> float:
    return 1.0


def _merged(first: np.ndarray, second: np.ndarray, share: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Both lists in proportion `share` : `count` - `share`, so that any part of an unfinished batch has the same mix, each place once; and
    which are of the first."""
    keys = [
        (np.arange(len(places)) + 0.5) / part if part else np.arange(len(places)) + 2.0  # behind the batch, which ends at 1
        for places, part in ((first, share), (second, count - share))
    ]
    both = np.concatenate([first, second])
    by_key = np.argsort(np.concatenate(keys), kind="stable")
    _, earliest = np.unique(both[by_key], return_index=True)
    kept = by_key[np.sort(earliest)]
    return both[kept], kept < len(first)


STRATEGY = Strategy(
    name="auto",
    shape="pick",
    function=pick,
    takes=("count", "candidates", "rng"),
    optional=("margin", "likeliest", "vectors", "labels"),
    summary="the recommended rule: covers the pool first, then asks at the boundaries",
    paper="Bae, Oliveira and Sutherland 2025; Scheffer, Decomain and Wrobel 2001",
    cold_start=True,
    marks=("reason",),
    account=True,
    steers=True,
)

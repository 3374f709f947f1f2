"""TypiClust (Hacohen, Dekel and Weinshall 2022): the most typical row of each of the clusters that have fewest labels."""

from __future__ import annotations

import numpy as np

from altool.kernels import herding, kmeans
from altool.kernels.blocks import BLOCK, DEVICE_BLOCK, Matrix, gather, host, namespace
from altool.kernels.top import turns
from altool.strategies.registry import Strategy

CLUSTERS = 500  # at most
SMALL = 5  # rows of a cluster that is left out
NEIGHBOURS = 20
ROWS = 256  # of a cluster that k-means learns from
MEMBERS = 4096  # of a cluster that are looked at
SPARE = 20  # neighbours more than are wanted, for those that are picked


def pick(features: Matrix, labeled_features: Matrix, count: int, rng: np.random.Generator) -> np.ndarray:
    """The most typical rows of the clusters in turn, int64 (min(count, n),) positions.

    k-means parts the rows of `features` (n, D) and `labeled_features` (m, D), each over its length, into min(m + count, 500) clusters.
    Clusters with the fewest labeled rows come first, of these the larger ones; each gives a row in turn. A row's typicality is one over
    the mean distance to its min(20, half the rows) nearest rows among the cluster's candidates that are left. Clusters of 5 rows or fewer
    come behind all others. Ties go to the smaller position. Of more than 4,096 candidates of a cluster so many, drawn at random, are
    looked at, and k-means learns from 256 rows per cluster.
    """
    count = min(max(count, 0), len(features))
    if not count:
        return np.empty(0, np.int64)
    total, clusters = len(features) + len(labeled_features), min(len(labeled_features) + count, CLUSTERS)
    drawn = np.sort(rng.choice(total, min(total, ROWS * clusters), replace=False))
    inside = drawn[drawn < len(features)]
    sample = [gather(features, inside), gather(labeled_features, drawn[len(inside) :] - len(features))]
    centres = kmeans.learn([namespace(features).concatenate([herding.unit(rows) for rows in sample])], clusters, rng)
    del sample
    of_candidates, of_labeled = _cells(features, centres), _cells(labeled_features, centres)
    labeled = np.bincount(of_labeled, minlength=len(centres))
    free = np.bincount(of_candidates, minlength=len(centres))
    sizes = labeled + free
    large = np.lexsort((-sizes, labeled, sizes <= SMALL))
    grouped = np.split(np.argsort(of_candidates, kind="stable"), np.cumsum(free)[:-1])
    owners = np.repeat(large, np.minimum(free, count)[large])  # of the rows that clusters can give: all of the first cluster, then…
    turn, place = turns(owners), np.repeat(np.arange(len(large)), np.minimum(free, count)[large])
    first = np.lexsort((place, turn, sizes[owners] <= SMALL))[:count]
    owners, turn = owners[first], turn[first]
    shares = np.bincount(owners, minlength=len(centres))
    chosen = np.empty(count, np.int64)
    for cluster in np.flatnonzero(shares):
        members = grouped[cluster]
        if len(members) > MEMBERS:
            members = np.sort(rng.choice(members, max(MEMBERS, int(shares[cluster])), replace=False))
        picks = members[typical(host(herding.unit(gather(features, members))), int(shares[cluster]))]
        own = owners == cluster
        chosen[own] = picks[turn[own]]
    return chosen


def _cells(rows: Matrix, centres: np.ndarray) -> np.ndarray:
    """The number of the centre that is nearest to each of the `rows` over its length."""
    step = BLOCK if isinstance(rows, np.ndarray) else DEVICE_BLOCK
    parts = [kmeans.assign(herding.unit(rows[start : start + step]), centres)[0] for start in range(0, len(rows), step)]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def typical(rows: np.ndarray, count: int) -> np.ndarray:
    """The positions of the `count` most typical of the unit `rows` (s, D) one after another, each of what is left; int64 (count,)."""
    distances = rows @ rows.T
    distances[distances > 1 - herding.SAME] = 1
    np.sqrt(np.maximum(2 - 2 * distances, 0, out=distances), out=distances)
    np.fill_diagonal(distances, np.inf)
    left = np.ones(len(rows), bool)
    picks = []
    near = np.empty((len(rows), 0), np.int64)
    for step in range(count):
        rest = len(rows) - step
        wanted = min(NEIGHBOURS, rest // 2)
        if (left[near].sum(axis=1)[left] < wanted).any():
            width = min(len(rows) - 1, wanted + SPARE)
            distances[:, ~left] = np.inf
            near = np.argpartition(distances, width - 1, axis=1)[:, :width]
            near = np.take_along_axis(near, np.take_along_axis(distances, near, 1).argsort(axis=1, kind="stable"), 1)
        there = left[near]
        there &= there.cumsum(axis=1) <= wanted
        total = np.where(there, np.take_along_axis(distances, near, 1), 0).sum(axis=1, dtype=np.float64)
        typicality = np.where(left, 1 / (total / max(wanted, 1) + 1e-5), -np.inf)
        picks.append(int((typicality >= typicality.max() * (1 - 1e-6)).argmax()))
        left[picks[-1]] = False
    return np.array(picks, np.int64)


STRATEGY = Strategy(
    name="typiclust",
    shape="pick",
    function=pick,
    takes=("features", "labeled_features", "count", "rng"),
    summary="the most typical row of each of the clusters with fewest labels",
    paper="Hacohen, Dekel and Weinshall 2022",
    cold_start=True,
)

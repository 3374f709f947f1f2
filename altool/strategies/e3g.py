"""E3G (Kotian et al., section 3.1): epsilon-greedy between stratified random rows and the largest entropies."""

from __future__ import annotations

import math

import numpy as np

from altool.errors import InputError, UsageError
from altool.kernels import kmeans
from altool.kernels.blocks import Matrix, alike, host, walk
from altool.kernels.top import top
from altool.strategies import entropy
from altool.strategies.registry import Strategy

CLUSTERS = 100  # at most, by default
TOTAL_BUDGET = 6000  # labels in the paper's experiments, by default


def pick(
    features: Matrix,
    count: int,
    rng: np.random.Generator,
    probabilities: Matrix | None = None,
    labels: np.ndarray | None = None,
    *,
    e3g_decay: float | None = None,
    e3g_epsilon_min: float = 0.1,
    e3g_clusters: int | None = None,
    total_budget: int | None = None,
    queue_size: int = 0,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """int64 (min(count, n),) positions, and for each whether it was `explored`, boolean.

    Each place of the batch, independently, explores with probability `epsilon`, which falls with the number of labeled rows (`labels`,
    (m,); without labels all explore), else exploits. Explored rows are a random sample of all rows of `features` (n, D), proportionally
    from k-means clusters (`e3g_clusters`, by default the smaller of 100 and sqrt(n / 2)), in random order: each row is as likely to be
    in it as any other. Then the largest entropies of `probabilities` (n, K) among the other rows fill the other places, largest first,
    ties by position, or random ones where all have the same: a row of both arms is an explored one.

    `queue_size`, if more than count: so many positions; those after the batch go on by entropy, for TAAL to choose from.

    Raises InputError if rows are to be exploited without probabilities; UsageError as `epsilon`, and for no cluster.
    """
    if e3g_clusters is not None and e3g_clusters < 1:
        raise UsageError(f"--e3g-clusters {e3g_clusters}: give at least 1")
    share = epsilon(len(labels) if labels is not None else 0, e3g_decay, e3g_epsilon_min, total_budget)
    rows = len(features)
    count = min(max(count, 0), rows)
    size = min(max(count, queue_size), rows)
    if probabilities is None and (share < 1 or size > count):
        raise InputError("predictions: e3g exploits them, and there are none", "give --predictions; only without labels is all exploration")
    explored = np.zeros(size, bool)
    explored[:count] = rng.random(count) < share
    positions = np.empty(size, np.int64)
    sample = _explore(features, int(explored.sum()), e3g_clusters or min(CLUSTERS, math.isqrt(rows // 2)), rng)
    positions[explored] = sample
    if len(sample) < size and probabilities is not None:
        scores = _entropies(probabilities)
        if alike(scores):
            scores = rng.random(rows)
        scores[sample] = -np.inf
        positions[~explored] = top(scores, size - len(sample))
    return positions, {"explored": explored}


def epsilon(labeled: int, decay: float | None = None, least: float = 0.1, total_budget: int | None = None) -> float:
    """max(exp(-decay x labeled), least), the share of explored rows when so many rows have labels, the seed set included.

    Without `decay` (the paper tells none) the share comes down to `least` at `total_budget` labels, by default 6,000, and stays there.
    Raises UsageError for numbers out of range, `decay` beside `total_budget`, and neither when `least` is 0.
    """
    if not 0 <= least <= 1:
        raise UsageError(f"--e3g-epsilon-min {least}: give a share from 0 to 1")
    if decay is not None and total_budget is not None:
        raise UsageError("--total-budget means nothing beside --e3g-decay", "it sets the decay: leave one of them out")
    if decay is None:
        if total_budget is not None and total_budget < 1:
            raise UsageError(f"--total-budget {total_budget}: give at least 1")
        if least == 0:
            raise UsageError("--e3g-epsilon-min 0 is never reached", "give --e3g-decay, for example 0.0004")
        decay = -math.log(least) / (total_budget or TOTAL_BUDGET)
    elif not 0 <= decay < math.inf:
        raise UsageError(f"--e3g-decay {decay}: give a number from 0")
    return max(math.exp(-decay * labeled), least)


def _explore(features: Matrix, count: int, clusters: int, rng: np.random.Generator) -> np.ndarray:
    """`count` positions in random order: of a cluster of m rows, m x count / n rounded up or down, and every row with chance count / n.

    Systematic sampling: rows lie in a line, cluster by cluster and shuffled within, and every (n / count)th is taken from a random
    start. In integers, the chance is exact: start + n x number runs through n x count values, `count` of which fall on each row.
    """
    rows = len(features)
    if not count:
        return np.empty(0, np.int64)
    cluster = kmeans.fit(features, max(1, clusters), rng)[1]
    line = rng.permutation(rows)
    line = line[np.argsort(cluster[line], kind="stable")]
    return rng.permutation(line[(rng.integers(rows) + rows * np.arange(count)) // count])


def _entropies(probabilities: Matrix) -> np.ndarray:
    scores = np.empty(len(probabilities))

    def work(part: slice, block: Matrix) -> None:
        scores[part] = entropy.score(host(block))

    for _ in walk(work, probabilities):
        pass
    return scores


STRATEGY = Strategy(
    name="e3g",
    shape="pick",
    marks=("explored",),
    function=pick,
    takes=("features", "count", "rng"),
    optional=("probabilities", "labels"),
    options=("e3g_decay", "e3g_epsilon_min", "e3g_clusters", "total_budget"),
    summary="random rows of all clusters, and more and more the largest entropies",
    paper="Kotian et al. (TAAL); Slivkins 2019",
    cold_start=True,
)

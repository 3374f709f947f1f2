"""E3G (Kotian et al., section 3.1): epsilon-greedy between stratified random rows and the largest entropies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from altool.errors import InputError, UsageError
from altool.kernels import kmeans
from altool.kernels.blocks import Matrix, alike, host, walk
from altool.kernels.top import top
from altool.options import Option, Say
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

    Raises InputError if rows are to be exploited without probabilities.
    """
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
    """
    if decay is None:
        decay = -math.log(least) / (total_budget or TOTAL_BUDGET)
    return max(math.exp(-decay * labeled), least)


def rules(given: Mapping[str, Any], say: Say) -> None:
    """Raises UsageError for a decay beside a total budget, and for a least share of 0 that nothing but a decay comes down to."""
    if "e3g_decay" in given and "total_budget" in given:
        raise UsageError(f"{say('total_budget')} has no effect with {say('e3g_decay')}", "leave one of them out: the first sets the second")
    if given.get("e3g_epsilon_min") == 0 and "e3g_decay" not in given:
        text = f"{say('e3g_epsilon_min')}: expected a number above 0 without {say('e3g_decay')}, found 0"
        raise UsageError(text, "give a decay, as 0.0004")


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
    options=(
        Option("e3g_decay", float, help="How fast exploration falls per label.", low=0, shown="by --total-budget"),
        Option("e3g_epsilon_min", float, 0.1, "Least share of explored rows.", low=0, high=1),
        Option("e3g_clusters", int, help="Strata of exploration.", low=1, metavar="N", shown="sqrt(rows / 2), at most 100"),
        Option("total_budget", int, help="Labels at which the least share is reached.", low=1, metavar="N", shown="6000"),
    ),
    rules=rules,
    summary="random rows of all clusters, and more and more the largest entropies",
    paper="Kotian et al. (TAAL); Slivkins 2019",
    cold_start=True,
)

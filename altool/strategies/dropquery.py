"""DropQuery (Gupte et al. 2024): rows whose class changes when features are dropped, spread over clusters."""

from __future__ import annotations

import numpy as np

from altool import seeds
from altool.kernels import herding
from altool.kernels.blocks import Matrix, gather, host, walk
from altool.kernels.top import top
from altool.options import Option
from altool.strategies import kmeans
from altool.strategies.registry import Strategy

ROWS = 256  # for each pick that are clustered


def pick(
    features: Matrix,
    count: int,
    rng: np.random.Generator,
    head: tuple[np.ndarray, np.ndarray] | None,
    *,
    dropquery_masks: int = 3,
    dropquery_rate: float = 0.75,
) -> np.ndarray:
    """The nearest row to each of `count` k-means centres of the rows that disagree: int64 (min(count, n),), the largest cluster's first.

    `dropquery_masks` times each number of every row of `features` (n, D) is made 0 with the chance `dropquery_rate`, and the linear `head`,
    weights (K, D) and bias (K,), predicts its class. Candidates are the rows whose class then differs from that without dropping more
    often than not; of fewer than `count` such rows those that differ most often, ties by position. They are clustered by their unit
    vectors, 256 for each pick, drawn at random. Without a head all rows are candidates.
    """
    candidates = np.arange(len(features))
    count = min(max(count, 0), len(candidates))
    if head is not None:
        changes = disagreement(features, head, int(rng.integers(2**31)), dropquery_masks, dropquery_rate)
        often = np.flatnonzero(2 * changes > dropquery_masks)
        candidates = often if len(often) >= count else np.sort(top(changes.astype(np.float64), count))
    if len(candidates) > ROWS * count:
        candidates = np.sort(rng.choice(candidates, ROWS * count, replace=False))
    return candidates[kmeans.pick(herding.unit(gather(features, candidates)), count, rng)]


def disagreement(features: Matrix, head: tuple[np.ndarray, np.ndarray], seed: int, masks: int, rate: float) -> np.ndarray:
    """How often, of so many `masks`, the class of each row of `features` (n, D) changes: int64 (n,). Each block of rows has draws of its
    own, so that the threads do not matter."""
    weights, bias = (part.astype(np.float32) for part in head)
    found = np.zeros(len(features), np.int64)

    def work(part: slice, block: Matrix) -> None:
        rows = host(block)
        own = (rows @ weights.T + bias).argmax(axis=1)
        for mask in range(masks):
            kept = seeds.generator(seed, "mask", mask, part.start).random(rows.shape, np.float32) >= rate
            found[part] += ((rows * kept) @ weights.T + bias).argmax(axis=1) != own

    for _ in walk(work, features):
        pass
    return found


STRATEGY = Strategy(
    name="dropquery",
    shape="pick",
    function=pick,
    takes=("features", "count", "rng"),
    optional=("head",),
    summary="rows whose class changes when features are dropped, spread over clusters",
    paper="Gupte et al. 2024",
    cold_start=True,
    options=(
        Option("dropquery_masks", int, 3, "How many times features are dropped.", low=1, high=1000, metavar="M"),
        Option("dropquery_rate", float, 0.75, "Chance that a feature is dropped.", low=0, high=1),
    ),
)

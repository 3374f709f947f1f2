"""ProbCover (Yehuda et al. 2022): greedily the rows whose balls hold most rows that no ball of a labeled row holds."""

from __future__ import annotations

import math

import numpy as np

from altool.errors import InputError
from altool.kernels import kmeans
from altool.kernels.blocks import BLOCK, Matrix, fill, host, like, namespace
from altool.options import Option
from altool.strategies.inputs import Vectors
from altool.strategies.maxherding import cover
from altool.strategies.registry import Strategy


def pick(
    vectors: Vectors,
    count: int,
    rng: np.random.Generator,
    labels: np.ndarray | None,
    classes: int | None,
    *,
    probcover_radius: float | None = None,
    probcover_purity: float = 0.95,
    probcover_classes: int | None = None,
) -> np.ndarray:
    """Int64 (min(count, n),) places: always the row with most uncovered rows at a distance below the radius, those around labeled rows
    being covered; ties go to the smaller place.

    The distance is that of the rows over their lengths. Without `probcover_radius` the radius is the one of `pure`, with as many clusters
    as `probcover_classes`, else the `classes` of the run, else those of `labels` (m,). Of many rows samples are read, as `maxherding.cover`
    says. When all rows are covered the rest follows in random order. Raises InputError where fewer than two classes are known.
    """
    found = probcover_classes or max(classes or 0, len(np.unique(labels)) if labels is not None else 0)
    if probcover_radius is None and found < 2:
        raise InputError(
            f"probcover: its radius follows from the number of classes, found {found}, expected 2 or more",
            "give --probcover-classes N, --labels with two classes, or --probcover-radius",
        )

    def radius(labeled: Matrix, points: Matrix, cosines: np.ndarray) -> float:
        return probcover_radius or pure(namespace(points).concatenate([points, labeled]), found, probcover_purity, rng)

    return cover(vectors, None, count, rng, radius, "top-hat")


def pure(rows: Matrix, classes: int, purity: float, rng: np.random.Generator) -> float:
    """The largest radius at which that share of the balls around unit `rows` (n, D) has rows of one k-means cluster only, of as many
    clusters as there are `classes`.

    A ball, which is open, is pure up to the distance of the nearest row of another cluster: so the radius is one of these distances.
    At most 2, where there is one cluster.
    """
    clusters = like(kmeans.assign(rows, kmeans.learn([rows], classes, rng))[0], rows)
    best = np.full(len(rows), -1.0, np.float32)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        for first in range(0, len(rows), BLOCK):
            other = slice(first, first + BLOCK)
            cosines = rows[part] @ rows[other].T
            fill(cosines, clusters[part, None] == clusters[other], -1)
            np.maximum(best[part], host(namespace(cosines).amax(cosines, 1)), out=best[part])
    wanted = math.ceil(purity * len(rows) - 1e-9)
    return math.sqrt(max(0.0, 2 - 2 * float(np.sort(best)[max(wanted, 1) - 1])))


STRATEGY = Strategy(
    name="probcover",
    shape="pick",
    function=pick,
    takes=("vectors", "count", "rng"),
    optional=("labels", "classes"),
    summary="the rows whose neighbourhoods hold most rows that no labeled one's holds",
    paper="Yehuda et al. 2022",
    cold_start=True,
    options=(
        Option("probcover_radius", float, above=0, high=2, shown="by purity", help="Distance below which a row covers another."),
        Option("probcover_purity", float, 0.95, "Share of neighbourhoods of one cluster.", above=0, high=1),
        Option("probcover_classes", int, low=2, metavar="N", shown="classes of the run", help="Clusters that purity is measured by."),
    ),
)

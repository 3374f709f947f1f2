"""BAIT (Ash et al. 2021): the rows whose labels would tell most about the last layer, by Fisher information."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from altool.errors import InputError
from altool.kernels import fisher
from altool.kernels.blocks import BLOCK, Matrix, double, gather, host, like
from altool.options import Option
from altool.strategies.cluster_margin import least
from altool.strategies.registry import Strategy

WIDEST = 4_000  # classes x features: the search inverts and updates float64 matrices of so many rows and columns
CANDIDATES = 20_000
CARRIED = 2**22  # numbers: all candidates' class x class matrices together, of which three are carried
SAMPLE = 20_000


def pick(
    features: Matrix,
    probabilities: Matrix,
    labeled_features: Matrix,
    labeled_probabilities: Matrix,
    count: int,
    rng: np.random.Generator,
    *,
    bait_lambda: float = 1.0,
    bait_oversample: float = 2,
    bait_components: int | None = None,
) -> np.ndarray:
    """BAIT's forward-backward greedy search (kernels.fisher.forward_backward): int64 (min(count, n),) in the order of adding.

    A row of `features` (n, d) and `probabilities` (n, K) has the information I = sum over c of p_c g_c g_c^T, g_c = (onehot_c - p) (x) h.
    With m labeled rows, M = `bait_lambda` * identity + m / (m + count) * their mean information; each row that is added adds
    count / (m + count) * I (the authors' weights); F is the mean over candidates and labeled rows. What falls is tr(M^-1 F):
    ceil(`bait_oversample` * count) rows are added, then `count` are left.

    With `bait_components` the features are first turned to so many principal components. What is not the paper's: of a pool beyond
    20,000 rows (fewer with more than 14 classes, but never fewer than are added) only those of smallest margin are candidates, and F and
    the components are those of 20,000 rows drawn at random. Raises InputError for one class, and where K x d is more than 4,000.
    """
    rows, classes = probabilities.shape
    if classes < 2:
        raise InputError("predictions: bait needs two classes, and there is one", "use random, or name every class in --classes")
    width = min(features.shape[1], bait_components or features.shape[1])
    if classes * width > WIDEST:
        raise InputError(
            f"features: bait needs matrices of {classes} classes x {width} features = {classes * width} rows and columns, over {WIDEST}",
            f"give --bait-components {WIDEST // classes}" if classes <= WIDEST else "",
        )
    count = min(max(count, 0), rows)
    if not count:
        return np.empty(0, np.int64)
    most = min(rows, math.ceil(Fraction(str(bait_oversample)) * count))
    pairs = [(features, probabilities), (labeled_features, labeled_probabilities)]
    total, labeled = rows + len(labeled_features), len(labeled_features)
    drawn = np.arange(total) if total <= SAMPLE else np.sort(rng.choice(total, SAMPLE, replace=False))
    parts = [drawn[drawn < rows], drawn[drawn >= rows] - rows]
    turn = double if bait_components is None else _principal([features, labeled_features], parts, width)

    target = (_information(*pairs[0], parts[0], turn) + _information(*pairs[1], parts[1], turn)) / len(drawn)
    known = bait_lambda * np.eye(classes * width)
    if labeled:
        known += _information(*pairs[1], np.arange(labeled), turn) / (labeled + count)  # labeled / (labeled + count) times the mean
    limit = max(most, min(CANDIDATES, CARRIED // classes**2))
    candidates = np.arange(rows) if rows <= limit else np.sort(least(probabilities, limit, rng))
    chosen = fisher.forward_backward(
        host(turn(gather(features, candidates))),
        host(_distribution(gather(probabilities, candidates))),
        known,
        target,
        weight=count / (labeled + count),
        most=most,
        count=count,
    )
    return candidates[chosen]


def _information(features: Matrix, probabilities: Matrix, rows: np.ndarray, turn: Callable[[Matrix], Matrix]) -> np.ndarray:
    """The sum of the information of these rows, float64."""
    width = turn(features[:0]).shape[1] * probabilities.shape[1]
    total = np.zeros((width, width))
    for part in np.split(rows, range(BLOCK, len(rows), BLOCK)):
        total += fisher.information(turn(gather(features, part)), _distribution(gather(probabilities, part)))
    return total


def _principal(matrices: list[Matrix], parts: list[np.ndarray], components: int) -> Callable[[Matrix], Matrix]:
    """A function from a block of rows to their first principal components, those of the rows `parts` of the matrices."""
    width = matrices[0].shape[1]
    moment, total = np.zeros((width, width)), np.zeros(width)
    for matrix, rows in zip(matrices, parts, strict=True):
        for part in np.split(rows, range(BLOCK, len(rows), BLOCK)):
            block = double(gather(matrix, part))
            moment += host(block.T @ block)
            total += host(block.sum(0))
    count = sum(map(len, parts))
    centre = total / count
    axes = np.linalg.eigh(moment / count - np.outer(centre, centre))[1][:, ::-1][:, :components]
    return lambda block: (double(block) - like(centre, block)) @ like(np.ascontiguousarray(axes), block)


def _distribution(block: Matrix) -> Matrix:
    """Probabilities whose rows sum to 1 in float64."""
    wide = double(block)
    return wide / wide.sum(1)[:, None]


STRATEGY = Strategy(
    name="bait",
    shape="pick",
    function=pick,
    takes=("features", "probabilities", "labeled_features", "labeled_probabilities", "count", "rng"),
    options=(
        Option("bait_lambda", float, 1.0, "Regularisation.", above=0),
        Option("bait_oversample", float, 2.0, "How many times the budget is picked before rows are dropped.", low=1),
        Option("bait_components", int, help="Principal components to use.", low=1, metavar="N", shown="all features"),
    ),
    summary="the rows whose labels would tell most about the last layer",
    paper="Ash et al. 2021",
    gradients=True,
)

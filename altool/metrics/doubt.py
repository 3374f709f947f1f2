"""Which labels are most likely wrong (docs/algorithms.md, "Labels in doubt"): confident learning, and annotators who disagree.

Northcutt, Jiang, Chuang. *Confident learning: estimating uncertainty in dataset labels*. JAIR 70 (2021). The probabilities are out of
sample: of each row by a model that did not see its label.
"""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-6  # by so much a mean of equal float32 may miss them
NONE = -1  # the class of a row that is confidently of none


def thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 (K,): of each class j the mean probability of j over the rows labeled j (equation 2); infinite where no row is.

    `probabilities` float (n, K), `labels` int64 (n,) class numbers.
    """
    width = probabilities.shape[1]
    rows = np.bincount(labels, minlength=width)
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rows > 0, np.bincount(labels, own, width) / rows, np.inf)


def confident(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (n,): the class that each row is confidently of, `NONE` where it is of none: of the classes whose probability is at least their
    threshold, the likeliest (equation 1; of equal ones the first). What has no probability is of no class, whatever its threshold."""
    above = (probabilities >= thresholds(probabilities, labels) - ROUNDING) & (probabilities > 0)
    best = np.where(above, probabilities, -np.inf).argmax(axis=1)
    return np.where(above.any(axis=1), best, NONE).astype(np.int64)


def joint(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int64 (K, K), the confident joint (equation 1): how many rows labeled i are confidently of class j."""
    width = probabilities.shape[1]
    found = confident(probabilities, labels)
    sure = found != NONE
    return np.bincount(labels[sure] * width + found[sure], minlength=width * width).reshape(width, width)


def margins(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are in doubt, boolean (n,): those off the diagonal of the confident joint (section 3.2, method 2). And float64 (n,): how
    much likelier another class is than the row's label, the margin by which the paper ranks (section 3.2, method 4).

    The other class is the one that the row is confidently of, if that is not its label, else the likeliest but the label. Of a single class
    there is no other: no row is in doubt, and its margin is less the probability of its label.
    """
    rows = np.arange(len(labels))
    found = confident(probabilities, labels)
    doubted = (found != NONE) & (found != labels)
    own = probabilities[rows, labels].astype(np.float64)
    others = probabilities.copy()
    others[rows, labels] = 0
    other = np.where(doubted, found, others.argmax(axis=1))
    return doubted, others[rows, other].astype(np.float64) - own


def dissent(votes: np.ndarray, against: np.ndarray, total: np.ndarray) -> np.ndarray:
    """float64 (n,) from -1 to 0: by how many annotators the most frequent other class is ahead of the label, as a share of all of them; -1
    where all agree, 0 for a tie. int64 (n,): the `votes` for the label, the most `against` it for one class, and the `total`."""
    return (against - votes) / np.maximum(total, 1)


def scores(margin: np.ndarray, dissent: np.ndarray) -> np.ndarray:
    """float64 (n,): how much each label is in doubt, the higher the more: margin + 1 + dissent.

    The order is that of p(other class) - p(label) where p is the mean of two opinions, the model's probabilities and the annotators' shares
    of votes (a linear opinion pool; Stone 1961). Where the annotators agree it is the margin.
    """
    return margin + 1 + dissent

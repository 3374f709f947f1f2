"""What a VAAL's discriminator has learned, where the truth is known: whether it tells anything, and whether it listens to the ranker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# Of the candidates of a round: see `measure`. The last three are what TA-VAAL's Figure 7b draws, the correlations what its Figure 8 does.
MEASURES = (
    "discriminator_loss",
    "discriminator_accuracy",
    "rank_auc",
    "rank_correlation",
    "loss_correlation",
    "labeled_probability_low",
    "labeled_probability_median",
    "labeled_probability_high",
)


def measure(
    probability: np.ndarray,
    losses: np.ndarray,
    curve: Mapping[str, Sequence[float]],
    rank: np.ndarray | None = None,
    labeled_rank: np.ndarray | None = None,
) -> dict[str, float]:
    """By names of MEASURES, those that have a value: of n candidates with the labeled `probability` (n,) that the discriminator says, the
    real `losses` (n,) of the task learner and, where it has a ranker, its `rank` (n,), and of the labeled rows `labeled_rank` (m,).

    The discriminator's loss and accuracy are those of the last epoch of the `curve`. `rank_auc` is the chance that the rank of a candidate
    is above that of a labeled row, a tie being half: at 0.5 the rank tells them not apart. The correlations are Spearman's, of what is
    chosen first (the smallest probability) with the rank and the real loss. Low and high are the quantiles at 5 and 95 %.
    """
    found = {name: curve[name][-1] for name in MEASURES[:2]}
    if rank is not None and labeled_rank is not None:
        found |= {"rank_auc": area(rank, labeled_rank), "rank_correlation": rank_correlation(-probability, rank)}
    found["loss_correlation"] = rank_correlation(-probability, losses)
    found |= dict(zip(MEASURES[-3:], np.quantile(probability.astype(np.float64), [0.05, 0.5, 0.95]).tolist(), strict=True))
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of numbers (n,) with others (n,). NaN where one of them does not vary."""
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def area(above: np.ndarray, below: np.ndarray) -> float:
    """The chance that one of `above` (n,) is larger than one of `below` (m,), a tie being half: the area under the ROC curve."""
    from scipy.stats import rankdata

    sums = rankdata(np.concatenate([above, below]))[: len(above)].sum()
    return float((sums - len(above) * (len(above) + 1) / 2) / (len(above) * len(below)))

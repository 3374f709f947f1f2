"""Which targets are proved by a random holdout, however often it was looked at, and how many held-out rows would prove the others.

Over all looks of a project together, a class is called proved while it is below its target with a probability of at most 1 - `confidence`.
That risk is spent over the looks by a fixed schedule (alpha spending: Lan and DeMets 1983), R / (R + 10) of it in the first
R of them, and the looks' risks add up (union bound). That holds for every dependence between looks, and whatever is decided on them:

- A fixed holdout is no growing sample. Each look tests another model on the same rows, so that no confidence sequence over rows applies.
  Given the model, each row is right or wrong independently, and the exact binomial test holds (Clopper and Pearson 1934).
- A holdout that grows may have grown because of what a look showed, and then the number of rows is no longer independent of them. Within
  a look the test has to hold at any number of rows: the mixture of likelihood ratios over the shares above the target, a confidence
  sequence (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon 2021; Waudby-Smith and Ramdas 2024). It takes 1.3 to 2 times the rows.

Which of the two applies is only known at the look, so each has half of the look's risk. The models must not depend on the held-out rows:
what steers by their metrics (`select --weights-from auto` or `holdout`), or chooses among several models, is not accounted for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from altool.metrics.evaluation import SPECIFICITY
from altool.metrics.gaps import Aims

PROVED, ESTIMATE, NOT_YET = STATES = ("proved", "estimate", "not_yet")
CONFIDENCE = 0.95
HALF = 10  # looks that share half of the risk
# Recall at precision is proved at one of these, fixed in advance: a threshold chosen on the rows that it is measured on is flattered.
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
States = tuple[list[str | None], list[int | None]]  # of each class its state, and about how many of its held-out rows would prove it
MOST = 1e9  # rows; more are as good as none


@dataclass(frozen=True)
class Look:
    """A look at the holdout: its `number` from 1, and whether the holdout may have `grown` since the first."""

    number: int
    grown: bool
    confidence: float = CONFIDENCE

    @property
    def risk(self) -> float:
        """The probability with which this look may be wrong on a class, of each of the two tests."""
        return (1 - self.confidence) / 2 * HALF / ((self.number + HALF - 1) * (self.number + HALF))


@dataclass(frozen=True)
class Shares:
    """What reaches a class's target: in one of the rows of (A, P) alternatives, all P shares of `trials` that are `successes` (float64)
    reach their `goals`."""

    successes: np.ndarray
    trials: np.ndarray
    goals: np.ndarray


def shares(of_class: np.ndarray, called: np.ndarray, scores: np.ndarray, metric: str, target: float, at_precision: float) -> Shares:
    """The shares of a class's metric, from boolean (n,) rows `of_class`, boolean (n,) rows `called` as it, and its float (n,) `scores`.

    Recall, precision and accuracy are shares: of the rows that are of the class, that are predicted as it, and of all; specificity is one
    of the rows of other classes. F1 is none, but J = tp / (tp + fp + fn) is one, and F1 = 2J / (1 + J) rises with it. Recall at precision
    is two, at one of eight thresholds.
    """
    support = of_class.sum()
    if metric == "recall_at_precision":
        above = scores > np.array(THRESHOLDS)[:, None]
        tp = (above & of_class).sum(axis=1)
        trials = np.stack([np.full_like(tp, support), above.sum(axis=1)], axis=1)
        return _shares(np.stack([tp, tp], axis=1), trials, [target, at_precision])
    tp = (called & of_class).sum()
    successes, trials = {
        "f1": (tp, (called | of_class).sum()),
        "recall": (tp, support),
        "precision": (tp, called.sum()),
        "accuracy": ((called == of_class).sum(), len(called)),
        SPECIFICITY: ((~called & ~of_class).sum(), len(called) - support),
    }[metric]
    return _shares([[successes]], [[trials]], [target / (2 - target) if metric == "f1" else target])


def _shares(successes: object, trials: object, goals: object) -> Shares:
    counts = np.asarray(trials, np.float64)
    return Shares(np.asarray(successes, np.float64), counts, np.broadcast_to(np.asarray(goals, np.float64), counts.shape))


def proves(found: Shares, look: Look) -> bool:
    """Do lower bounds that hold at every look reach the goals? The alternatives share the look's risk; the parts of one need not, as it is
    wrong only where one part that is wrong is taken for proved."""
    log_risk = np.log(look.risk / len(found.trials))
    test = -log_evidence(found) if look.grown else log_tail(found)
    return bool(((test <= log_risk) | (found.goals <= 0)).all(axis=1).any())


def log_tail(found: Shares) -> np.ndarray:
    """The logarithm of the probability of as many successes or more, where each goal is just reached: at most a risk where the lower bound
    of Clopper and Pearson reaches the goal."""
    from scipy.special import betainc

    with np.errstate(divide="ignore"):
        tail = np.log(betainc(np.maximum(found.successes, 0.5), found.trials - found.successes + 1, found.goals))
    return np.where(found.successes > 0, tail, 0.0)


def log_evidence(found: Shares) -> np.ndarray:
    """The logarithm of the likelihood of the shares above each goal, on average, over that of the goal; successes need not be whole.

    With odds o = (1 - goal) / goal it is the integral of (1 + o u)^successes (1 - u)^failures over u from 0 to 1, which falls as the goal
    rises. Where the goal is missed, it is ever above c with a probability of at most 1 / c, at all numbers of trials together (Ville).
    """
    from scipy.special import betaincc, betaln, xlog1py, xlogy

    successes, failures, goal = found.successes, found.trials - found.successes, np.clip(found.goals, 1e-12, 1 - 1e-12)
    with np.errstate(divide="ignore"):
        above = betaln(successes + 1, failures + 1) + np.log(betaincc(successes + 1, failures + 1, goal))
    return np.where(found.goals < 1, above - np.log1p(-goal) - xlogy(successes, goal) - xlog1py(failures, -goal), -np.inf)


def rows_to_prove(found: Shares, support: int, look: Look) -> int | None:
    """About how many held-out rows of the class would prove the target at the next look, if all shares stay as they are; None where no
    alternative is above its goals, or it takes more than `MOST`. There are `support` > 0 rows of the class now."""
    log_risk = np.log(Look(look.number + 1, True, look.confidence).risk / len(found.trials))
    share = found.successes / np.maximum(found.trials, 1)
    able = ((share > found.goals) & (found.trials > 0)).all(axis=1)
    if not able.any():
        return None
    share, goals, trials = share[able], found.goals[able], found.trials[able]
    few, enough = np.zeros_like(share), np.full_like(share, MOST)  # the evidence is log-convex in the number of trials, and 1 for none
    for _ in range(60):
        middle = (few + enough) / 2
        proved = log_evidence(Shares(share * middle, middle, goals)) >= -log_risk
        few, enough = np.where(proved, few, middle), np.where(proved, middle, enough)
    needed = (np.ceil(np.round(enough, 6)) * support / trials).max(axis=1).min()
    return int(np.ceil(round(needed, 6))) if needed < MOST else None


def states(true: np.ndarray, probabilities: np.ndarray, aims: Aims, met: np.ndarray, look: Look | None) -> States:
    """Of each class one of STATES, and of those met by estimate `rows_to_prove`; None where priority 0 leaves the class out.

    `true` int64 (n,) class numbers of the measured rows, `probabilities` float (n, K), `met` boolean (K,) whether the estimate reaches the
    target. Without a `look` at a random holdout nothing is proved.
    """
    support = np.bincount(true, minlength=len(met))
    found: list[str | None] = [
        None if not priority else ESTIMATE if own else NOT_YET for own, priority in zip(met, aims.priorities, strict=True)
    ]
    needed: list[int | None] = [None] * len(met)
    if look is None:
        return found, needed
    predicted = probabilities.argmax(axis=1)
    for code in [code for code, state in enumerate(found) if state == ESTIMATE and support[code]]:
        target, at_precision = float(aims.targets[code]), aims.at_precision[code]
        own = shares(true == code, predicted == code, probabilities[:, code], aims.metrics[code], target, at_precision)
        if proves(own, look):
            found[code] = PROVED
        else:
            needed[code] = rows_to_prove(own, int(support[code]), look)
    return found, needed

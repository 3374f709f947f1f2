"""What labels cost: which answers verified a suggestion, what each kind takes, and what a budget of time pays for.

A person who finds the right suggestion only verifies it (c_v); one who finds a wrong one corrects it, or labels from scratch where
there is none (c_a, three to four times as much). The seed set and auto labels are free. (Beck et al., Beyond Active Learning, 2023,
section 3.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.metrics.intervals import wilson

KINDS = ("verified", "corrected", "scratch")
VERIFIED, CORRECTED, SCRATCH = range(3)
FREE = ("seed", "holdout", "auto")  # sources whose labels cost a round nothing
MOST = 2**31 - 1  # rows of a round: what their ranks, int32, can count
NONE = -1  # no label: skipped, or nothing suggested
UNMEASURED = np.array([1.0, 3.0, 3.0])  # c_v and c_a where they were not measured: the lower end of what the CLARIFIER paper saw


def kinds(answers: np.ndarray, suggested: np.ndarray) -> np.ndarray:
    """int8 (n,): the place in KINDS of each answer. `answers` and `suggested` are int (n,) class numbers, NONE for a skip or no suggestion.

    A skip is an answer from scratch: whoever skips has looked, and verified nothing.
    """
    found = np.where(answers == suggested, VERIFIED, CORRECTED)
    return np.where((answers == NONE) | (suggested == NONE), SCRATCH, found).astype(np.int8)


def medians(kind: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each kind the median of the `seconds` float (n,) that were measured (NaN: not), NaN without any: float64 (3,); and of how many.

    Medians, as in the paper: a tab that stays open over lunch is no labor.
    """
    timed = [seconds[(kind == place) & np.isfinite(seconds)].astype(np.float64) for place in range(len(KINDS))]
    return np.array([np.median(own) if len(own) else np.nan for own in timed]), np.array([len(own) for own in timed])


def means(kind: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """float64 (3,): of each kind the mean of the `seconds` that were measured, NaN without any; arguments as of `medians`."""
    timed = [seconds[(kind == place) & np.isfinite(seconds)].astype(np.float64) for place in range(len(KINDS))]
    return np.array([own.mean() if len(own) else np.nan for own in timed])


def ratio(values: Sequence[float | None]) -> float | None:
    """c_a : c_v of what a verified, a corrected and an answer from scratch take; None where one of them is unknown or the first is 0."""
    verified, corrected, scratch = values
    answer = scratch if corrected is None else corrected
    return None if not verified or answer is None else answer / verified


def prices(kind: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """float64 (3,): what an answer of each kind takes in seconds, as `medians` measured it.

    Corrections and answers from scratch are both c_a, so each stands in for the other where it was never timed; so does c_a for c_v,
    which it is an upper bound of. From verified answers alone nothing follows for the others, whose prices are then NaN.
    """
    verified, corrected, scratch = medians(kind, seconds)[0]
    corrected, scratch = (scratch if np.isnan(corrected) else corrected), (corrected if np.isnan(scratch) else scratch)
    verified = verified if np.isfinite(verified) or np.isnan(scratch) else scratch
    return np.array([verified, corrected, scratch])


def spent(counts: np.ndarray, price: np.ndarray) -> np.ndarray:
    """float64 (…,): the cost of `counts` int (…, 3) answers of each kind at `price` (3,); NaN where a kind that occurs has no price."""
    return np.where(counts > 0, counts * price, 0.0).sum(axis=-1)


def per_suggestion(price: np.ndarray, acceptance: np.ndarray) -> np.ndarray:
    """float64 (…,): the expected cost of an answer to a suggestion that is right with probability `acceptance` (…,)."""
    return acceptance * price[VERIFIED] + (1 - acceptance) * price[CORRECTED]


def affordable(budget: float, price: float) -> int:
    """How many answers at `price` > 0 a `budget` pays for; at most `MOST`."""
    return int(min(float(budget) / float(price), MOST) + 1e-9)  # 0.3 / 0.1 are 3


def tiers(
    price: np.ndarray,
    suggested: np.ndarray,
    accepted: np.ndarray,
    *,
    rows: int | None = None,
    seconds: float = 0.0,
    audit: int = 0,
    tolerance: float = 0.05,
) -> tuple[int, int, int]:
    """How many rows of CLARIFIER's hard, intermediate and easy tier, for `rows` in all, or for `seconds` of people's time.

    `price` (3,) is what an answer of each kind takes, `suggested` and `accepted` int (3,) the suggestions that people answered in each
    tier so far, and how many were right. `audit` of the easy rows go to people, to measure their precision; the rest are auto labels.

    - People's time is halved between hard and intermediate rows. A row of a tier takes `per_suggestion`, by the tier's acceptance so far
      (by Laplace's rule, (accepted + 1) / (suggested + 2): one half before the first answer). So the tier whose suggestions are right
      more often gets more rows, the more so the larger c_a : c_v is, which is what the paper's ablation asks for; beyond that nothing
      tells that a minute spent on one teaches more than a minute spent on the other.
    - Auto labels are free, so they are limited by the harm of wrong ones: capped so that, even at the lower end of the 95 % interval of
      their audited precision, errors stay below `tolerance` of the labels of these two tiers, and at most half as many as these. Without
      an audit the lower end is 0: `tolerance` times as many.

    The paper leaves the budgets open ("can be attenuated according to the accuracy of the auto-labeling", section 4); the rule is altool's.
    """
    hard, middle, easy = per_suggestion(price, (accepted + 1) / (suggested + 2))
    lowest = wilson(accepted[2:], suggested[2:])[0][0]
    ratio = min(tolerance / max(1 - lowest, 1e-12), 0.5)
    if rows is None:
        half = max(0.0, seconds - audit * easy) / 2
        people = [affordable(half, hard), affordable(half, middle)]
        return people[0], people[1], int(sum(people) * ratio + 1e-9) + audit
    left = max(0, rows - audit)
    auto = int(left * ratio / (1 + ratio) + 1e-9)
    share = round((left - auto) * middle / (hard + middle)) if hard + middle else (left - auto) // 2
    return share, left - auto - share, auto + min(audit, rows)


def break_even(price: np.ndarray) -> float:
    """The precision below which auto labels cost more than they give, of prices `price` (3,) as in `tiers`, corrections above 0.

    A right auto label spares a person verifying the suggestion (c_v); a wrong one has to be found and corrected (c_a). With precision q
    they come out even where q c_v = (1 - q) c_a. What a wrong label does to the model until then comes on top.
    """
    return float(price[CORRECTED] / (price[VERIFIED] + price[CORRECTED]))


def efficiency(base: np.ndarray, own: np.ndarray) -> np.ndarray:
    """float64 (n,): labeling efficiency, the costs `base` (n,) over the costs `own` (n,) of reaching the same level (NaN: not reached).

    1 where both are 0. NaN where it is not defined: a level is not reached, or one of them alone is free.
    """
    free = (base == 0) | (own == 0)
    ratio = np.divide(base, own, out=np.full(len(own), np.nan), where=~free)
    return np.where((base == 0) & (own == 0), 1.0, ratio)

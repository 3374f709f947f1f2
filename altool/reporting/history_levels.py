"""What a run needs to reach a level of the metric: labels, the annotators' time, and the cost, beside what the baseline needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from altool.metrics import cost
from altool.reporting.history_curves import Interval, interval
from altool.reporting.history_series import Series


@dataclass(frozen=True)
class Level:
    """What a run needs to reach a level of the metric. `labels` and `seconds` are None where not every repeat reaches it.

    `at_start` counts the repeats that were there with their first labels, so that they need at most those. The efficiencies are
    the baseline's labels (or seconds) over the run's, a geometric mean over the repeats that both have; None where one of these
    does not cross the level. Costs begin at 0, with the seed set: their efficiency is `cost.efficiency`, which is 1 where both runs
    are there at once.
    """

    level: float
    reached: int
    at_start: int
    labels: Interval | None
    seconds: Interval | None
    labels_efficiency: Interval | None
    seconds_efficiency: Interval | None
    cost: Interval | None = None
    cost_efficiency: Interval | None = None


def level_of(group: Sequence[Series], pairs: Sequence[tuple[Series, Series]], level: float) -> Level:
    """What the repeats of a `group` need to reach the `level`. `pairs` are those that the baseline has, too (own, the baseline's)."""
    needed = np.array([one.needed(level) for one in group])
    seconds = [_seconds(one, labels) for one, labels in zip(group, needed, strict=True)]
    reached = int((~np.isnan(needed)).sum())
    whole = reached == len(group)
    own, other = (np.array([pair[place].needed(level) for pair in pairs]) for place in (0, 1))
    inside = bool(pairs) and not any(one.begins_at(level) for pair in pairs for one in pair)  # what is reached at once has no number
    crossed = inside and not np.isnan(own + other).any()
    time = [
        np.array([_seconds(pair[place], labels) for pair, labels in zip(pairs, of, strict=True)]) for place, of in ((0, own), (1, other))
    ]
    timed = crossed and bool((time[0] > 0).all() and (time[1] > 0).all())
    costs = np.array([_cost(one, level) for one in group])
    ratios = cost.efficiency(*(np.array([_cost(pair[place], level) for pair in pairs]) for place in (1, 0)))
    return Level(
        level=level,
        reached=reached,
        at_start=sum(one.begins_at(level) for one in group),
        labels=interval(needed, (0, np.inf)) if whole else None,
        seconds=interval(seconds, (0, np.inf)) if whole and not np.isnan(seconds).any() else None,
        labels_efficiency=_ratio(other / own) if crossed else None,
        seconds_efficiency=_ratio(time[1] / time[0]) if timed else None,
        cost=interval(costs, (0, np.inf)) if not np.isnan(costs).any() else None,
        cost_efficiency=_ratio(ratios) if len(ratios) and not np.isnan(ratios).any() else None,
    )


def _seconds(one: Series, labels: float) -> float:
    """The annotators' time until so many labels; NaN where it is not known."""
    return float("nan") if one.seconds is None else float(np.interp(labels, one.labels, one.seconds))


def _cost(one: Series, level: float) -> float:
    """The cost until the level is reached for the first time; NaN where it never is, or costs are not known."""
    return float("nan") if one.cost is None else one.needed(level, one.cost)


def _ratio(ratios: np.ndarray) -> Interval:
    """The geometric mean of the ratios: twice as many in one repeat and half as many in another come to 1."""
    logs = interval(np.log(ratios))
    return Interval(*(None if end is None else float(np.exp(end)) for end in (logs.value, logs.low, logs.high)))  # type: ignore[arg-type]

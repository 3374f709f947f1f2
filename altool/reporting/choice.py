"""Which of the runs to take: the best, with what probability, and the labels that it saves against the baseline at an equal level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, permutations

import numpy as np

from altool.metrics import learning_curves
from altool.reporting.history_series import Series
from altool.text import count, visible

SURE = 0.975  # a run is told from the others where it is best with this probability: of two runs, where the 95 % interval leaves out 0
NAMED = 5  # as many runs as a sentence names


@dataclass(frozen=True)
class Saved:
    """The labels that `run` and `baseline` need to reach `level`, means over the repeats of both, and the share of them that the run
    saves, with its interval by a paired bootstrap (None for 1 repeat). The curves were measured at `measured` labels, from and to."""

    run: str
    baseline: str
    level: float
    labels: float
    baseline_labels: float
    share: float
    low: float | None
    high: float | None
    measured: tuple[int, int]
    repeats: int


@dataclass(frozen=True)
class Choice:
    """The `probabilities` that each run has the largest mean area, largest first; None where fewer than 2 `repeats` are shared by all.

    `candidates` are the runs that cannot be told apart: the fewest that hold the best with the probability SURE; one where it is told.
    """

    candidates: tuple[str, ...]
    probabilities: dict[str, float] | None
    repeats: int
    saved: Saved | None

    @property
    def told(self) -> bool:
        return len(self.candidates) == 1

    @property
    def text(self) -> str:
        """Which run to take, as a phrase."""
        repeats = count(self.repeats, "repeat")
        if self.probabilities is None:
            reason = f"from {repeats}" if self.repeats else "without a repeat that all runs share"
            return f"which run is best cannot be told {reason}; {visible(self.candidates[0])} has the largest area"
        shares = {name: _share(self.probabilities[name]) for name in self.candidates}
        if self.told:
            return f"take {visible(self.candidates[0])}: best with probability {shares[self.candidates[0]]} ({repeats})"
        named = [f"{visible(name)} ({share})" for name, share in shares.items()]
        if len(named) > NAMED:
            named[NAMED - 1 :] = [count(len(named) - NAMED + 1, "other run")]
        return f"which run is best cannot be told: {', '.join(named[:-1])} and {named[-1]} are within noise ({repeats})"

    def lines(self, metric: str) -> list[str]:
        """All that is said of the choice, in sentences without full stops. `metric` is its name as people read it."""
        if self.saved is None:
            return [self.text]
        saved = self.saved
        run, baseline = visible(saved.run), visible(saved.baseline)
        between = "" if saved.low is None or saved.high is None else f" (between {_fewer(saved.high)} and {_fewer(saved.low)})"
        basis = f"measured with {saved.measured[0]:,} to {saved.measured[1]:,} labels, {count(saved.repeats, 'repeat')}"
        numbers = f"{saved.labels:,.0f} labels instead of {saved.baseline_labels:,.0f}"
        return [self.text, f"{run} against {baseline}, at {metric} {saved.level:g}: {numbers}, {_fewer(saved.share)}{between}; {basis}"]


def _share(value: float) -> str:
    return "over 0.99" if value > 0.99 else "under 0.01" if value < 0.01 else f"{value:.2f}"


def _fewer(share: float) -> str:
    return f"{100 * abs(share):.0f} % {'fewer' if share >= 0 else 'more'}"


def choose(
    areas: Mapping[str, Mapping[int, float]],
    series: Mapping[str, Mapping[int, Series]],
    measured: tuple[int, int],
    baseline: str | None,
    levels: Sequence[float],
    generator: Callable[[], np.random.Generator],
) -> Choice | None:
    """The choice among two runs or more; None for one. `areas` and `series` are by run and repeat, larger areas are better; the savings
    are at the highest of `levels` that all curves cross, without any at the highest that they do. `generator` as for `summarize`."""
    if len(areas) < 2:
        return None
    shared = sorted(set.intersection(*(set(own) for own in areas.values())))
    chances = None
    means = {name: float(np.mean([own[number] for number in shared or own])) for name, own in areas.items()}
    if len(shared) > 1:
        matrix = np.array([[own[number] for own in areas.values()] for number in shared])
        chances = dict(zip(areas, learning_curves.best(matrix, generator()).tolist(), strict=True))
    ranked = sorted(areas, key=lambda name: (-(chances or means)[name], -means[name], name))
    candidates = tuple(ranked)
    if chances is not None:
        sums = list(accumulate(chances[name] for name in ranked))
        candidates = tuple(ranked[: 1 + next(place for place, total in enumerate(sums) if total >= SURE or total == sums[-1])])
        chances = {name: chances[name] for name in ranked}
    first = ranked[0]
    saved = None if baseline is None or first == baseline else _saved(first, baseline, series, measured, levels, generator)
    return Choice(candidates, chances, len(shared), saved)


def _saved(
    run: str,
    baseline: str,
    series: Mapping[str, Mapping[int, Series]],
    measured: tuple[int, int],
    levels: Sequence[float],
    generator: Callable[[], np.random.Generator],
) -> Saved | None:
    """What the run saves; None where there is no level that every repeat of both crosses within the labels `measured`."""
    shared = sorted(set(series[run]) & set(series[baseline]))
    pairs = [(series[run][number], series[baseline][number]) for number in shared]
    both = [one for pair in pairs for one in pair]
    if not both:
        return None
    begin = max(float(one.value[0]) for one in both)
    end = min(float(one.value[one.labels <= measured[1]].max(initial=0)) for one in both)
    level = max((level for level in levels or [learning_curves.rounded_down(end)] if begin < level <= end), default=None)
    return None if level is None else _saving(run, baseline, pairs, level, measured, generator)


def savings(
    series: Mapping[str, Mapping[int, Series]],
    levels: Sequence[float],
    measured: tuple[int, int],
    generator: Callable[[], np.random.Generator],
) -> list[Saved]:
    """What each run saves against each other at each of the `levels`, where all repeats that both have cross it."""
    found = []
    for level in levels:
        for run, other in permutations(series, 2):
            pairs = [(series[run][number], series[other][number]) for number in sorted(set(series[run]) & set(series[other]))]
            crossed = [not one.begins_at(level) and not np.isnan(one.needed(level)) for pair in pairs for one in pair]
            if crossed and all(crossed):
                found.append(_saving(run, other, pairs, level, measured, generator))
    return found


def _saving(
    run: str,
    baseline: str,
    pairs: Sequence[tuple[Series, Series]],
    level: float,
    measured: tuple[int, int],
    generator: Callable[[], np.random.Generator],
) -> Saved:
    """What the run saves at a level that all of the `pairs`, its series and the baseline's, reach."""
    own, other = (np.array([pair[place].needed(level) for pair in pairs]) for place in (0, 1))
    ratio, low, high = learning_curves.paired_ratio(own, other, generator())
    known = not np.isnan(low)
    return Saved(
        run=run,
        baseline=baseline,
        level=level,
        labels=float(own.mean()),
        baseline_labels=float(other.mean()),
        share=1 - ratio,
        low=1 - high if known else None,
        high=1 - low if known else None,
        measured=measured,
        repeats=len(pairs),
    )

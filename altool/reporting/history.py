"""What was tried, compared, as plain data: areas under learning curves, labels needed, differences from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from altool.metrics import cost, learning_curves
from altool.metrics.stopping import Gain, gain
from altool.reporting.choice import Choice, choose
from altool.reporting.content import SHORT
from altool.reporting.history_series import CLASS_METRIC, FALLING, PROJECT, Series
from altool.reporting.stopping import next_labels
from altool.text import count, visible

SCOPES = ("all", "head", "tail")
OVER = {"labels": "the range of labels", "log": "the logarithm of the labels, so that every doubling of them weighs the same"}
NEGLIGIBLE = learning_curves.ROUNDING  # points of area


@dataclass(frozen=True)
class Interval:
    """A mean over repeats: from 3 on with Student's 95 % interval, of 2 with the smaller and the larger, of 1 alone."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """The mean over repeats at each count of labels, and its band as in `Interval`."""

    labels: list[int]
    value: list[float]
    low: list[float] | None
    high: list[float] | None


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


@dataclass(frozen=True)
class Difference:
    """The area less the baseline's, in points, over the `repeats` that both have, and its interval by a paired bootstrap (None for 1)."""

    value: float
    low: float | None
    high: float | None
    repeats: int
    verdict: str  # better, worse, no difference or unknown
    needed: int | None = None  # repeats that such a difference needs to be told (learning_curves.repeats_needed)
    joint: tuple[float, float] | None = None  # the interval that holds for all runs at once; None for 1 repeat


@dataclass(frozen=True)
class Run:
    """What one run came to. Areas, values and curves are by scope; `shares` are the classes' shares of the labels at the end; `costs`
    the mean costs at the label counts of the curve of all classes."""

    name: str
    repeats: int
    area: dict[str, Interval]
    final: dict[str, Interval]
    curves: dict[str, Curve]
    class_curves: dict[str, Curve]
    levels: list[Level]
    shares: dict[str, float] | None
    tail_share: float | None
    entropy: Interval | None
    difference: dict[str, Difference] | None  # None: it is the baseline, there is none, or they have no repeat in common
    costs: list[float] | None = None


@dataclass(frozen=True)
class History:
    """All runs, the largest area first. `labels` is the range of label counts that all of them cover."""

    metric: str
    labels: tuple[int, int]
    uneven: bool  # do the label counts of the curves differ?
    classes: tuple[str, ...]
    tail: tuple[str, ...]
    baseline: str | None
    runs: list[Run]
    choice: Choice | None = None  # of one run there is none
    area_over: str = "labels"  # or "log": their logarithm
    own_tails: bool = False  # has each repeat a pool, and so a tail, of its own? `tail` is then that of all pools together
    gain: Gain | None = None  # of the project's own rounds, if they are among the runs
    prices: tuple[float, float] | None = None  # of a verified answer, and of any other

    @property
    def scopes(self) -> tuple[str, ...]:
        return SCOPES if self.tail else SCOPES[:1]

    @property
    def repeats(self) -> list[int]:
        return sorted({run.repeats for run in self.runs})

    @property
    def basis(self) -> str:
        """One sentence: what is compared."""
        low, high = self.labels
        repeats = count(self.repeats[0], "repeat") if len(self.repeats) == 1 else f"{self.repeats[0]:,} to {self.repeats[-1]:,} repeats"
        return f"{metric_name(self.metric)} from {low:,} to {high:,} labels; {count(len(self.runs), 'run')} of {repeats}"

    @property
    def caution(self) -> str:
        """The caveat of the range; empty if there is none."""
        low, high = self.labels
        text = f"the label counts of the curves differ: compared from {low:,} to {high:,} labels, by straight lines between counts"
        return text if self.uneven else ""

    @property
    def notes(self) -> list[str]:
        """What the intervals and columns mean."""
        intervals = {1: "none for 1 repeat", 2: "the smaller and the larger value of 2 repeats"}
        shown = [intervals.get(number, "Student's t, 95 %, over repeats") for number in self.repeats]
        notes = [
            f"intervals: {'; '.join(dict.fromkeys(reversed(shown)))}",
            f"area: under the learning curve over {OVER[self.area_over]}, in percent; entropy: of the classes' shares of the labels at the"
            f" end, in nats (all alike: {np.log(max(1, len(self.classes))):.2f})",
        ]
        if self.metric in FALLING:
            notes.append("shortfall: what the classes lack of their targets, on average; less is better")
        if self.prices:
            notes.append(
                f"cost: {self.prices[0]:g} for an answer that verified the suggestion, {self.prices[1]:g} for any other; the seed set and"
                " auto labels are free"
            )
        if self.tail:
            metric = metric_name(CLASS_METRIC.get(self.metric, self.metric))
            notes.append(
                f"head and tail: mean {metric} of {len(self.classes) - len(self.tail)} and {count(len(self.tail), 'class', 'classes')};"
                " tail labels: the tail's share of the labels at the end"
                + ("; each repeat has a pool of its own, and its rarest classes are its tail" if self.own_tails else "")
            )
        return notes

    def summary(self) -> dict[str, Any]:
        """Everything but the classes' curves as one JSON object."""
        content = asdict(self)
        del content["uneven"]
        content["labels"] = list(self.labels)
        content["caution"] = self.caution
        content["tail"] = () if self.own_tails else self.tail
        content["class_metric"] = CLASS_METRIC.get(self.metric, self.metric)
        for run in content["runs"]:
            del run["class_curves"]
        return content

    def verdicts(self) -> Iterator[tuple[str, str, str]]:
        """Per run other than the baseline and scope, its difference from the baseline in words."""
        if self.baseline is None:
            return
        for run in self.runs:
            if run.difference is None and run.name != self.baseline:
                yield run.name, "all", f"no repeat in common with {visible(self.baseline)}"
            for scope, found in (run.difference or {}).items():
                yield run.name, scope, _verdict(found, visible(self.baseline))

    @property
    def advice(self) -> list[str]:
        """Which run to take, what it saves, and what the next labels of a project bring, in sentences without full stops."""
        name = metric_name(self.metric)
        return [*(self.choice.lines(name) if self.choice else []), *([f"{PROJECT}: {next_labels(self.gain, name)}"] if self.gain else [])]

    @property
    def result(self) -> str:
        """The verdicts counted, as the end of a sentence."""
        found = [run.difference["all"].verdict for run in self.runs if run.difference]
        if self.baseline is None or not found:
            return ""
        counts = ((kind, found.count(kind)) for kind in ("better", "worse", "no difference", "unknown"))
        words = {"no difference": "without a detectable difference", "unknown": "without an interval"}
        text = ", ".join(f"{number} {words.get(kind, kind)}" for kind, number in counts if number)
        return f"; against {visible(self.baseline)}: {text}"


def metric_name(metric: str) -> str:
    """How people read a metric's name."""
    return SHORT.get(metric, "R@P")


def summarize(
    found: Sequence[Series],
    classes: tuple[str, ...],
    metric: str,
    shared: tuple[int, int],
    *,
    baseline: str | None = None,
    levels: Sequence[float] | None = None,
    tail: np.ndarray | None = None,
    prices: tuple[float, float] | None = None,
    area_over: str = "labels",
    generator: Callable[[], np.random.Generator],
) -> History:
    """The comparison of the curves over the label counts `shared`, from and to, that all of them cover. `tail` boolean (K,) or None.

    Without `levels` there is one: 90 % of the best mean at the end of the range, rounded down to two digits; of a metric of which less
    is better, the best over 0.9, rounded up. `generator` gives the
    same fresh generator each time, so that no difference depends on which others are asked for.
    """
    low, high = shared
    drawn = [_Drawn.of(one, low, high, tail, log=area_over == "log") for one in found]
    groups: dict[str, dict[int, _Drawn]] = {}
    for one in drawn:
        groups.setdefault(one.series.run, {})[one.series.repeat] = one
    given = levels or ()
    if levels is None:
        ends = [float(np.mean([one.final["all"] for one in group.values()])) for group in groups.values()]
        best = min(ends) if metric in FALLING else max(ends)
        levels = [default_level(best, falls=metric in FALLING)] if best > 0 else []
    reference = groups[baseline] if baseline is not None else {}
    runs = []
    for name, group in groups.items():
        pairs = [(group[number], reference[number]) for number in group if number in reference and name != baseline]
        runs.append(_run(name, list(group.values()), pairs, len(groups) - 1, classes, tail, levels, generator))
    sign = 1 if metric in FALLING else -1
    runs.sort(key=lambda run: (sign * run.area["all"].value, run.name))
    sign = -1 if metric in FALLING else 1  # larger is better of what is compared
    return History(
        metric=metric,
        labels=(low, high),
        uneven=any(not np.array_equal(one.labels, found[0].labels) for one in found),
        classes=classes,
        tail=() if tail is None else tuple(name for name, rare in zip(classes, tail, strict=True) if rare),
        baseline=baseline,
        runs=runs,
        gain=next((gain(one.labels.tolist(), one.value.tolist()) for one in found if one.run == PROJECT and sign > 0), None),
        choice=choose(
            {name: {number: sign * one.area["all"] for number, one in group.items()} for name, group in groups.items()},
            {name: {number: one.series for number, one in group.items()} for name, group in groups.items()},
            shared,
            None if metric in FALLING else baseline,
            given,
            generator,
        ),
        area_over=area_over,
        own_tails=any(one.tail is not None for one in found),
        prices=prices,
    )


@dataclass(frozen=True)
class _Drawn:
    """A series with its curves by scope, the area under each and its height at the end of the range."""

    series: Series
    curves: dict[str, np.ndarray]
    area: dict[str, float]
    final: dict[str, float]

    @classmethod
    def of(cls, one: Series, low: int, high: int, tail: np.ndarray | None, *, log: bool) -> _Drawn:
        curves = one.scopes(tail)
        end = np.array([high])
        return cls(
            one,
            curves,
            {scope: learning_curves.area(one.labels, values, low, high, log=log) for scope, values in curves.items()},
            {scope: float(learning_curves.resample(one.labels, values, end)[0]) for scope, values in curves.items()},
        )


def _run(
    name: str,
    group: Sequence[_Drawn],
    pairs: Sequence[tuple[_Drawn, _Drawn]],
    comparisons: int,
    classes: tuple[str, ...],
    tail: np.ndarray | None,
    levels: Sequence[float],
    generator: Callable[[], np.random.Generator],
) -> Run:
    """One run's repeats, and those that it shares with the baseline as `pairs` (its own, the baseline's), one of so many `comparisons`."""
    scopes = list(group[0].curves)
    labels = [one.series.labels for one in group]
    counts = [one.series.counts for one in group if one.series.counts is not None]
    shares = entropy = None
    if classes and len(counts) == len(group):
        shares = np.mean([one / max(1, one.sum()) for one in counts], axis=0)
        entropy = interval([learning_curves.entropy(one) for one in counts], (0, float(np.log(len(classes)))))
    curve = _curves(labels, [one.curves["all"][:, None] for one in group])[0]
    costs = [
        learning_curves.resample(one.series.labels, one.series.cost, np.array(curve.labels)) for one in group if one.series.cost is not None
    ]
    differences = {scope: np.array([a.area[scope] - b.area[scope] for a, b in pairs]) for scope in scopes}
    return Run(
        name=name,
        repeats=len(group),
        area={scope: interval([one.area[scope] for one in group], (0, 100)) for scope in scopes},
        final={scope: interval([one.final[scope] for one in group], (0, 1)) for scope in scopes},
        curves={scope: _curves(labels, [one.curves[scope][:, None] for one in group])[0] for scope in scopes},
        class_curves=dict(zip(classes, _curves(labels, [one.series.classes for one in group]), strict=True)),
        levels=[_level([one.series for one in group], [(a.series, b.series) for a, b in pairs], level) for level in levels],
        shares=None if shares is None else dict(zip(classes, shares.tolist(), strict=True)),
        tail_share=None if shares is None or tail is None else _tail_share([one.series for one in group], tail),
        entropy=entropy,
        difference={scope: _difference(found, generator, comparisons, falls=group[0].series.falls) for scope, found in differences.items()}
        if pairs
        else None,
        costs=np.mean(costs, axis=0).tolist() if costs else None,
    )


def _tail_share(group: Sequence[Series], tail: np.ndarray) -> float:
    """The mean over repeats of the share that the tail, perhaps one of their own, has of the labels at the end."""
    of = [(one.counts, tail if one.tail is None else one.tail) for one in group if one.counts is not None]
    return float(np.mean([counts[rare].sum() / max(1, counts.sum()) for counts, rare in of]))


def default_level(best: float, *, falls: bool = False) -> float:
    """90 % of `best` > 0, rounded down to two digits, so that the best run reaches it; where less is better `best` / 0.9, rounded up."""
    return learning_curves.rounded_up(best / 0.9) if falls else learning_curves.rounded_down(0.9 * best)


def interval(values: Sequence[float] | np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """The mean of one value per repeat."""
    mean, low, high = (float(part) for part in learning_curves.spread(np.asarray(values, np.float64), bounds))
    return Interval(mean, None if np.isnan(low) else low, None if np.isnan(high) else high)


def _curves(labels: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> list[Curve]:
    """The mean curve of each column of `values`, (R, K) per repeat."""
    grid = learning_curves.union(labels)
    mean, low, high = learning_curves.spread(
        np.stack([learning_curves.resample(x, y, grid) for x, y in zip(labels, values, strict=True)]), (0, 1)
    )
    alone = len(labels) == 1
    return [
        Curve(grid.tolist(), mean[:, k].tolist(), None if alone else low[:, k].tolist(), None if alone else high[:, k].tolist())
        for k in range(mean.shape[1])
    ]


def _level(group: Sequence[Series], pairs: Sequence[tuple[Series, Series]], level: float) -> Level:
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


def _difference(found: np.ndarray, generator: Callable[[], np.random.Generator], comparisons: int, *, falls: bool) -> Difference:
    value, low, high = learning_curves.paired_interval(found, generator())
    if np.isnan(low):
        return Difference(value, None, None, len(found), "unknown")
    joint = learning_curves.paired_interval(found, generator(), comparisons)[1:]
    return Difference(value, low, high, len(found), told_by(low, high, falls=falls), learning_curves.repeats_needed(found), joint)


def told_by(low: float, high: float, *, falls: bool) -> str:
    """What an interval of differences tells: better, worse or no difference."""
    more, less = ("worse", "better") if falls else ("better", "worse")
    return more if low > NEGLIGIBLE else less if high < -NEGLIGIBLE else "no difference"


def _verdict(found: Difference, baseline: str) -> str:
    """A difference in words."""
    if found.low is None or found.high is None:
        return f"{_points(found.value, found.value)[0]} against {baseline} in 1 repeat: no interval, so no verdict"
    low, high, value = found.low, found.high, found.value
    if found.verdict == "no difference":
        shown, left, right = _points(value, low, high)
        more = f"; about {found.needed:,} repeats would show such a difference" if found.needed else ""
        return f"no detectable difference from {baseline}: {shown} [{left}, {right}]{more}"
    if high < 0:
        low, high, value = -high, -low, -value
    shown, left, right = _points(value, low, high)
    return f"{found.verdict} than {baseline} by {shown} [{left}, {right}]"


def _points(*values: float) -> list[str]:
    """Numbers with as many digits as show the largest of them with two, one at least."""
    largest = max(abs(value) for value in values)
    digits = 1 if largest < NEGLIGIBLE else min(4, max(1, 1 - int(np.floor(np.log10(largest)))))
    return [f"{round(value, digits) + 0.0:.{digits}f}" for value in values]

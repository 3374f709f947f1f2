"""What was tried, compared, as plain data: areas under learning curves, labels needed, differences from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from altool.metrics import learning_curves
from altool.metrics.stopping import Gain, gain
from altool.reporting.choice import Choice, Saved, choose, savings
from altool.reporting.content import SHORT
from altool.reporting.history_curves import Curve, Interval, Line, interval, less_curve, mean_curve, mean_curves
from altool.reporting.history_levels import Level, level_of
from altool.reporting.history_series import BALANCE, CLASS_METRIC, FALLING, PROJECT, SHARE, Series
from altool.reporting.stopping import next_labels
from altool.text import count, visible

SCOPES = ("all", "head", "tail")
OVER = {"labels": "the range of labels", "log": "the logarithm of the labels, so that every doubling of them weighs the same"}
NEGLIGIBLE = learning_curves.ROUNDING  # points of area
NAMES = SHORT | {"label_imbalance": "label imbalance", "label_entropy": "label entropy", SHARE: "share of the labels"}
NAMES |= {"decided_recall": "decided recall", "macro_decided_recall": "macro decided recall"}
PAIRED = 12  # runs that are compared with each other, the best ones
ALIKE = 0.005  # pools whose shares of every class differ by less are one


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
    the mean costs at the label counts of the curve of all classes; `over_baseline` how many points the curves lie above the baseline's,
    with an interval at each count of labels by itself; `balance` the curves of the metrics of BALANCE."""

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
    over_baseline: dict[str, Curve] | None = None  # None as `difference`
    balance: dict[str, Curve] | None = None  # None where the labels of each class are unknown


@dataclass(frozen=True)
class History:
    """All runs, the largest area first. `labels` is the range of label counts that all of them cover; `pool` the classes' shares of the
    pool, None where these are unknown or not the same for all runs."""

    metric: str
    labels: tuple[int, int]
    uneven: bool  # do the label counts of the curves differ?
    classes: tuple[str, ...]
    tail: tuple[str, ...]
    baseline: str | None
    runs: list[Run]
    choice: Choice | None = None  # of one run there is none, nor by a metric of BALANCE: no model is measured
    area_over: str = "labels"  # or "log": their logarithm
    own_tails: bool = False  # has each repeat a pool, and so a tail, of its own? `tail` is then that of all pools together
    gain: Gain | None = None  # of the project's own rounds, if they are among the runs
    prices: tuple[float, float] | None = None  # of a verified answer, and of any other
    pool: dict[str, float] | None = None
    left_out: tuple[str, ...] = ()  # classes that no mean over classes holds
    saved: tuple[Saved, ...] = ()  # what each of the best runs saves against each other at each level

    @property
    def class_metric(self) -> str:
        """What single classes, the head and the tail are measured by."""
        return SHARE if self.metric in BALANCE else CLASS_METRIC.get(self.metric, self.metric)

    @property
    def is_share(self) -> bool:
        """Is the metric one that is good at 1, so that its axis ends there?"""
        return self.metric not in (*FALLING, *BALANCE)

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
        notes = [f"intervals: {'; '.join(dict.fromkeys(reversed(shown)))}"]
        over = OVER[self.area_over]
        area = (
            f"the mean height of the curve over {over}, times 100"
            if self.metric in BALANCE
            else f"under the learning curve over {over}, in percent"
        )
        even = np.log(max(1, len(self.classes) - len(self.left_out)))
        notes.append(f"area: {area}; entropy: of the classes' shares of the labels at the end, in nats (all alike: {even:.2f})")
        if self.metric == "shortfall":
            notes.append("shortfall: what the classes lack of their targets, on average; less is better")
        if self.metric == "label_imbalance":
            notes.append("label imbalance: standard deviation over mean of the classes' numbers of labels; less is better")
        if self.metric == "label_entropy":
            notes.append("label entropy: of the classes' shares of the labels, in nats; more is better")
        if self.prices:
            notes.append(
                f"cost: {self.prices[0]:g} for an answer that verified the suggestion, {self.prices[1]:g} for any other; the seed set and"
                " auto labels are free"
            )
        if self.left_out:
            notes.append(f"left out of all means over classes: {', '.join(map(visible, self.left_out))}")
        if self.tail:
            heads = len(self.classes) - len(self.left_out) - len(self.tail)
            of_pool = sum(self.pool[name] for name in self.tail) if self.pool and not self.own_tails else None
            notes.append(
                f"head and tail: mean {metric_name(self.class_metric)} of {heads} and {count(len(self.tail), 'class', 'classes')};"
                " tail labels: the tail's share of the labels at the end"
                + ("" if of_pool is None else f" (of the pool: {of_pool:.1%})")
                + ("; each repeat has a pool of its own, and its rarest classes are its tail" if self.own_tails else "")
            )
        return notes

    def summary(self) -> dict[str, Any]:
        """Everything but the classes' curves and what each run saves against each other as one JSON object."""
        content = asdict(self)
        del content["uneven"], content["saved"]
        content["labels"] = list(self.labels)
        content["caution"] = self.caution
        content["tail"] = () if self.own_tails else self.tail
        content["class_metric"] = self.class_metric
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
    return NAMES.get(metric, "R@P")


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
    is better, the best over 0.9, rounded up; of one of BALANCE none. `generator` gives the
    same fresh generator each time, so that no difference depends on which others are asked for.
    """
    low, high = shared
    drawn = [_Drawn.of(one, low, high, tail, log=area_over == "log") for one in found]
    groups: dict[str, dict[int, _Drawn]] = {}
    for one in drawn:
        groups.setdefault(one.series.run, {})[one.series.repeat] = one
    given = levels or ()
    if levels is None and metric in BALANCE:
        levels = []
    elif levels is None:
        ends = [float(np.mean([one.final["all"] for one in group.values()])) for group in groups.values()]
        best = min(ends) if metric in FALLING else max(ends)
        levels = [default_level(best, falls=metric in FALLING)] if best > 0 else []
    reference = groups[baseline] if baseline is not None else {}
    runs = []
    for name, group in groups.items():
        pairs = [(group[number], reference[number]) for number in group if number in reference and name != baseline]
        top = np.inf if metric in BALANCE else 1.0
        runs.append(_run(name, list(group.values()), pairs, len(groups) - 1, classes, tail, levels, top, generator))
    sign = 1 if metric in FALLING else -1
    runs.sort(key=lambda run: (sign * run.area["all"].value, run.name))
    sign = -1 if metric in FALLING else 1  # larger is better of what is compared
    of_model = metric not in (*FALLING, *BALANCE)
    series = {name: {number: one.series for number, one in group.items()} for name, group in groups.items()}
    best_runs = {run.name: series[run.name] for place, run in enumerate(runs) if place < PAIRED or run.name == baseline}
    return History(
        metric=metric,
        labels=(low, high),
        uneven=any(not np.array_equal(one.labels, found[0].labels) for one in found),
        classes=classes,
        tail=() if tail is None else tuple(name for name, rare in zip(classes, tail, strict=True) if rare),
        baseline=baseline,
        runs=runs,
        gain=next((gain(one.labels.tolist(), one.value.tolist()) for one in found if one.run == PROJECT and of_model), None),
        choice=None
        if metric in BALANCE
        else choose(
            {name: {number: sign * one.area["all"] for number, one in group.items()} for name, group in groups.items()},
            series,
            shared,
            None if metric in FALLING else baseline,
            given,
            generator,
        ),
        area_over=area_over,
        own_tails=any(one.tail is not None for one in found),
        prices=prices,
        pool=_pool(found, classes),
        saved=tuple(savings(best_runs, levels, shared, generator)),
        left_out=tuple(name for name, counts in zip(classes, found[0].counted, strict=True) if not counts),
    )


def _pool(found: Sequence[Series], classes: Sequence[str]) -> dict[str, float] | None:
    """The classes' shares of the pool, a mean over all curves; None where the runs had different pools, or these are unknown."""
    shares: dict[str, list[np.ndarray]] = {}
    for one in found:
        if one.pool is None or not one.pool.sum():
            return None
        shares.setdefault(one.run, []).append(one.pool / one.pool.sum())
    means = np.array([np.mean(own, axis=0) for own in shares.values()])
    if not classes or np.ptp(means, axis=0).max() > ALIKE:
        return None
    return dict(zip(classes, means.mean(axis=0).tolist(), strict=True))


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

    def line(self, scope: str) -> Line:
        return self.series.labels, self.curves[scope]


def _run(
    name: str,
    group: Sequence[_Drawn],
    pairs: Sequence[tuple[_Drawn, _Drawn]],
    comparisons: int,
    classes: tuple[str, ...],
    tail: np.ndarray | None,
    levels: Sequence[float],
    top: float,
    generator: Callable[[], np.random.Generator],
) -> Run:
    """One run's repeats, and those that it shares with the baseline as `pairs` (its own, the baseline's), one of so many `comparisons`. The
    metric is at most `top`."""
    scopes = list(group[0].curves)
    labels = [one.series.labels for one in group]
    shares = entropy = balance = None
    counts = [one.series.counts[-1] for one in group if one.series.counts is not None]
    if classes and len(counts) == len(group):
        shares = np.mean([one / max(1, one.sum()) for one in counts], axis=0)
        balance = {name: mean_curve(labels, [one.series.balance(name) for one in group], np.inf) for name in BALANCE}
        most = float(np.log(group[0].series.counted.sum()))
        entropy = interval([one.series.balance("label_entropy")[-1] for one in group], (0, most))
    curves = {scope: mean_curve(labels, [one.curves[scope] for one in group], top) for scope in scopes}
    costs = [
        learning_curves.resample(one.series.labels, one.series.cost, np.array(curves["all"].labels))
        for one in group
        if one.series.cost is not None
    ]
    over = {scope: less_curve([(a.line(scope), b.line(scope)) for a, b in pairs], generator()) for scope in scopes} if pairs else None
    differences = {scope: np.array([a.area[scope] - b.area[scope] for a, b in pairs]) for scope in scopes}
    return Run(
        name=name,
        repeats=len(group),
        area={scope: interval([one.area[scope] for one in group], (0, 100 * top)) for scope in scopes},
        final={scope: interval([one.final[scope] for one in group], (0, top)) for scope in scopes},
        curves=curves,
        class_curves=dict(zip(classes, mean_curves(labels, [one.series.classes for one in group]), strict=True)),
        levels=[level_of([one.series for one in group], [(a.series, b.series) for a, b in pairs], level) for level in levels],
        shares=None if shares is None else dict(zip(classes, shares.tolist(), strict=True)),
        tail_share=None if shares is None or tail is None else _tail_share([one.series for one in group], tail),
        entropy=entropy,
        difference={scope: _difference(found, generator, comparisons, falls=group[0].series.falls) for scope, found in differences.items()}
        if pairs
        else None,
        costs=np.mean(costs, axis=0).tolist() if costs else None,
        over_baseline=over,
        balance=balance,
    )


def _tail_share(group: Sequence[Series], tail: np.ndarray) -> float:
    """The mean over repeats of the share that the tail, perhaps one of their own, has of the labels at the end."""
    of = [(one.counts[-1], tail if one.tail is None else one.tail) for one in group if one.counts is not None]
    return float(np.mean([counts[rare].sum() / max(1, counts.sum()) for counts, rare in of]))


def default_level(best: float, *, falls: bool = False) -> float:
    """90 % of `best` > 0, rounded down to two digits, so that the best run reaches it; where less is better `best` / 0.9, rounded up."""
    return learning_curves.rounded_up(best / 0.9) if falls else learning_curves.rounded_down(0.9 * best)


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

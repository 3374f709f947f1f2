"""Histories as plain data, for a terminal and as a page: what simulated runs, or the rounds of a project, say about what was tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.metrics import cost, learning_curves
from altool.reporting import page, plots
from altool.reporting.content import SHORT, short
from altool.reporting.cost import Cells
from altool.reporting.page import text_table
from altool.reporting.terminal import NAME_WIDTH, named_table
from altool.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

PROJECT = "this project"  # the run of metrics tables that no simulation wrote
CLASS_METRIC = {"macro_f1": "f1", "macro_recall": "recall", "accuracy": "recall"}  # what heads and tails are measured by
CLASSES_DRAWN = 30  # as many as fit a page
SCOPES = ("all", "head", "tail")
NEGLIGIBLE = 1e-9  # points of area that are rounding


@dataclass(frozen=True)
class Series:
    """One repeat of one run: `labels` int64 (R,), rising strictly; `value` float64 (R,) of all classes; `classes` (R, K), each class's.

    `counts` int64 (K,) labels of each class at the end and `pool` int64 (K,) rows of it in the pool, None where unknown;
    `seconds` float64 (R,) of the annotators' time, None where unknown; `cost` float64 (R,) of the labels, None without prices.
    """

    run: str
    repeat: int
    labels: np.ndarray
    value: np.ndarray
    classes: np.ndarray
    counts: np.ndarray | None
    pool: np.ndarray | None
    seconds: np.ndarray | None
    cost: np.ndarray | None = None

    def scopes(self, tail: np.ndarray | None) -> dict[str, np.ndarray]:
        """The curve of all classes, and where `tail` (K,) says which classes are rare the means over those and over the others."""
        if tail is None:
            return {"all": self.value}
        return {"all": self.value, "head": self.classes[:, ~tail].mean(axis=1), "tail": self.classes[:, tail].mean(axis=1)}


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
        counts = " to ".join(str(count) for count in dict.fromkeys((self.repeats[0], self.repeats[-1])))
        runs = _number(len(self.runs), "run")
        return f"{metric_name(self.metric)} from {low:,} to {high:,} labels; {runs} of {counts} {'repeat' if counts == '1' else 'repeats'}"

    @property
    def caution(self) -> str:
        """What must be said of the range; empty if nothing."""
        low, high = self.labels
        text = f"the label counts of the curves differ: they are compared from {low:,} to {high:,} labels, in straight lines between counts"
        return text if self.uneven else ""

    @property
    def notes(self) -> list[str]:
        """What the intervals and columns mean."""
        intervals = {1: "of 1 repeat there is none", 2: "of 2 repeats the smaller and the larger value"}
        shown = [intervals.get(count, "Student's t, 95 %, over repeats") for count in self.repeats]
        notes = [
            f"intervals: {'; '.join(dict.fromkeys(reversed(shown)))}",
            "area: under the learning curve over the range of labels, in percent; entropy: of the classes' shares of the labels at the end,"
            f" in nats (all alike: {np.log(max(1, len(self.classes))):.2f})",
        ]
        if self.prices:
            notes.append(
                f"cost: {self.prices[0]:g} for an answer that verified the suggestion, {self.prices[1]:g} for any other; the seed set and"
                " auto labels are free"
            )
        if self.tail:
            metric = metric_name(CLASS_METRIC.get(self.metric, self.metric))
            notes.append(
                f"head and tail: mean {metric} of {len(self.classes) - len(self.tail)} and of {len(self.tail)} classes; tail labels: the"
                " tail's share of the labels at the end"
            )
        return notes

    def summary(self) -> dict[str, Any]:
        """Everything but the classes' curves as one JSON object."""
        content = asdict(self)
        del content["uneven"]
        content["labels"] = list(self.labels)
        content["caution"] = self.caution
        content["class_metric"] = CLASS_METRIC.get(self.metric, self.metric)
        for run in content["runs"]:
            del run["class_curves"]
        return content

    def verdicts(self) -> Iterator[tuple[str, str, str]]:
        """Per run other than the baseline and scope, what can be said of its difference from the baseline."""
        if self.baseline is None:
            return
        for run in self.runs:
            if run.difference is None and run.name != self.baseline:
                yield run.name, "all", f"no repeat in common with {visible(self.baseline)}"
            for scope, found in (run.difference or {}).items():
                yield run.name, scope, _verdict(found, visible(self.baseline))

    @property
    def result(self) -> str:
        """The verdicts counted, as the end of a sentence."""
        found = [run.difference["all"].verdict for run in self.runs if run.difference]
        if self.baseline is None or not found:
            return ""
        counts = ((kind, found.count(kind)) for kind in ("better", "worse", "no difference", "unknown"))
        words = {"no difference": "cannot be told from it", "unknown": "without an interval"}
        text = ", ".join(f"{count} {words.get(kind, kind)}" for kind, count in counts if count)
        return f"; against {visible(self.baseline)}: {text}"


def metric_name(metric: str) -> str:
    """How people read a metric's name."""
    return SHORT.get(metric, "R@P")


def series(
    rows: Mapping[str, Sequence[Any]], metric: str, prices: tuple[float, float] | None = None
) -> tuple[list[Series], tuple[str, ...]]:
    """The curves in columns of a history table, by run and repeat, and the classes in name order.

    The columns are run, repeat, round, class (None: all), value, total, labels, pool and seconds, and with `prices` verified, corrected
    and scratch, the answers so far; the rows of all classes hold one
    metric, those of a class another. A `metric` of classes is averaged over them. Of rounds with as many labels the last counts;
    a class that a round lacks has the value 0. Raises ValueError where a round is there twice or not whole, and where `prices` of a
    verified and of any other answer are given but the answers are not.
    """
    names = sorted(set(rows["run"]))
    classes = tuple(sorted({name for name in rows["class"] if name is not None}))
    run, class_ = _codes(rows["run"], names), _codes(rows["class"], classes)
    repeat, round_, total, labels, pool = (_integers(rows[name]) for name in ("repeat", "round", "total", "labels", "pool"))
    value, seconds = (np.array([np.nan if item is None else item for item in rows[name]], np.float64) for name in ("value", "seconds"))
    if not ((value >= 0) & (value <= 1)).all():
        worst = value[~((value >= 0) & (value <= 1))][0]
        raise ValueError(f"column 'value' holds {worst:g}, which is no share from 0 to 1")
    order = np.lexsort((round_, class_, repeat, run))
    keys = np.stack([run, repeat, class_, round_])[:, order]
    twice = np.flatnonzero((keys[:, 1:] == keys[:, :-1]).all(axis=0))
    if len(twice):
        code, number, which, when = (int(key[twice[0]]) for key in keys)
        what = "all classes" if which < 0 else repr(classes[which])
        raise ValueError(f"{_where(names[code], number)}, {_round(when)}: the metric of {what} is there twice")
    found = []
    for part in np.split(order, np.flatnonzero((keys[:2, 1:] != keys[:2, :-1]).any(axis=0)) + 1):
        name, number = names[run[part[0]]], int(repeat[part[0]])
        try:
            whole, single = part[class_[part] < 0], part[class_[part] >= 0]
            matrix = _class_values(round_[whole], round_[single], class_[single], value[single], len(classes))
            rising = _rising(total[whole])
            costs = _costs(rows, whole, prices) if prices else None
        except ValueError as error:
            raise ValueError(f"{_where(name, number)}: {error}") from error
        last = single[round_[single] == round_[whole[-1]]]
        time = seconds[whole][rising]
        found.append(
            Series(
                name,
                number,
                total[whole][rising],
                (value[whole] if metric in CLASS_METRIC else matrix.mean(axis=1))[rising],
                matrix[rising],
                _per_class(class_[last], labels[last], len(classes)),
                _per_class(class_[last], pool[last], len(classes)),
                None if np.isnan(time).any() else time,
                None if costs is None else costs[rising],
            )
        )
    return found, classes


def _costs(rows: Mapping[str, Sequence[Any]], places: np.ndarray, prices: tuple[float, float]) -> np.ndarray:
    counts = np.stack([_integers([rows[kind][place] for place in places]) for kind in cost.KINDS], axis=1)
    if (counts < 0).any():
        raise ValueError("nothing says how many answers were verified, corrected and from scratch")
    return cost.spent(counts, np.array([prices[0], prices[1], prices[1]]))


def _codes(values: Sequence[Any], names: Sequence[str]) -> np.ndarray:
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(value, -1) for value in values], np.int64)


def _integers(values: Sequence[int | None]) -> np.ndarray:
    return np.array([-1 if value is None else value for value in values], np.int64)


def _where(run: str, repeat: int) -> str:
    return f"run {run!r}, repeat {repeat}"


def _round(number: int) -> str:
    return "no round" if number < 0 else f"round {number}"


def _class_values(rounds: np.ndarray, at: np.ndarray, codes: np.ndarray, values: np.ndarray, width: int) -> np.ndarray:
    """float64 (R, K): the classes' values in each of `rounds`. Raises ValueError where classes and rounds do not fit together."""
    if not len(rounds):
        raise ValueError("there is no row of all classes")
    places = np.minimum(np.searchsorted(rounds, at), len(rounds) - 1)
    alone = at[rounds[places] != at]
    empty = np.setdiff1d(rounds, at) if width else alone
    for number, problem in ((alone, "a class has a value, but all classes have none"), (empty, "no class has a value")):
        if len(number):
            raise ValueError(f"{_round(int(number[0]))}: {problem}")
    matrix = np.zeros((len(rounds), width))
    matrix[places, codes] = values
    return matrix


def _rising(total: np.ndarray) -> np.ndarray:
    """Boolean (R,): the last round of each number of labels. Raises ValueError where a number is unknown or falls."""
    if (total < 0).any():
        raise ValueError("the number of labels of a round is not known")
    steps = np.diff(total)
    if (steps < 0).any():
        place = int(np.flatnonzero(steps < 0)[0])
        raise ValueError(f"from one round to the next the labels fall from {total[place]:,} to {total[place + 1]:,}")
    return np.append(steps > 0, True)


def _per_class(codes: np.ndarray, numbers: np.ndarray, width: int) -> np.ndarray | None:
    if not len(codes) or (numbers < 0).any():
        return None
    found = np.zeros(width, np.int64)
    found[codes] = numbers
    return found


def rarest(found: Sequence[Series], share: float, baseline: str | None) -> np.ndarray:
    """Boolean (K,): the share of classes that are rare in the pools; where these are unknown, among the labels at the end.

    Strategies bend what is labeled, so the baseline's labels are looked at where there is one. Raises ValueError where there is
    neither, or only one class.
    """
    pools = [one.pool for one in found if one.pool is not None]
    counts = [one.counts for one in found if one.counts is not None and (baseline is None or one.run == baseline)]
    known = pools if len(pools) == len(found) else counts
    if not known or len(known[0]) < 2:
        raise ValueError("the tail cannot be told: nothing says how frequent at least two classes are")
    return learning_curves.rarest(np.sum(known, axis=0), share)


def unpaired(found: Sequence[Series], baseline: str | None) -> list[str]:
    """What to say where runs have other repeats than the baseline."""
    repeats: dict[str, set[int]] = {}
    for one in found:
        repeats.setdefault(one.run, set()).add(one.repeat)
    others = [name for name in repeats if baseline is not None and repeats[name] != repeats[baseline]]
    named = ", ".join(f"{visible(name)}: {len(repeats[name] & repeats[baseline or ''])}" for name in others)
    return [
        f"{_number(len(others), 'run')} of other repeats than {visible(baseline or '')}; compared are the common ones ({named})"
    ] * bool(others)


def common_range(found: Sequence[Series]) -> tuple[int, int]:
    """The label counts that all curves cover, from and to. Raises ValueError where they share none."""
    try:
        return learning_curves.common([one.labels for one in found])
    except ValueError as error:
        late, early = max(found, key=lambda one: one.labels[0]), min(found, key=lambda one: one.labels[-1])
        raise ValueError(f"{_where(late.run, late.repeat)} and {_where(early.run, early.repeat)} cannot be compared: {error}") from error


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
    generator: Callable[[], np.random.Generator],
) -> History:
    """What the curves say over the label counts `shared`, from and to, that all of them cover. `tail` boolean (K,) or None.

    Without `levels` there is one: 90 % of the best mean at the end of the range, rounded down to two digits. `generator` gives the
    same fresh generator each time, so that no difference depends on which others are asked for.
    """
    low, high = shared
    drawn = [_Drawn.of(one, low, high, tail) for one in found]
    groups: dict[str, dict[int, _Drawn]] = {}
    for one in drawn:
        groups.setdefault(one.series.run, {})[one.series.repeat] = one
    if levels is None:
        best = max(float(np.mean([one.final["all"] for one in group.values()])) for group in groups.values())
        levels = [default_level(best)] if best > 0 else []
    reference = groups[baseline] if baseline is not None else {}
    runs = []
    for name, group in groups.items():
        pairs = [(group[number], reference[number]) for number in group if number in reference and name != baseline]
        runs.append(_run(name, list(group.values()), pairs, classes, tail, levels, generator))
    runs.sort(key=lambda run: (-run.area["all"].value, run.name))
    return History(
        metric=metric,
        labels=(low, high),
        uneven=any(not np.array_equal(one.labels, found[0].labels) for one in found),
        classes=classes,
        tail=() if tail is None else tuple(name for name, rare in zip(classes, tail, strict=True) if rare),
        baseline=baseline,
        runs=runs,
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
    def of(cls, one: Series, low: int, high: int, tail: np.ndarray | None) -> _Drawn:
        curves = one.scopes(tail)
        end = np.array([high])
        return cls(
            one,
            curves,
            {scope: learning_curves.area(one.labels, values, low, high) for scope, values in curves.items()},
            {scope: float(learning_curves.resample(one.labels, values, end)[0]) for scope, values in curves.items()},
        )


def _run(
    name: str,
    group: Sequence[_Drawn],
    pairs: Sequence[tuple[_Drawn, _Drawn]],
    classes: tuple[str, ...],
    tail: np.ndarray | None,
    levels: Sequence[float],
    generator: Callable[[], np.random.Generator],
) -> Run:
    """One run's repeats, and those that it shares with the baseline as `pairs` (its own, the baseline's)."""
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
        tail_share=None if shares is None or tail is None else float(shares[tail].sum()),
        entropy=entropy,
        difference={scope: _difference(found, generator()) for scope, found in differences.items()} if pairs else None,
        costs=np.mean(costs, axis=0).tolist() if costs else None,
    )


def default_level(best: float) -> float:
    """90 % of `best` > 0, rounded down to two digits, so that the best run reaches it."""
    digits = 1 - int(np.floor(np.log10(0.9 * best)))
    return float(round(np.floor(0.9 * best * 10**digits + NEGLIGIBLE) / 10**digits, digits))


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
    needed = np.array([learning_curves.labels_needed(one.labels, one.value, level) for one in group])
    seconds = [_seconds(one, labels) for one, labels in zip(group, needed, strict=True)]
    reached = int((~np.isnan(needed)).sum())
    whole = reached == len(group)
    own, other = (
        np.array([learning_curves.labels_needed(pair[place].labels, pair[place].value, level) for pair in pairs]) for place in (0, 1)
    )
    inside = bool(pairs) and all(one.value[0] < level for pair in pairs for one in pair)  # what is reached at once has no number
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
        at_start=sum(bool(one.value[0] >= level) for one in group),
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
    return float("nan") if one.cost is None else learning_curves.labels_needed(one.cost, one.value, level)


def _ratio(ratios: np.ndarray) -> Interval:
    """The geometric mean of the ratios: twice as many in one repeat and half as many in another come to 1."""
    logs = interval(np.log(ratios))
    return Interval(*(None if end is None else float(np.exp(end)) for end in (logs.value, logs.low, logs.high)))  # type: ignore[arg-type]


def _difference(found: np.ndarray, rng: np.random.Generator) -> Difference:
    value, low, high = learning_curves.paired_interval(found, rng)
    if np.isnan(low):
        return Difference(value, None, None, len(found), "unknown")
    verdict = "better" if low > NEGLIGIBLE else "worse" if high < -NEGLIGIBLE else "no difference"
    return Difference(value, low, high, len(found), verdict)


def _verdict(found: Difference, baseline: str) -> str:
    """What can be said, in words."""
    if found.low is None or found.high is None:
        return f"{_points(found.value, found.value)[0]} against {baseline} in one repeat: no interval, so nothing can be told"
    low, high, value = found.low, found.high, found.value
    if found.verdict == "no difference":
        shown, left, right = _points(value, low, high)
        return f"no difference from {baseline} can be told: {shown} [{left}, {right}]"
    if found.verdict == "worse":
        low, high, value = -high, -low, -value
    shown, left, right = _points(value, low, high)
    return f"{found.verdict} than {baseline} by {shown} [{left}, {right}]"


def _points(*values: float) -> list[str]:
    """Numbers with as many digits as show the largest of them with two, one at least."""
    largest = max(abs(value) for value in values)
    digits = 1 if largest < NEGLIGIBLE else min(4, max(1, 1 - int(np.floor(np.log10(largest)))))
    return [f"{round(value, digits) + 0.0:.{digits}f}" for value in values]


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


# the table


def summary_rows(found: History) -> list[dict[str, Any]]:
    """The summary table's rows: run by run, one number each (schema.py, kind "summary")."""
    rows: list[dict[str, Any]] = []
    class_metric = CLASS_METRIC.get(found.metric, found.metric)

    def add(run: Run, quantity: str, value: Interval | Difference | None, scope: str = "all", **facts: Any) -> None:
        repeats = value.repeats if isinstance(value, Difference) else run.repeats
        kind = "bootstrap" if isinstance(value, Difference) else "range" if repeats < learning_curves.BAND else "t"
        row: dict[str, Any] = {
            "run": run.name,
            "scope": scope,
            "metric": found.metric if scope == "all" else class_metric,
            "quantity": quantity,
        }
        row |= {"value": value and value.value, "low": value and value.low, "high": value and value.high, "repeats": repeats}
        rows.append(row | {"interval": None if value is None or value.low is None else kind} | facts)

    for run in found.runs:
        for scope in found.scopes:
            add(run, "area", run.area[scope], scope)
            add(run, "final", run.final[scope], scope, labels=found.labels[1])
            if run.difference:
                add(run, "area_difference", run.difference[scope], scope, baseline=found.baseline)
        for level in run.levels:
            facts: dict[str, Any] = {"level": level.level, "reached": level.reached}
            add(run, "labels_needed", level.labels, **facts)
            add(run, "seconds_needed", level.seconds, **facts)
            if run.difference:
                add(run, "labels_efficiency", level.labels_efficiency, baseline=found.baseline, **facts)
                add(run, "seconds_efficiency", level.seconds_efficiency, baseline=found.baseline, **facts)
            if found.prices:
                add(run, "cost_needed", level.cost, **facts)
            if found.prices and run.difference:
                add(run, "cost_efficiency", level.cost_efficiency, baseline=found.baseline, **facts)
        for count, price in zip(run.curves["all"].labels, run.costs or (), strict=False):
            add(run, "cost", Interval(price, None, None), labels=count)
        if run.entropy:
            add(run, "entropy", run.entropy)
        if run.tail_share is not None:
            add(run, "label_share", Interval(run.tail_share, None, None), "tail")
        for name, share in (run.shares or {}).items():
            add(run, "label_share", Interval(share, None, None), "class", **{"class": name})
        curves: list[tuple[str, str | None, Curve]] = [(scope, None, run.curves[scope]) for scope in found.scopes]
        curves += [("class", name, curve) for name, curve in run.class_curves.items()]
        for scope, class_, curve in curves:
            for place, count in enumerate(curve.labels):
                low, high = (None if band is None else band[place] for band in (curve.low, curve.high))
                add(run, "curve", Interval(curve.value[place], low, high), scope, labels=count, **{"class": class_})
    return rows


# the terminal


def render(found: History) -> list[RenderableType]:
    """What to print, in order."""
    from rich.text import Text

    parts: list[RenderableType] = [Text(found.basis, style="bold")]
    if found.caution:
        parts.append(Text(found.caution))
    parts.append(named_table(_areas(found)))
    if any(run.levels for run in found.runs):
        parts += [Text("labels needed", style="bold"), named_table(_needed(found)), Text(_needed_note(found)), Text()]
    verdicts = list(found.verdicts())
    if verdicts:
        parts.append(
            Text(f"area less that of {visible(found.baseline or '')}, in points, paired over repeats, with a 95 % interval", style="bold")
        )
        parts += [Text(_line(*verdict)) for verdict in verdicts]
        parts.append(Text())
    parts += [Text(note) for note in found.notes]
    return parts


def _line(run: str, scope: str, verdict: str) -> str:
    return f"{short(run, NAME_WIDTH)}: {verdict}" if scope == "all" else f"  {scope}: {verdict}"


def _areas(found: History) -> Cells:
    """Per run its values at the end and its areas: the head of a table, and its rows."""
    several = found.repeats[-1] > 1
    counted = any(run.entropy for run in found.runs)
    head = ["run", "repeats", f"at {found.labels[1]:,}"]
    head += ["interval", "area", "interval"] if several else ["area"]
    head += [*found.scopes[1:], *(["entropy"] if counted else []), *(["tail labels"] if counted and found.tail else [])]
    rows = []
    for run in found.runs:
        final, area = run.final["all"], run.area["all"]
        cells = [str(run.repeats), f"{final.value:.3f}", _between(final, ".2f"), f"{area.value:.1f}", _between(area, ".1f")]
        if not several:
            del cells[4], cells[2]
        cells += [f"{run.area[scope].value:.1f}" for scope in found.scopes[1:]]
        if counted:
            cells.append("" if run.entropy is None else f"{run.entropy.value:.2f}")
            cells += ["" if run.tail_share is None else f"{run.tail_share:.1%}"] if found.tail else []
        rows.append((run.name + (" (baseline)" if run.name == found.baseline else ""), cells))
    return head, rows


def _needed(found: History) -> Cells:
    """Per level and run what it takes: the head of a table, and its rows."""
    levels = [level for run in found.runs for level in run.levels]
    timed = any(level.seconds for level in levels)
    head = ["run", metric_name(found.metric), "labels", *(["interval"] if found.repeats[-1] > 1 else []), *(["hours"] if timed else [])]
    compared = any(run.difference for run in found.runs)
    priced = ["cost"] if found.prices else []
    head += [*priced, *(["efficiency", *(["by hours"] if timed else []), *(f"by {name}" for name in priced)] if compared else [])]
    rows = []
    for place in range(len(found.runs[0].levels)):
        for run in found.runs:
            level = run.levels[place]
            cells = [f"{level.level:g}", _labels(level, run.repeats)]
            cells += [_between(level.labels, ",.0f")] if found.repeats[-1] > 1 else []
            cells += ["" if level.seconds is None else f"{level.seconds.value / 3600:.2f}"] if timed else []
            cells += ["" if level.cost is None else f"{level.cost.value:,.1f}"] if priced else []
            cells += [_efficiency(level.labels_efficiency), *([_efficiency(level.seconds_efficiency)] if timed else [])] if compared else []
            cells += [_efficiency(level.cost_efficiency)] if priced and compared else []
            rows.append((run.name, cells))
    return head, rows


def _needed_note(found: History) -> str:
    text = "in k of n: only k of n repeats reach the level; ≤: a repeat is there with its first labels"
    if any(run.difference for run in found.runs):
        text += (
            f"; efficiency: what {visible(found.baseline or '')} needs over what the run needs, where all repeats of both cross the level"
        )
    return text


def _labels(level: Level, repeats: int) -> str:
    if level.labels is None:
        return f"in {level.reached} of {repeats}" if level.reached else "not reached"
    return f"{'≤ ' if level.at_start else ''}{level.labels.value:,.0f}"


def _efficiency(ratio: Interval | None) -> str:
    if ratio is None:
        return ""
    between = f" ({_between(ratio, '.2f')})" if ratio.low is not None else ""
    return f"{ratio.value:.2f}{between}"


def _between(found: Interval | None, form: str) -> str:
    return "" if found is None or found.low is None or found.high is None else f"{found.low:{form}}–{found.high:{form}}"


# the page


def render_page(found: History, origin: Mapping[str, Any]) -> str:
    """The whole page; `origin` is the provenance."""
    names = {"all": metric_name(found.metric), "head": f"head: {_class_metric(found)}", "tail": f"tail: {_class_metric(found)}"}
    curves = [(names[scope], [_band(run, run.curves[scope]) for run in found.runs]) for scope in found.scopes]
    sections = ["<h1>Learning curves</h1>", f"<p>{page.sentence(found.basis)}</p>"]
    if found.caution:
        sections.append(f'<p class="note">{page.sentence(found.caution)}</p>')
    if any(run.difference for run in found.runs):
        sections.append(page.section(f"Against {escape(short(found.baseline or ''))}", *_against(found)))
    notes = [f'<p class="note">{page.sentence(note)}</p>' for note in found.notes]
    label = "Learning curves with a band over repeats"
    sections.append(
        page.section("Curves", page.figure(plots.bands("curves", label, curves, found.baseline)), text_table(_areas(found)), *notes)
    )
    if found.prices:
        priced = [
            plots.Band(run.name, run.costs or [], run.curves["all"].value, run.curves["all"].low, run.curves["all"].high)
            for run in found.runs
        ]
        drawn = plots.bands(
            "costs", "Learning curves against what the labels cost", [(names["all"], priced)], found.baseline, across="cost"
        )
        sections.append(page.section("Against cost", page.figure(drawn)))
    if any(run.levels for run in found.runs):
        sections.append(page.section("Labels needed", text_table(_needed(found)), f'<p class="note">{escape(_needed_note(found))}</p>'))
    if any(run.shares for run in found.runs):
        sections.append(page.section("Classes among the labels", *_shares(found)))
    if found.tail:
        text = ", ".join(page.bdi(name) for name in found.tail)
        sections.append(page.section("The tail", f"<p>{text}</p>"))
    if 1 < len(found.classes) <= CLASSES_DRAWN:
        panels = [(name, [_bare(run, run.class_curves[name]) for run in found.runs]) for name in found.classes]
        drawn = plots.bands("classes", f"{_class_metric(found)} of each class", panels, found.baseline, columns=4)
        sections.append(page.section("Each class", f"<p>{_class_metric(found)} of each class, means over repeats.</p>", page.figure(drawn)))
    return page.document("Learning curves", sections, origin)


def _class_metric(found: History) -> str:
    return metric_name(CLASS_METRIC.get(found.metric, found.metric))


def _band(run: Run, curve: Curve) -> plots.Band:
    return plots.Band(run.name, curve.labels, curve.value, curve.low, curve.high)


def _bare(run: Run, curve: Curve) -> plots.Band:
    return plots.Band(run.name, curve.labels, curve.value)


def _against(found: History) -> Iterator[str]:
    classes = {"better": "good", "worse": "bad"}
    kinds = {run.name: {scope: one.verdict for scope, one in (run.difference or {}).items()} for run in found.runs}
    rows = []
    for run, scope, verdict in found.verdicts():
        kind = classes.get(kinds[run].get(scope, ""), "")
        rows.append((run, [scope, f'<span class="{kind}">{escape(verdict)}</span>' if kind else escape(verdict)]))
    yield page.table(["run", "classes", "area under the curve, in points"], rows)
    panels = []
    for scope in found.scopes:
        lines = [(run.name, run.difference[scope]) for run in found.runs if run.difference]
        panels.append((scope, [(name, one.value, one.low, one.high) for name, one in lines]))
    yield page.figure(plots.differences("differences", "Differences in area, with 95 % intervals", panels))
    yield (
        '<p class="note">The mean difference over the repeats that both have, with a 95 % interval by a paired bootstrap. Each interval'
        " stands for itself: of twenty runs that are all like the baseline one is expected to look different.</p>"
    )


def _shares(found: History) -> Iterator[str]:
    yield "<p>Shares of the labels at the end, means over repeats.</p>"
    runs = [run for run in found.runs if run.shares]
    classes = found.classes
    if len(classes) > CLASSES_DRAWN:
        yield f'<p class="note">The {CLASSES_DRAWN} classes with the fewest labels of {len(classes):,}.</p>'
        totals = {name: sum(run.shares[name] for run in runs if run.shares) for name in classes}
        classes = tuple(sorted(classes, key=lambda name: (totals[name], name))[:CLASSES_DRAWN])
    rows = [(name, [f"{run.shares[name]:.2%}" for run in runs if run.shares]) for name in classes]
    yield page.table(["class", *(page.bdi(run.name) for run in runs)], rows)

"""The learning curves in histories, one for each repeat of each run: what simulations, or the rounds of a project, wrote."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from altool.metrics import cost, learning_curves
from altool.text import count, visible

PROJECT = "this project"  # the run of metrics tables that no simulation wrote
# What heads and tails are measured by.
CLASS_METRIC = {"macro_f1": "f1", "macro_recall": "recall", "accuracy": "recall", "shortfall": "shortfall"}
CLASS_METRIC |= {"macro_decided_recall": "decided_recall"}
# Metrics of the classes' counts of labels, which no model has a part in; a class is measured by its share of the labels.
BALANCE: dict[str, Callable[[np.ndarray], float]] = {
    "label_imbalance": learning_curves.imbalance_ratio,
    "label_entropy": learning_curves.entropy,
}
SHARE = "label_share"
COUNTED_WITH = "f1"  # the metric of classes whose rows give the counts
FALLING = ("shortfall", "label_imbalance")  # metrics of which less is better


@dataclass(frozen=True)
class Series:
    """One repeat of one run: `labels` int64 (R,), rising strictly; `value` float64 (R,) of all classes; `classes` (R, K), each class's.

    `counts` int64 (R, K) labels of each class and `pool` int64 (K,) rows of it in the pool, None where unknown;
    `seconds` float64 (R,) of the annotators' time, None where unknown; `cost` float64 (R,) of the labels, None without prices. `tail`
    boolean (K,): the rare classes of its own pool, where each repeat has another. `left_out` boolean (K,): the classes that no mean over
    classes holds, None without any.
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
    tail: np.ndarray | None = None
    falls: bool = False  # is less of the metric better?
    left_out: np.ndarray | None = None

    @property
    def counted(self) -> np.ndarray:
        """Boolean (K,): the classes that means over classes hold."""
        return np.ones(self.classes.shape[1], bool) if self.left_out is None else ~self.left_out

    def balance(self, metric: str) -> np.ndarray:
        """float64 (R,): a metric of BALANCE in each round. Raises ValueError where the counts are unknown."""
        if self.counts is None:
            raise ValueError("the labels of each class are unknown")
        return np.array([BALANCE[metric](row) for row in self.counts[:, self.counted]])

    def needed(self, level: float, along: np.ndarray | None = None) -> float:
        """How many labels (or how much of `along`, float64 (R,)) it takes until the level is reached; NaN where it never is."""
        sign = -1 if self.falls else 1
        return learning_curves.labels_needed(self.labels if along is None else along, sign * self.value, sign * level)

    def begins_at(self, level: float) -> bool:
        """Is the level reached with the first labels?"""
        return bool(self.value[0] <= level if self.falls else self.value[0] >= level)

    def scopes(self, tail: np.ndarray | None) -> dict[str, np.ndarray]:
        """The curve of all classes, and where `tail` (K,) says which classes are rare the means over those and over the others; a tail of
        its own counts instead."""
        if tail is None:
            return {"all": self.value}
        tail = tail if self.tail is None else self.tail
        head = self.classes[:, ~tail & self.counted]
        return {"all": self.value, "head": head.mean(axis=1), "tail": self.classes[:, tail].mean(axis=1)}


def carrier(metric: str) -> str:
    """The metric whose rows of a history give the curves of `metric`."""
    return COUNTED_WITH if metric in BALANCE else metric


def series(
    rows: Mapping[str, Sequence[Any]],
    metric: str,
    prices: tuple[float, float] | None = None,
    left_out: Collection[str] = (),
) -> tuple[list[Series], tuple[str, ...]]:
    """The curves in columns of a history table, by run and repeat, and the classes in name order.

    The columns are run, repeat, round, class (None: all), value, total, labels, pool and seconds, and with `prices` verified, corrected
    and scratch, the answers so far; the rows of all classes hold one metric, those of a class another (of `carrier`). A `metric` of
    classes is averaged over them, as any is without the classes `left_out`. Of rounds with equally many labels the last counts; a class
    that a round lacks has the value 0. Raises ValueError where a round appears twice or is not whole, where `prices` of a verified and of
    any other answer are given but the answers are not, and where the metric is of the labels and their classes are unknown.
    """
    names = sorted(set(rows["run"]))
    classes = tuple(sorted({name for name in rows["class"] if name is not None}))
    run, class_ = _codes(rows["run"], names), _codes(rows["class"], classes)
    repeat, round_, total, labels, pool = (_integers(rows[name]) for name in ("repeat", "round", "total", "labels", "pool"))
    value, seconds = (np.array([np.nan if item is None else item for item in rows[name]], np.float64) for name in ("value", "seconds"))
    if not ((value >= 0) & (value <= 1)).all():
        worst = value[~((value >= 0) & (value <= 1))][0]
        raise ValueError(f"column 'value': found {worst:g}, expected a share from 0 to 1")
    order = np.lexsort((round_, class_, repeat, run))
    keys = np.stack([run, repeat, class_, round_])[:, order]
    twice = np.flatnonzero((keys[:, 1:] == keys[:, :-1]).all(axis=0))
    if len(twice):
        code, number, which, when = (int(key[twice[0]]) for key in keys)
        what = "all classes" if which < 0 else repr(classes[which])
        raise ValueError(f"{_where(names[code], number)}, {_round(when)}: the metric of {what} appears twice")
    found = []
    for part in np.split(order, np.flatnonzero((keys[:2, 1:] != keys[:2, :-1]).any(axis=0)) + 1):
        name, number = names[run[part[0]]], int(repeat[part[0]])
        whole, single = part[class_[part] < 0], part[class_[part] >= 0]
        try:
            values = _by_class(round_[whole], round_[single], class_[single], value[single], len(classes))
            rising = _rising(total[whole])
            counts = _by_class(round_[whole], round_[single], class_[single], labels[single], len(classes))[rising]
            last = single[round_[single] == round_[whole[-1]]]
            time = seconds[whole][rising]
            one = Series(
                name,
                number,
                total[whole][rising],
                value[whole][rising],
                values[rising],
                counts if len(single) and (labels[single] >= 0).all() else None,
                _per_class(class_[last], pool[last], len(classes)),
                None if np.isnan(time).any() else time,
                _costs(rows, whole, prices)[rising] if prices else None,
                falls=metric in FALLING,
                left_out=np.isin(classes, list(left_out)) if left_out else None,
            )
            found.append(_valued(one, metric))
        except ValueError as error:
            raise ValueError(f"{_where(name, number)}: {error}") from error
    return found, classes


def _valued(one: Series, metric: str) -> Series:
    """The series with the curve of all classes, and of each, that the metric has. Raises ValueError where the labels that it is of are
    unknown."""
    if metric in BALANCE:
        value = one.balance(metric)
        assert one.counts is not None
        return replace(one, value=value, classes=one.counts / np.maximum(one.counts.sum(axis=1, keepdims=True), 1))
    if metric in CLASS_METRIC and one.left_out is None:
        return one
    return replace(one, value=one.classes[:, one.counted].mean(axis=1))


def _costs(rows: Mapping[str, Sequence[Any]], places: np.ndarray, prices: tuple[float, float]) -> np.ndarray:
    counts = np.stack([_integers([rows[kind][place] for place in places]) for kind in cost.KINDS], axis=1)
    if (counts < 0).any():
        raise ValueError("the answers so far (columns verified, corrected and scratch) are unknown")
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


def _by_class(rounds: np.ndarray, at: np.ndarray, codes: np.ndarray, values: np.ndarray, width: int) -> np.ndarray:
    """(R, K): the classes' `values` in each of `rounds`, 0 where one has none. Raises ValueError where classes and rounds do not fit."""
    if not len(rounds):
        raise ValueError("no row of all classes (class null)")
    places = np.minimum(np.searchsorted(rounds, at), len(rounds) - 1)
    alone = at[rounds[places] != at]
    empty = np.setdiff1d(rounds, at) if width else alone
    for number, problem in ((alone, "a class has a value, but all classes have none"), (empty, "no class has a value")):
        if len(number):
            raise ValueError(f"{_round(int(number[0]))}: {problem}")
    matrix = np.zeros((len(rounds), width), values.dtype)
    matrix[places, codes] = values
    return matrix


def _rising(total: np.ndarray) -> np.ndarray:
    """Boolean (R,): the last round of each number of labels. Raises ValueError where a number is unknown or falls."""
    if (total < 0).any():
        raise ValueError("the number of labels of a round is unknown")
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
    """Boolean (K,): the share of classes that are rare in the pools; where these are unknown, among the labels at the end. Classes that are
    left out are not among them.

    Strategies bend what is labeled, so the baseline's labels are looked at where there is one. Raises ValueError where there is
    neither, or only one class.
    """
    pools = [one.pool for one in found if one.pool is not None]
    counts = [one.counts[-1] for one in found if one.counts is not None and (baseline is None or one.run == baseline)]
    known = pools if len(pools) == len(found) else counts
    if not known or found[0].counted.sum() < 2:
        raise ValueError("the tail is unknown: fewer than two classes have a known frequency")
    return _rarest(np.sum(known, axis=0), share, found[0].counted)


def _rarest(frequencies: np.ndarray, share: float, counted: np.ndarray) -> np.ndarray:
    mask = np.zeros(len(counted), bool)
    mask[counted] = learning_curves.rarest(frequencies[counted], share)
    return mask


def with_own_tails(found: Sequence[Series], share: float) -> list[Series]:
    """The curves, each with the rarest classes of its own pool, where these are not the same for all: worlds are drawn for each repeat."""
    pools = [one.pool for one in found if one.pool is not None and one.counted.sum() > 1]
    if len(pools) < len(found):
        return list(found)
    tails = [_rarest(pool, share, one.counted) for pool, one in zip(pools, found, strict=True)]
    if all(np.array_equal(tail, tails[0]) for tail in tails):
        return list(found)
    return [replace(one, tail=tail) for one, tail in zip(found, tails, strict=True)]


def unpaired(found: Sequence[Series], baseline: str | None) -> list[str]:
    """A warning where runs have other repeats than the baseline."""
    repeats: dict[str, set[int]] = {}
    for one in found:
        repeats.setdefault(one.run, set()).add(one.repeat)
    others = [name for name in repeats if baseline is not None and repeats[name] != repeats[baseline]]
    named = ", ".join(f"{visible(name)}: {len(repeats[name] & repeats[baseline or ''])}" for name in others)
    runs = f"{count(len(others), 'run')} with other repeats than {visible(baseline or '')}"
    return [f"{runs}; only common repeats are compared ({named})"] if others else []


def common_range(found: Sequence[Series]) -> tuple[int, int]:
    """The label counts that all curves cover, from and to. Raises ValueError where they share none."""
    try:
        return learning_curves.common([one.labels for one in found])
    except ValueError as error:
        late, early = max(found, key=lambda one: one.labels[0]), min(found, key=lambda one: one.labels[-1])
        raise ValueError(f"{_where(late.run, late.repeat)} and {_where(early.run, early.repeat)} cannot be compared: {error}") from error

"""What a report says of the way to the targets: how many more labels each class needs, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from altool.metrics import forecast
from altool.metrics.forecast import LABELS, LEVEL, REACHED, UNKNOWN
from altool.reporting.cost import Cells
from altool.text import count

if TYPE_CHECKING:
    from altool.labels.costs import Cost
    from altool.reporting.content import ClassReport, Labels, Past

COLUMNS = ("forecast", "labels_to_target", "labels_to_target_low", "labels_to_target_high")


@dataclass(frozen=True)
class Needed:
    """More labels, the middle and an 80 % interval (None: more than nine times as many as there are), and the same of what they cost (None:
    unknown)."""

    labels: tuple[int | None, int, int | None]
    cost: tuple[float | None, float, float | None] | None


@dataclass(frozen=True)
class Outlook:
    """Of a class its state, one of `forecast.STATES`, and what belongs to it: what is `needed`, or the `level` and its 80 % interval."""

    state: str
    needed: Needed | None
    level: tuple[float, float, float] | None


@dataclass(frozen=True)
class Forecast:
    """The outlook of each class with a target to meet; what those of the state "labels" need `together`; costs are in `unit`s.

    It is of so many `rounds` on this holdout (`held_out`: there is one); `followed`: metrics of earlier rounds were given."""

    classes: dict[str, Outlook]
    together: Needed | None
    rounds: int
    held_out: bool
    followed: bool
    unit: str

    def line(self) -> str:
        """What the rest costs, in a sentence without a full stop; empty where no class is open, or where there are no earlier rounds."""
        states = [one.state for one in self.classes.values() if one.state != REACHED]
        if not states or not self.followed:
            return ""
        if not self.held_out:
            return "forecast: cannot tell without a holdout; import random rows with --source holdout"
        if self.rounds < forecast.ROUNDS:
            return f"forecast: cannot tell yet, {self.rounds} of at least {forecast.ROUNDS} rounds on this holdout"
        open_ = count(len(states), "open class", "open classes")
        parts = []
        if reachable := states.count(LABELS):
            amount = self._amount() if self.together else f"more than {forecast.LIMIT - 1} times as many labels as now"
            parts.append(f"{amount} for the target{'s'[: reachable > 1]} of {reachable} of {open_}")
        parts += [f"{number} cannot be told yet"] if (number := states.count(UNKNOWN)) else []
        parts += [f"{number} not reachable with this model"] if (number := states.count(LEVEL)) else []
        return f"forecast: {'; '.join(parts) if reachable else f'{open_}: ' + '; '.join(parts)}"

    def _amount(self) -> str:
        assert self.together is not None
        value, low, high = self.together.labels
        cost = self.together.cost
        if value is None or high is None:
            return f"at least {count(rough(low), 'more label')}{f' ({self.price(cost[1])})' if cost else ''}"
        price = f" ({self.price(cost[0])} [{self.price(cost[1])}, {self.price(cost[2])}])" if cost else ""
        return f"{count(rough(value), 'more label')} [{rough(low):,}, {rough(high):,}]{price}"

    def price(self, cost: float | None) -> str:
        """A cost as people read it."""
        if cost is None:
            return ""
        if self.unit != "seconds":
            return f"{cost:,.4g} {self.unit}"
        return f"{cost / 3600:,.1f} h" if cost >= 5400 else f"{max(1, round(cost / 60)):,} min"

    def table(self) -> Cells | None:
        """A row per open class of which something can be told, those that need most first; None without any."""
        open_ = {name: one for name, one in self.classes.items() if one.state in (LABELS, LEVEL)}
        rows = []
        for name, one in sorted(open_.items(), key=lambda item: (item[1].needed is not None, -_middle(item[1]))):
            if one.level:
                value, low, high = one.level
                rows.append((name, [f"levels off at {value:.2f}", f"{low:.2f}–{high:.2f}", "", ""]))
            elif one.needed:
                (value_, low_, high_), cost = (rough(number or 0) for number in one.needed.labels), one.needed.cost
                prices = [self.price(cost[0]), f"{self.price(cost[1])}–{self.price(cost[2])}"] if cost else ["", ""]
                rows.append((name, [f"{value_:,}", f"{low_:,}–{high_:,}", *prices]))
        head = ["class", "more labels", "80 %", "time" if self.unit == "seconds" else self.unit, "80 %"]
        if not any(one.needed and one.needed.cost for one in open_.values()):
            head, rows = head[:3], [(name, cells[:2]) for name, cells in rows]
        return (head, rows) if rows else None

    def summary(self) -> dict[str, Any]:
        """As a JSON object."""
        found = asdict(self)
        del found["held_out"], found["followed"]
        found["classes"] = [{"class": name, **one} for name, one in found["classes"].items()]
        return {**found, "line": self.line()}


def rough(number: int) -> int:
    """The number to two digits: no forecast is better."""
    return round(number, min(0, 2 - len(str(number))))


def _middle(one: Outlook) -> float:
    return float(one.needed.labels[0] or 0) if one.needed else 0.0


def of_rounds(
    classes: Sequence[ClassReport], rows: int, labels: Labels, past: Sequence[Past], cost: Cost | None, *, held_out: bool
) -> Forecast | None:
    """The forecast of the `classes` as they are now, measured on so many `rows`, with these `labels`, from the `past` rounds that were
    measured on as many rows: the same holdout. None where no class has a target to meet."""
    aims = [(line, line.target) for line in classes if line.target and line.target.met is not None]
    if not aims:
        return None
    earlier = [one for one in past if held_out and one.labels is not None and one.rows == rows]
    shape = (len(aims), len(earlier) + 1)
    values, behind, own = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for place, (line, aim) in enumerate(aims):
        for round_, one in enumerate(earlier):
            value = one.classes.get(line.name, {}).get(aim.metric)
            support, own[place, round_] = one.counts.get(line.name, (0, 0))
            if value is not None:
                values[place, round_], behind[place, round_] = value, _behind(aim.metric, support, rows)
        values[place, -1], own[place, -1] = line.metrics[aim.metric].value, line.labels
        behind[place, -1] = _behind(aim.metric, line.support, rows)
    totals = np.array([*(one.labels or 0 for one in earlier), labels.training], np.int64)
    found = forecast.forecast(totals, values, behind, own, np.array([aim.target for _, aim in aims]))
    price = _price(labels, cost)
    outlooks = {
        line.name: Outlook(
            found.state[place],
            _needed(found.labels[place], price),
            None if np.isnan(found.level[place, 0]) else tuple(found.level[place].tolist()),
        )
        for place, (line, _) in enumerate(aims)
    }
    return Forecast(outlooks, _needed(found.together, price), shape[1], held_out, bool(past), cost.unit if cost else "seconds")


def _behind(metric: str, support: int, rows: int) -> int:
    """The rows that a value is a share of: for accuracy, the class against the rest, all of them."""
    return rows if metric == "accuracy" and support else support


def _price(labels: Labels, cost: Cost | None) -> float | None:
    """What a training label cost so far, the seed set aside, which is free."""
    paid = labels.training - labels.by_source.get("seed", 0)
    return cost.total / paid if cost and cost.total and paid > 0 else None


def _needed(more: np.ndarray, price: float | None) -> Needed | None:
    if np.isnan(more[1]):
        return None
    middle, low, high = (None if np.isnan(one) else int(np.ceil(one)) for one in more)
    assert low is not None
    costs = None if price is None else tuple(None if one is None else one * price for one in (middle, low, high))
    return Needed((middle, low, high), costs)  # type: ignore[arg-type]


def cells(found: Forecast | None, name: str) -> dict[str, str | int | None]:
    """The columns of the metrics table of a class in the row of its target's metric."""
    one = found.classes.get(name) if found else None
    return dict(zip(COLUMNS, (one and one.state, *(one.needed.labels if one and one.needed else (None, None, None))), strict=True))

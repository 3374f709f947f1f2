"""A comparison as the cells of tables: the summary table, and the tables that the terminal and the page show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from altool.metrics import learning_curves
from altool.reporting.cost import Cells
from altool.reporting.history import Difference, History, Run, metric_name
from altool.reporting.history_curves import Curve, Interval
from altool.reporting.history_levels import Level
from altool.text import visible


def _points(curve: Curve) -> Iterator[tuple[int, Interval]]:
    """The numbers of labels of a curve, and what it is there."""
    for place, number in enumerate(curve.labels):
        low, high = (None if band is None else band[place] for band in (curve.low, curve.high))
        yield number, Interval(curve.value[place], low, high)


def summary_rows(found: History) -> list[dict[str, Any]]:
    """The summary table's rows: run by run, one number each (schema.py, kind "summary")."""
    rows: list[dict[str, Any]] = []

    def add(run: Run, quantity: str, value: Interval | Difference | None, scope: str = "all", **facts: Any) -> None:
        repeats = value.repeats if isinstance(value, Difference) else run.repeats
        kind = "bootstrap" if isinstance(value, Difference) else "range" if repeats < learning_curves.BAND else "t"
        row: dict[str, Any] = {
            "run": run.name,
            "scope": scope,
            "metric": found.metric if scope == "all" else found.class_metric,
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
        for number, price in zip(run.curves["all"].labels, run.costs or (), strict=False):
            add(run, "cost", Interval(price, None, None), labels=number)
        if run.entropy:
            add(run, "entropy", run.entropy)
        if run.tail_share is not None:
            add(run, "label_share", Interval(run.tail_share, None, None), "tail")
        for name, share in (run.shares or {}).items():
            add(run, "label_share", Interval(share, None, None), "class", **{"class": name})
        curves: list[tuple[str, str | None, Curve]] = [(scope, None, run.curves[scope]) for scope in found.scopes]
        curves += [("class", name, curve) for name, curve in run.class_curves.items()]
        for scope, class_, curve in curves:
            for number, value in _points(curve):
                add(run, "curve", value, scope, labels=number, **{"class": class_})
        for scope, curve in (run.over_baseline or {}).items():
            repeats = run.difference[scope].repeats if run.difference else run.repeats
            for number, value in _points(curve):
                less = Difference(value.value, value.low, value.high, repeats, "")
                add(run, "difference", less, scope, labels=number, baseline=found.baseline)
        for name, curve in (run.balance or {}).items():
            for number, value in _points(curve):
                add(run, name, value, labels=number)
        for name, share in (found.pool or {}).items():
            add(run, "pool_share", Interval(share, None, None), "class", **{"class": name})
    choice = found.choice
    by_name = {run.name: run for run in found.runs}
    for name, chance in (choice.probabilities or {} if choice else {}).items():
        add(by_name[name], "probability_best", Interval(chance, None, None))
    first = [choice.saved] if choice and choice.saved else []
    for saved in dict.fromkeys([*first, *found.saved]):
        fewer = Difference(saved.share, saved.low, saved.high, saved.repeats, "")
        add(by_name[saved.run], "labels_saved", fewer, baseline=saved.baseline, level=saved.level, labels=round(saved.labels))
    return rows


def areas(found: History) -> Cells:
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


def needed(found: History) -> Cells:
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


def needed_note(found: History) -> str:
    text = "in k of n: only k of n repeats reach the level; ≤: a repeat reaches it with its first labels"
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

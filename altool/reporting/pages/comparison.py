"""A comparison as a page: which run to take and how sure that is, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from altool.documents import Html, safe
from altool.reporting import history_cells as cells
from altool.reporting.adversaries import TITLE, Learned
from altool.reporting.adversaries import table as adversary_table
from altool.reporting.cost import Cells
from altool.reporting.history import History, Run, metric_name
from altool.reporting.history_curves import Curve, Interval
from altool.reporting.history_series import BALANCE, FALLING
from altool.reporting.pages import svg
from altool.reporting.pages.document import Table, bdi, document, of_cells
from altool.reporting.suggestions import Right
from altool.reporting.suggestions import table as suggested_table
from altool.reporting.told import NAMED, Told, told
from altool.text import count, visible

CLASSES_DRAWN = 30  # classes with a chart of their own
STACKED = 10  # classes whose shares are parts of one bar: as many as there are colours
SHOWN = 12  # rows of a table before the rest is folded
OPEN = 2  # tables of what is saved before they are folded
DRAWN = 10  # curves of a chart, the best ones and the baseline: as many as there are colours

EFFICIENCIES = {"labels_efficiency": "labels", "seconds_efficiency": "time", "cost_efficiency": "cost"}

Tile = tuple[str, str, Sequence[str]]


@dataclass(frozen=True)
class Fold:
    """Parts of a section that open under a title."""

    title: str
    folded: Sequence[Any]


def render(
    found: History,
    origin: Mapping[str, Any],
    seconds: Cells | None = None,
    suggested: Sequence[Right] = (),
    learned: Sequence[Learned] = (),
) -> bytes:
    """The whole page; `origin` is the provenance, `seconds` the processor seconds of a round of each run, `suggested` the suggestions that
    were right, `learned` what VAALs had learned."""
    against = told(found)
    colors = _colors(found)
    titles = {"curves": "Curves", "saved": "Labels saved", "differences": f"Against {visible(found.baseline or '')}", "cost": "Cost"}
    titles |= {"suggestions": "Suggestions", "adversaries": "VAAL", "shares": "Classes among the labels", "tail": "The tail"}
    titles |= {"classes": "Each class"}
    parts = {
        "curves": list(_curves(found, colors)),
        "saved": _needed(found, colors),
        "differences": [*_differences(found, against), *_over_baseline(found, colors)],
        "cost": list(_costs(found, colors)) + ([of_cells(seconds, "Processor seconds of a round, mean")] if seconds else []),
        "suggestions": _suggestions(suggested, found),
        "adversaries": _adversaries(learned, colors),
        "shares": [*_balance(found, colors), *_shares(found)],
        "tail": [Html(", ".join(bdi(name) for name in found.tail))] if found.tail and not found.own_tails else [],
        "classes": list(_classes(found, colors)),
    }
    there = {name: part for name, part in parts.items() if part}
    lead, more = _lead(found, against)
    return document(
        "comparison.html",
        "Comparison",
        [(name, titles[name]) for name in there],
        origin,
        heading="Comparison",
        facts=[found.basis],
        lead=lead,
        more=more,
        caution=found.caution,
        tiles=list(_tiles(found, against)),
        titles=titles,
        parts=there,
        notes=found.notes,
        metric=_class_metric(found),
        needed_note=cells.needed_note(found),
        several=len(found.runs) > 1,
        compared=against.compared if against else 0,
        pooled=found.pool is not None,
    )


def _lead(found: History, against: Told | None) -> tuple[list[str], list[str]]:
    """What to do, and what else is to be said, in sentences without full stops: the choice goes first, unless no run can be told from the
    baseline."""
    choice = [line if place == 0 else f"labels saved: {line}" for place, line in enumerate(found.advice)]
    if against is None:
        return choice[:1] or [found.basis], choice[1:]
    if found.choice is None or (not against.better and not against.worse):
        return against.lines, choice
    candidates = [name for name in found.choice.candidates if name in against.better]
    if len(candidates) > 1:
        first = ", ".join(map(visible, candidates[:-1][:NAMED]))
        last = visible(candidates[-1]) if len(candidates) <= NAMED + 1 else count(len(candidates) - NAMED, "other run")
        lead = f"take {first} or {last}: better than {visible(against.baseline)}, but which of them is best cannot be told"
        return [lead], [choice[0], *against.lines, *choice[1:]]
    return choice[:1], [*against.lines, *choice[1:]]


def _tiles(found: History, against: Told | None) -> Iterator[Tile]:
    best, (low, high) = found.runs[0], found.labels
    word = "smallest" if found.metric in FALLING else "largest"
    yield f"{word} area", f"{best.area['all'].value:.1f}", [visible(best.name), _between(best.area["all"], ".1f")]
    yield f"{metric_name(found.metric)} at {high:,} labels", f"{best.final['all'].value:.3f}", [_between(best.final["all"], ".2f")]
    saved = found.choice.saved if found.choice else None
    if saved:
        ends = () if saved.low is None or saved.high is None else (_percent(saved.low), _percent(saved.high))
        said = f"to {metric_name(found.metric)} {saved.level:g}: {saved.labels:,.0f} instead of {saved.baseline_labels:,.0f}"
        yield "labels saved", _percent(saved.share), [*([f"{ends[0]} to {ends[1]}"] if ends else []), said]
    else:
        yield "labels", f"{low:,} to {high:,}", ["that all curves cover"]
    if against:
        yield (
            f"better than {visible(against.baseline)}",
            f"{len(against.better)} of {against.compared}",
            [
                f"{len(against.worse)} worse, {len(against.neither)} not told",
                count(against.repeats, "repeat"),
            ],
        )
    else:
        yield "repeats", f"{found.repeats[0]:,}", [count(len(found.runs), "run")]


def _percent(share: float) -> str:
    """A share as a rounded percentage with its sign: a run may need more labels."""
    return f"{100 * share + 0.0:.0f} %".replace("-0 %", "0 %").replace("-", "−")


def _between(one: Interval, form: str) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:{form}} to {one.high:{form}}"


def _colors(found: History) -> dict[str, str]:
    """A colour for each run, in their order; the baseline is gray."""
    others = [run.name for run in found.runs if run.name != found.baseline]
    return {name: svg.color(place) for place, name in enumerate(others)} | ({found.baseline: "cg"} if found.baseline else {})


def _drawn(found: History) -> list[Run]:
    """The runs of a chart: all, or the best and the baseline."""
    best = [run for run in found.runs if run.name != found.baseline][:DRAWN]
    return [run for run in found.runs if run in best or run.name == found.baseline]


def _curve(run: Run, one: Curve, found: History, colors: Mapping[str, str], *, band: bool = True) -> svg.Curve:
    name = f"{run.name} (baseline)" if run.name == found.baseline else run.name
    low, high = (one.low, one.high) if band else (None, None)
    return svg.Curve(name, one.labels, one.value, low, high, colors[run.name], dashed=run.name == found.baseline)


def _curves(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    names = {"all": metric_name(found.metric), "head": f"head: {_class_metric(found)}", "tail": f"tail: {_class_metric(found)}"}
    drawn = _drawn(found)
    charts = [
        svg.curves(
            names[scope],
            [_curve(run, run.curves[scope], found, colors) for run in drawn],
            across="labels",
            share=found.is_share,
            height=300 if len(found.scopes) == 1 else 240,
        )
        for scope in found.scopes
    ]
    yield charts
    if len(drawn) < len(found.runs):
        yield f"drawn: the best {DRAWN} runs and the baseline, of {len(found.runs):,}"
    yield of_cells(cells.areas(found), "Values and areas of the runs")


def _needed(found: History, colors: Mapping[str, str]) -> list[Any]:
    """What the runs need to reach each level, the labeling efficiency over these, and what each run saves against each other."""
    if not any(run.levels for run in found.runs):
        return []
    title = f"fewer labels to {metric_name(found.metric)}"
    tables: list[Any] = []
    for level in found.runs[0].levels:
        shares = {(one.run, one.baseline): _percent(one.share) for one in found.saved if one.level == level.level}
        names = [run.name for run in found.runs if any(run.name == name for name, _ in shares)]
        if not names:
            continue
        rows = [(name, [shares.get((name, column), "") for column in names]) for name in names]
        heads = [Html(bdi(name, 24)) for name in names]
        caption = f"{title} {level.level:g}"
        tables += [f"{caption}, by row against column: means over repeats; − is more", Table(["run", *heads], rows, caption)]
    folded = [Fold(f"{title}, at each level", tables)] if len(tables) > 2 * OPEN else tables
    return [*_efficiencies(found, colors), of_cells(cells.needed(found), "Labels needed"), *folded]


def _efficiencies(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    """Where there are several levels, what the baseline needs over what each run needs, as curves over them."""
    levels = [level.level for level in found.runs[0].levels]
    if found.baseline is None or len(levels) < 2:
        return
    charts = []
    for quantity, name in EFFICIENCIES.items():
        curves = []
        for run in _drawn(found):
            ratios = [getattr(level, quantity) for level in run.levels]
            if any(ratios):
                curves.append(svg.Curve(run.name, levels, [ratio and ratio.value for ratio in ratios], color=colors[run.name]))
        if curves:
            baseline = svg.Curve(f"{found.baseline} (baseline)", levels, [1.0] * len(levels), color=colors[found.baseline], dashed=True)
            charts.append(svg.curves(f"labeling efficiency by {name}", [*curves, baseline], across=metric_name(found.metric), share=False))
    if charts:
        yield charts


def _differences(found: History, against: Told | None) -> list[Any]:
    if not any(run.difference for run in found.runs):
        return []
    kinds = dict.fromkeys(against.better, "good") | dict.fromkeys(against.worse, "bad") if against else {}
    charts = []
    for scope in found.scopes:
        lines = [(run.name, run.difference[scope]) for run in found.runs if run.difference]
        rows = []
        for name, one in lines:
            low, high = one.joint or (None, None)
            rows.append(svg.Interval(name, one.value, low, high, kinds.get(name, "") if scope == "all" else ""))
        charts.append(svg.intervals("all classes" if scope == "all" else scope, rows, across="points of area"))
    of_run = {run.name: run.difference for run in found.runs}
    said: list[tuple[str, list[str]]] = []
    for name, scope, verdict in found.verdicts():
        own = (of_run[name] or {}).get(scope)
        class_ = {"better": "good", "worse": "bad"}.get(own.verdict if own else "", "")
        text = Html(f'<span class="{class_}">{safe(verdict)}</span>') if class_ else verdict
        joint = f"{own.joint[0]:.1f} to {own.joint[1]:.1f}" if own and own.joint else ""
        said.append((name, [scope, text, joint]))
    head = ["run", "classes", "area, in points: one run by itself, 95 %", "all at once, 95 %"]
    return [charts, Table(head, said, "Differences in area", first=SHOWN, texts=(0, 1))]


def _over_baseline(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    """How far the curves lie above the baseline's at each number of labels."""
    drawn = [run for run in _drawn(found) if run.over_baseline]
    if not drawn or len(drawn[0].curves["all"].labels) < 2:
        return
    charts = []
    for scope in found.scopes:
        curves = [_curve(run, run.over_baseline[scope], found, colors) for run in drawn if run.over_baseline]
        at = [curves[0].x[0], curves[0].x[-1]]
        curves.append(svg.Curve(f"{found.baseline} (baseline)", at, [0.0, 0.0], color=colors[found.baseline or ""], dashed=True))
        title = "points over" if scope == "all" else f"{scope}: points over"
        charts.append(svg.curves(f"{title} {visible(found.baseline or '')}", curves, across="labels", share=False))
    yield charts
    lines = {run.name: run.over_baseline["all"] for run in found.runs if run.over_baseline}
    counts = sorted({number for line in lines.values() for number in line.labels})
    points = {name: dict(zip(line.labels, _points(line), strict=True)) for name, line in lines.items()}
    rows = [(f"{number:,}", [points[name].get(number, "") for name in lines]) for number in counts]
    yield Table(
        ["labels", *(Html(bdi(name, 24)) for name in lines)], rows, "Points over the baseline at each number of labels", first=SHOWN
    )


def _points(line: Curve) -> list[str]:
    """The values of a curve in points, with what they are between."""
    ends = zip(line.low, line.high, strict=True) if line.low is not None and line.high is not None else [None] * len(line.labels)
    said = [
        f"{value + 0.0:+.1f}" + (f" ({end[0]:+.1f} to {end[1]:+.1f})" if end else "") for value, end in zip(line.value, ends, strict=True)
    ]
    return [text.replace("-", "−") for text in said]


def _suggestions(suggested: Sequence[Right], found: History) -> list[Any]:
    """Which share of the suggestions was right in each round: a chart of each run with a curve of each tier, and a table."""
    if not suggested:
        return []
    charts = []
    for run in _drawn(found):
        curves = [
            svg.Curve(
                one.tier or "suggested",
                one.rounds,
                [share.value for share in one.shares],
                [share.low for share in one.shares],
                [share.high for share in one.shares],
                svg.color(place),
            )
            for place, one in enumerate(one for one in suggested if one.run == run.name)
        ]
        if curves:
            charts.append(svg.curves(visible(run.name), curves, across="round"))
    return [charts, of_cells(suggested_table(suggested), "Suggestions that were right", texts=(0,))]


def _adversaries(learned: Sequence[Learned], colors: Mapping[str, str]) -> list[Any]:
    """What VAALs had learned: the correlation of what was chosen first with the real loss, by labels, and a table of the last round."""
    curves = [
        svg.Curve(
            visible(one.run),
            one.labels,
            [each.value for each in one.values],
            [each.low for each in one.values],
            [each.high for each in one.values],
            colors.get(one.run, svg.color(0)),
        )
        for one in learned
        if one.metric == "loss_correlation"
    ]
    title = "What is chosen first, and the real loss: rank correlation"
    chart = [svg.curves(title, curves, across="labels", share=False)] if curves else []
    return [*chart, of_cells(adversary_table(learned), TITLE.capitalize(), texts=(0,))] if learned else []


def _costs(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    if found.prices:
        curves = [
            svg.Curve(one.name, run.costs or [], one.y, one.low, one.high, one.color, one.dashed)
            for run in _drawn(found)
            if run.costs
            for one in [_curve(run, run.curves["all"], found, colors)]
        ]
        yield [svg.curves(metric_name(found.metric), curves, across="cost of the labels", share=found.is_share)]


def _balance(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    """How even the labels of the classes are, round by round, beside the pool."""
    drawn = [run for run in _drawn(found) if run.balance]
    if not drawn or len(found.classes) - len(found.left_out) < 2:
        return
    charts = []
    for metric, balance in BALANCE.items():
        if metric == found.metric:
            continue
        curves = [_curve(run, run.balance[metric], found, colors) for run in drawn if run.balance]
        if found.pool:
            value = balance(np.array([share for name, share in found.pool.items() if name not in found.left_out]))
            curves.append(svg.Curve("the pool", list(found.labels), [value, value], color="ck", dashed=True))
        charts.append(svg.curves(metric_name(metric), curves, across="labels", share=False))
    yield charts


def _shares(found: History) -> Iterator[Any]:
    runs = [run for run in found.runs if run.shares]
    if not runs:
        return
    if 1 < len(found.classes) <= STACKED:
        colors = {name: svg.color(place) for place, name in enumerate(found.classes)}
        bars = [("the pool", found.pool), *((run.name, run.shares) for run in runs)]
        rows = [
            (name, [svg.stack([(round(100 * shares[class_], 1), colors[class_], f"{class_}, %") for class_ in found.classes], 100)])
            for name, shares in bars
            if shares
        ]
        yield Table(["run", "shares of the labels"], rows, "Shares of the labels, as bars")
        yield svg.legend([(color, name) for name, color in colors.items()])
    totals = {name: sum(run.shares[name] for run in runs if run.shares) for name in found.classes}
    rarest = sorted(found.classes, key=lambda name: (totals[name], name))
    columns = [*([found.pool] if found.pool else []), *(run.shares for run in runs if run.shares)]
    cells_ = [(name, [f"{shares[name]:.1%}" for shares in columns]) for name in rarest]
    heads = [Html(bdi(run.name, 24)) for run in runs]
    yield Table(
        ["class", *(["the pool"] if found.pool else []), *heads], cells_, "Shares of the labels", first=SHOWN, noun=("class", "classes")
    )


def _classes(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    if not 1 < len(found.classes) <= CLASSES_DRAWN:
        return
    drawn = _drawn(found)
    yield [
        svg.curves(
            visible(name),
            [_curve(run, run.class_curves[name], found, colors, band=False) for run in drawn],
            across="labels",
            share=found.is_share,
            height=180,
            legend=False,
        )
        for name in found.classes
    ]
    yield svg.legend([(colors[run.name] + " dashed" * (run.name == found.baseline), run.name) for run in drawn])


def _class_metric(found: History) -> str:
    return metric_name(found.class_metric)

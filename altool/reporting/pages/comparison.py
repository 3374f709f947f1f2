"""A comparison as a page: which run to take and how sure that is, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from altool.documents import Html, safe
from altool.reporting import history_cells as cells
from altool.reporting.cost import Cells
from altool.reporting.history import Curve, History, Interval, Run, metric_name
from altool.reporting.history_series import CLASS_METRIC, FALLING
from altool.reporting.pages import svg
from altool.reporting.pages.document import Table, bdi, document, of_cells
from altool.reporting.told import NAMED, Told, told
from altool.text import count, visible

CLASSES_DRAWN = 30  # classes with a chart of their own
STACKED = 10  # classes whose shares are parts of one bar: as many as there are colours
SHOWN = 12  # rows of a table before the rest is folded
PAIRED = 12  # runs that are compared with each other, the best ones
DRAWN = 10  # curves of a chart, the best ones and the baseline: as many as there are colours

Tile = tuple[str, str, Sequence[str]]


def render(found: History, origin: Mapping[str, Any], seconds: Cells | None = None) -> bytes:
    """The whole page; `origin` is the provenance, `seconds` the processor seconds of a round of each run."""
    against = told(found)
    colors = _colors(found)
    titles = {"curves": "Curves", "saved": "Labels saved", "differences": f"Against {visible(found.baseline or '')}", "cost": "Cost"}
    titles |= {"shares": "Classes among the labels", "tail": "The tail", "classes": "Each class"}
    parts = {
        "curves": list(_curves(found, colors)),
        "saved": _needed(found),
        "differences": _differences(found, against),
        "cost": list(_costs(found, colors)) + ([of_cells(seconds, "Processor seconds of a round, mean")] if seconds else []),
        "shares": list(_shares(found)),
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
    )


def _lead(found: History, against: Told | None) -> tuple[list[str], list[str]]:
    """What to do, and what else is to be said, in sentences without full stops: the choice goes first, unless no run can be told from the
    baseline."""
    choice = [line if place == 0 else f"labels saved: {line}" for place, line in enumerate(found.advice)]
    if against is None:
        return choice[:1] or [found.basis], choice[1:]
    if not against.better and not against.worse:
        return against.lines, choice
    candidates = [name for name in found.choice.candidates if name in against.better] if found.choice else []
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
            share=found.metric not in FALLING,
            height=300 if len(found.scopes) == 1 else 240,
        )
        for scope in found.scopes
    ]
    yield charts
    if len(drawn) < len(found.runs):
        yield f"drawn: the best {DRAWN} runs and the baseline, of {len(found.runs):,}"
    yield of_cells(cells.areas(found), "Values and areas of the runs")


def _needed(found: History) -> list[Any]:
    """What the runs need to reach each level, and what each saves against each other."""
    if not any(run.levels for run in found.runs):
        return []
    parts: list[Any] = [of_cells(cells.needed(found), "Labels needed")]
    for place, level in enumerate(found.runs[0].levels):
        reached = [(run.name, run.levels[place].labels) for run in found.runs if run.levels[place].labels]
        known = [(name, one.value) for name, one in reached if one is not None][:PAIRED]
        if len(known) < 2 or any(run.levels[place].at_start for run in found.runs):
            continue
        rows = [(name, [_saves(own, other) if name != column else "" for column, other in known]) for name, own in known]
        heads = [Html(bdi(column, 24)) for column, _ in known]
        title = f"fewer labels to {metric_name(found.metric)} {level.level:g}"
        parts += [f"{title}, by row against column: means over repeats; − is more", Table(["run", *heads], rows, title)]
    return parts


def _saves(own: float, other: float) -> str:
    return _percent(1 - own / other) if other else ""


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


def _costs(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    if found.prices:
        curves = [
            svg.Curve(one.name, run.costs or [], one.y, one.low, one.high, one.color, one.dashed)
            for run in _drawn(found)
            if run.costs
            for one in [_curve(run, run.curves["all"], found, colors)]
        ]
        yield [svg.curves(metric_name(found.metric), curves, across="cost of the labels", share=found.metric not in FALLING)]


def _shares(found: History) -> Iterator[Any]:
    runs = [run for run in found.runs if run.shares]
    if not runs:
        return
    if 1 < len(found.classes) <= STACKED:
        colors = {name: svg.color(place) for place, name in enumerate(found.classes)}
        rows = [
            (run.name, [svg.stack([(round(100 * run.shares[name], 1), colors[name], f"{name}, %") for name in found.classes], 100)])
            for run in runs
            if run.shares
        ]
        yield Table(["run", "shares of the labels"], rows, "Shares of the labels, as bars")
        yield svg.legend([(color, name) for name, color in colors.items()])
    totals = {name: sum(run.shares[name] for run in runs if run.shares) for name in found.classes}
    rarest = sorted(found.classes, key=lambda name: (totals[name], name))
    cells_ = [(name, [f"{run.shares[name]:.1%}" for run in runs if run.shares]) for name in rarest]
    heads = [Html(bdi(run.name, 24)) for run in runs]
    yield Table(["class", *heads], cells_, "Shares of the labels", first=SHOWN, noun=("class", "classes"))


def _classes(found: History, colors: Mapping[str, str]) -> Iterator[Any]:
    if not 1 < len(found.classes) <= CLASSES_DRAWN:
        return
    drawn = _drawn(found)
    yield [
        svg.curves(
            visible(name),
            [_curve(run, run.class_curves[name], found, colors, band=False) for run in drawn],
            across="labels",
            share=found.metric not in FALLING,
            height=180,
            legend=False,
        )
        for name in found.classes
    ]
    yield svg.legend([(colors[run.name] + " dashed" * (run.name == found.baseline), run.name) for run in drawn])


def _class_metric(found: History) -> str:
    return metric_name(CLASS_METRIC.get(found.metric, found.metric))

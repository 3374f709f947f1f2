"""Charts as inline SVG: no script, text as text, colours by the page's style sheet, the same bytes for the same content.

Every chart is `WIDTH` units wide, with letters of 13 units, so that these are 11 pixels tall on a phone; on a wide page several stand side
by side. What is a share never leaves [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from altool.documents import Html, safe
from altool.text import clip, visible

WIDTH, LETTER = 420, 7.3  # of a chart, and of a letter on average
COLORS = 10  # .c0 to .c9 of page.css; .cg is gray, .ck ink
DOTS = 40  # points of a curve that are drawn one by one
Points = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """A curve with a name: `y` at `x` (None: a gap), between `low` and `high` where these are known. `color` is a class of page.css."""

    name: str
    x: Sequence[float]
    y: Points
    low: Points | None = None
    high: Points | None = None
    color: str = "c0"
    dashed: bool = False


@dataclass(frozen=True)
class Outlook:
    """What is to come: the value `y` of now at `x`, and at `low` to `high`, most likely `middle`, the value `target`."""

    x: float
    y: float
    low: float
    middle: float
    high: float
    target: float


@dataclass(frozen=True)
class Interval:
    """A row of a chart of differences: `value` between `low` and `high` (None: unknown), good, bad or neither (`kind` "")."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = ""


def color(place: int) -> str:
    """The colour of the so-manieth curve."""
    return f"c{place % COLORS}"


def curves(
    title: str, shown: Sequence[Curve], *, across: str, share: bool = True, target: float | None = None, outlook: Outlook | None = None,
    span: tuple[float, float, float] | None = None, height: int = 230, legend: bool = True, up: str = "",
) -> Html:  # fmt: skip
    """A figure of curves over `across` (labels, rounds, cost), with a line at the `target`, the way there, and a `span` (low, middle, high)
    of the x axis that is shaded. `share`: values are shares, and the axis ends at 1. `up` names the other axis.
    """
    xs = [x for curve in shown for x in curve.x] + ([outlook.x, outlook.high] if outlook else []) + (list(span) if span else [])
    ys = [y for curve in shown for points in (curve.y, curve.low, curve.high) for y in points or () if y is not None]
    ys += [] if target is None else [target]
    left, right = (min(xs), max(xs)) if xs else (0.0, 1.0)
    bottom, top, steps = _share_axis(ys) if share else _axis(min([0.0, *ys]), max([0.0, *ys]))
    names = [_number(step) for step in steps]
    edge = max(len(name) for name in names) * LETTER + 10
    frame = _Frame(edge, 12 if not up else 26, WIDTH - 12, height - 38, left, right, bottom, top)
    parts = [_text(edge - 6, frame.y(step) + 4.5, name, "end") for step, name in zip(steps, names, strict=True)]
    parts += [f'<path class="grid" d="M{edge:g} {frame.y(step):.1f}H{WIDTH - 12}"/>' for step in steps]
    parts += list(_x_axis(frame, across, height))
    parts += [_text(0, 12, up)] if up else []
    if span:
        low, middle, high = (f"{frame.x(one):.1f}" for one in span)
        parts.append(f'<path class="span" d="M{low} {frame.y1:g}V{frame.y2:g}H{high}V{frame.y1:g}z"/>')
        parts.append(f'<path class="middle" d="M{middle} {frame.y1:g}V{frame.y2:g}"/>')
    if target is not None:
        line = f"M{edge:g} {frame.y(target):.1f}H{WIDTH - 12}"
        parts.append(f'<path class="target" d="{line}"><title>target {_number(target)}</title></path>')
    if outlook:
        start, level = f"{frame.x(outlook.x):.1f} {frame.y(outlook.y):.1f}", f"{frame.y(outlook.target):.1f}"
        low, middle, high = (f"{frame.x(one):.1f}" for one in (outlook.low, outlook.middle, outlook.high))
        parts.append(f'<path class="span" d="M{start}L{low} {level}H{high}Z"/><path class="middle" d="M{start}L{middle} {level}"/>')
    for curve in shown:
        parts += list(_band(frame, curve)) if curve.low is not None and curve.high is not None else []
    for curve in shown:
        parts += list(_curve(frame, curve, across, whole=len(shown) <= COLORS))
    label = f"{title}: {', '.join(visible(curve.name) for curve in shown[:COLORS])} over {across}"
    key = _legend(shown) if legend else ""
    return figure(title, _svg(label, height, parts), key)


def intervals(title: str, rows: Sequence[Interval], *, across: str, zero: bool = True) -> Html:
    """A figure of values with their intervals, a row each, its name above it; `zero`: with a line at 0."""
    numbers = [one for row in rows for one in (row.value, row.low, row.high) if one is not None] + ([0.0] if zero else [])
    left, right, _ = _axis(min(numbers), max(numbers)) if zero else _share_axis(numbers)
    height = 34 * len(rows) + 44
    frame = _Frame(12, 4, WIDTH - 12, height - 38, left, right, 0, 1)
    parts = list(_x_axis(frame, across, height, grid=True))
    parts += [f'<path class="axis" d="M{frame.x(0):.1f} {frame.y1:g}V{frame.y2:g}"/>'] if zero else []
    for place, row in enumerate(rows):
        y = 34 * place + 26
        parts.append(_text(12, y - 9, clip(visible(row.name), 52)))
        kind = row.kind or "cg"
        if row.low is not None and row.high is not None:
            parts.append(f'<path class="line wide {kind}" d="M{frame.x(row.low):.1f} {y}H{frame.x(row.high):.1f}"/>')
        said = f"{row.value:+.3g}" + ("" if row.low is None or row.high is None else f" [{row.low:+.3g}, {row.high:+.3g}]")
        parts.append(
            f'<circle class="dot {kind}" cx="{frame.x(row.value):.1f}" cy="{y}" r="5"><title>{safe(row.name)}: {said}</title></circle>'
        )
    return figure(title, _svg(f"{title}, {across}", height, parts))


def bar(value: float, low: float, high: float, target: float | None, kind: str, label: str) -> Html:
    """A share in [0, 1] as a bar with its interval, and a tick at its target. `kind` is good, bad or ""; `label` says it in words."""
    parts = [f'<path class="track" d="M0 5h200v10H0z"/><path class="fill {kind}" d="M0 5h{200 * value:.1f}v10H0z"/>']
    parts.append(f'<path class="whisker" d="M{200 * low:.1f} 10H{200 * high:.1f}M{200 * low:.1f} 7v6M{200 * high:.1f} 7v6"/>')
    parts += [] if target is None else [f'<path class="aim" d="M{200 * target:.1f} 0v20"/>']
    return _stretched("bar", 200, label, parts)


def stack(parts: Sequence[tuple[float, str, str]], largest: float) -> Html:
    """Parts of a bar, each a number, a colour and what it is; `largest` is as long as the bar may be."""
    drawn, left = [], 0.0
    for number, kind, name in parts:
        width = 200 * number / max(largest, 1e-9)
        said = f"<title>{safe(name)}: {_number(number)}</title>"
        drawn.append(f'<path class="fill {kind}" d="M{left:.1f} 3h{width:.1f}v14h-{width:.1f}z">{said}</path>')
        left += width
    return _stretched("bar", 200, ", ".join(f"{name} {_number(number)}" for number, _, name in parts), drawn)


def spark(values: Points, target: float | None, bottom: float, label: str) -> Html:
    """A curve of shares over rounds, as small as a word, from `bottom` to 1."""

    def height(value: float) -> float:
        return 18 - 16 * (value - bottom) / max(1 - bottom, 1e-9)

    size = max(len(values) - 1, 1)
    points = [(2 + 76 * place / size, height(value)) for place, value in enumerate(values) if value is not None]
    parts = [] if target is None else [f'<path class="target" d="M0 {height(target):.1f}h80"/>']
    parts += [f'<path class="line c0" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}"/>'] if points else []
    parts += [f'<circle class="dot c0" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2"/>'] if points else []
    return _stretched("spark", 80, label, parts)


def _stretched(kind: str, width: int, label: str, parts: Sequence[str]) -> Html:
    """A drawing without letters, which may be stretched."""
    box = f'viewBox="0 0 {width} 20" preserveAspectRatio="none"'
    return Html(f'<svg class="{kind}" {box} role="img" aria-label="{safe(label)}">{"".join(parts)}</svg>')


def figure(title: str, drawing: str, legend: str = "") -> Html:
    return Html(f'<figure class="chart"><figcaption>{safe(title)}</figcaption>{drawing}{legend}</figure>')


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """A list of what the colours mean: a class of page.css, and text."""
    marks = "".join(f'<li><svg class="key {kind}" viewBox="0 0 12 12" aria-hidden="true"><path d="M1 1h10v10H1z"/></svg>'
                    f"<bdi>{safe(clip(visible(name), 40))}</bdi></li>" for kind, name in entries)  # fmt: skip
    return Html(f'<ul class="legend">{marks}</ul>')


def _legend(shown: Sequence[Curve]) -> str:
    return legend([(curve.color + " dashed" * curve.dashed, curve.name) for curve in shown])


def svg(label: str, height: float, drawing: str, kind: str = "") -> Html:
    """A drawing as wide as a chart; `label` says in words what it shows."""
    name = f' class="{kind}"' if kind else ""
    return Html(f'<svg{name} viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{safe(label)}">{drawing}</svg>')


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    return svg(label, height, "".join(parts))


@dataclass(frozen=True)
class _Frame:
    """Where the axes lie in the drawing, from (x1, y1) to (x2, y2), and what they span."""

    x1: float
    y1: float
    x2: float
    y2: float
    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        span = self.right - self.left
        return (self.x1 + self.x2) / 2 if span <= 0 else self.x1 + (self.x2 - self.x1) * (value - self.left) / span

    def y(self, value: float) -> float:
        """A value beyond the axis is drawn at its end."""
        value = min(max(value, self.bottom), self.top)
        return self.y2 - (self.y2 - self.y1) * (value - self.bottom) / (self.top - self.bottom)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most so many, evenly spaced."""
    if not high > low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10, 20) if unit * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round((first + place) * step, 12) + 0.0 for place in range(math.floor(high / step + 1e-9) - first + 1)]


def _axis(low: float, high: float) -> tuple[float, float, list[float]]:
    """An axis of any numbers: its ends, which are ticks, and its ticks."""
    if not high > low:
        low, high = low - 1, high + 1
    found = ticks(low, high, 6)
    step = found[1] - found[0] if len(found) > 1 else high - low
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return first, last, ticks(first, last, round((last - first) / step) + 1)


def _share_axis(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """An axis of shares ends at 1, and begins at 0 or, where all are large, higher up."""
    lowest = min([1.0, *values])
    bottom, step = next(((bottom, step) for bottom, step in ((0.8, 0.05), (0.5, 0.1)) if lowest >= bottom), (0.0, 0.2))
    return bottom, 1.0, [round(bottom + step * place, 12) for place in range(round((1 - bottom) / step) + 1)]


def _x_axis(frame: _Frame, across: str, height: float, *, grid: bool = False) -> Iterator[str]:
    """The axis below, with as many ticks as fit beside each other."""
    widest = max(len(_number(frame.left)), len(_number(frame.right)), 3) * LETTER + 14
    for most in range(max(2, int((frame.x2 - frame.x1) / widest)), 0, -1):
        found = ticks(frame.left, frame.right, most)
        names = [_number(one) for one in found]
        middles = [_within(frame.x(one), name) for one, name in zip(found, names, strict=True)]
        ends = [(x - len(name) * LETTER / 2, x + len(name) * LETTER / 2) for x, name in zip(middles, names, strict=True)]
        if all(before[1] + 8 <= after[0] for before, after in pairwise(ends)):
            break
    yield f'<path class="axis" d="M{frame.x1:g} {frame.y2:g}H{frame.x2:g}"/>'
    for one, x, name in zip(found, middles, names, strict=True):
        upper = frame.y1 if grid else frame.y2
        yield f'<path class="grid" d="M{frame.x(one):.1f} {upper:g}V{frame.y2 + 4:g}"/>{_text(x, frame.y2 + 17, name, "middle")}'
    yield _text(frame.x2, height - 4, across, "end")


def _within(x: float, name: str) -> float:
    """Where the middle of a text lies that stands at `x` and does not leave the drawing."""
    half = len(name) * LETTER / 2
    return min(max(x, half), WIDTH - half)


def _band(frame: _Frame, curve: Curve) -> Iterator[str]:
    known = [(x, a, b) for x, a, b in zip(curve.x, curve.low or (), curve.high or (), strict=True) if a is not None and b is not None]
    if len(known) > 1:
        there = [f"{frame.x(x):.1f} {frame.y(high):.1f}" for x, _, high in known]
        back = [f"{frame.x(x):.1f} {frame.y(low):.1f}" for x, low, _ in reversed(known)]
        yield f'<path class="band {curve.color}" d="M{"L".join(there + back)}Z"/>'
    elif known:
        ((x, low, high),) = known
        yield f'<path class="line {curve.color}" d="M{frame.x(x):.1f} {frame.y(low):.1f}V{frame.y(high):.1f}"/>'


def _curve(frame: _Frame, curve: Curve, across: str, *, whole: bool) -> Iterator[str]:
    known = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if y is not None]
    if len(known) > 1:
        path = "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in known)
        yield f'<path class="line {curve.color}{" dashed" * curve.dashed}" d="M{path}"><title>{safe(curve.name)}</title></path>'
    if len(known) == 1 or (whole and len(known) <= DOTS):
        for x, y in known:
            said = f"{safe(curve.name)}: {_number(round(y, 4))} at {_number(x)} {safe(across)}"
            yield f'<circle class="dot {curve.color}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"><title>{said}</title></circle>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:g}" y="{y:.1f}"{where}>{safe(text)}</text>'


def _number(value: float) -> str:
    """A number as a tick says it."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def scatter(points: np.ndarray, kinds: Sequence[str], marks: Sequence[str]) -> str:
    """Marks at `points` (n, 2) in [-1, 1]: of each its class of page.css and its mark: "" a small dot, "dot", "square" or "ring".

    Dots of one kind are one path, so that thousands of them are small."""
    x, y = np.round(10 + 400 * (points[:, 0] + 1) / 2), np.round(10 + 400 * (1 - points[:, 1]) / 2)
    groups: dict[tuple[str, str], list[str]] = {}
    for place, key in enumerate(zip(kinds, marks, strict=True)):
        groups.setdefault(key, []).append(_MARKS[key[1]].format(x=f"{x[place]:.0f}", y=f"{y[place]:.0f}"))
    return "".join(f'<path class="{mark or "small"} {kind}" d="{"".join(paths)}"/>' for (kind, mark), paths in groups.items())


# Lines without a length and with round ends are dots.
_MARKS = {"": "M{x} {y}h0", "dot": "M{x} {y}h0", "square": "M{x} {y}m-3-3h6v6h-6z", "ring": "M{x} {y}m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z"}

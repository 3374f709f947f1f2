"""Plots as inline SVG: no script, nothing from outside, the same bytes for the same content."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from altool.reporting.content import SOURCE_ORDER, Report, metric_name, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LINE = "#010203", "#040506"  # stand for the page's text and line colors, light or dark
COLORS = ("#3b82c4", "#e08a2e", "#3fa66b", "#c9524a", "#8a6fc0", "#9a7358", "#d277ad", "#8b8b8b", "#a9a23a", "#2fa9b8")
SOURCE_COLORS = dict(zip(SOURCE_ORDER, ("#8b8b8b", "#3b82c4", "#e08a2e", "#8a6fc0", "#d277ad", "#3fa66b"), strict=True))
GOOD, BAD, GRAY = "#3fa66b", "#c9524a", "#8b8b8b"
LINES = 10  # classes drawn in colors of their own
STYLES = ("-", ":", "-.")  # of curves beyond the colors


@dataclass(frozen=True)
class Map:
    """Rows in the plane: `points` (n, 2), of each its class number (-1: not labeled) and whether it was asked for."""

    points: np.ndarray
    codes: np.ndarray
    asked: np.ndarray
    caption: str


@dataclass(frozen=True)
class Band:
    """A curve with a name: `values` at the counts (or costs) `labels`, between `low` and `high` where these are known."""

    name: str
    labels: Sequence[float]
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def values(report: Report) -> str:
    """Each class's value with its interval, and its target."""
    lines = report.classes
    with _plot("values", "Value of each class with its 95 % interval, against its target", rows=len(lines)) as (figure, output):
        axes = figure.subplots()
        places = np.arange(len(lines))
        shown = [line.metrics[line.shown] for line in lines]
        value, low, high = (np.array([getattr(item, name) for item in shown]) for name in ("value", "low", "high"))
        colors = [COLORS[0] if line.target is None or line.target.met is None else GOOD if line.target.met else BAD for line in lines]
        axes.hlines(places, low, high, colors=colors, linewidth=2, alpha=0.55)
        axes.scatter(value, places, c=colors, s=22, zorder=3)
        aimed = [place for place, line in enumerate(lines) if line.target and line.target.met is not None]
        if aimed:
            targets = [line.target.target for line in lines if line.target and line.target.met is not None]
            axes.scatter(targets, aimed, marker="|", s=90, color=INK, linewidth=1.6, zorder=4, label="target")
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
        kinds = list(dict.fromkeys(metric_name(line.shown, line.at_precision) for line in lines))
        axes.set(xlim=(-0.02, 1.02), xlabel=", ".join(kinds[:4]) + (", …" if len(kinds) > 4 else ""))
        _name_rows(axes, [line.name for line in lines])
    return "".join(output)


def labels_by_source(report: Report) -> str:
    """Labels of each class, stacked by source."""
    lines = report.classes
    with _plot("labels", "Labels of each class by source", rows=len(lines)) as (figure, output):
        axes = figure.subplots()
        left = np.zeros(len(lines))
        for source in (source for source in SOURCE_ORDER if any(source in line.labels_by_source for line in lines)):
            counts = np.array([line.labels_by_source.get(source, 0) for line in lines])
            axes.barh(np.arange(len(lines)), counts, left=left, height=0.7, color=SOURCE_COLORS[source], label=source)
            left += counts
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(SOURCE_ORDER))
        axes.set(xlabel="labels", xlim=(0, max(1.0, left.max() * 1.02)))
        _whole(axes)
        _name_rows(axes, [line.name for line in lines])
    return "".join(output)


def curves(report: Report) -> str:
    """Overall metrics and each class's metric against the number of labels, or the round where that number is unknown or stands still."""
    counts = [*(past.labels for past in report.history), report.labels.training]
    known = all(a is not None and b is not None and a < b for a, b in itertools.pairwise(counts))
    rounds = [past.round if past.round is not None else place for place, past in enumerate(report.history)]
    now = report.round if report.round is not None else (rounds[-1] + 1 if rounds else 0)
    x = counts if known else [*rounds, now]
    with _plot("curves", "Metrics against the number of labels", rows=14) as (figure, output):
        top, bottom = figure.subplots(2, 1, sharex=True)
        for color, name in zip(COLORS, ("macro_f1", "accuracy"), strict=False):
            _line(top, x, [*(past.overall.get(name) for past in report.history), report.overall[name].value], color, metric_name(name, 0))
        worst = sorted(report.classes, key=lambda line: (-(line.target.weight if line.target else 0), line.metrics[line.shown].value))
        named = {line.name for line in worst[:LINES]}
        colors = itertools.cycle(COLORS)
        for line in report.classes:
            y = [*(past.classes.get(line.name, {}).get(line.shown) for past in report.history), line.metrics[line.shown].value]
            if line.name in named:
                _line(bottom, x, y, next(colors), f"{metric_name(line.shown, line.at_precision)} {short(line.name, 16)}")
            else:
                _line(bottom, x, y, LINE, "", behind=True)
        for axes in (top, bottom):
            axes.set(ylim=(-0.02, 1.02))
            axes.grid(axis="y", linewidth=0.6)
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        bottom.set(xlabel="labels" if known else "round")
        _whole(bottom)
    return "".join(output)


def training(report: Report) -> str:
    """The losses and the training accuracy of each epoch."""
    x = range(1, len(report.training["loss"]) + 1)
    with _plot("training", "Loss and training accuracy of each epoch", rows=12) as (figure, output):
        top, bottom = figure.subplots(2, 1, sharex=True)
        for color, (name, label) in zip(COLORS, {"loss": "loss", "ranker": "ranker's loss"}.items(), strict=False):
            if name in report.training:
                top.plot(x, report.training[name], color=color, linewidth=1.5, label=label)
        bottom.plot(x, report.training["accuracy"], color=COLORS[0], linewidth=1.5, label="training accuracy")
        top.set_ylim(bottom=0)
        bottom.set(ylim=(-0.02, 1.02), xlabel="epoch")
        for axes in (top, bottom):
            axes.grid(axis="y", linewidth=0.6)
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        _whole(bottom)
    return "".join(output)


def bands(
    name: str, label: str, panels: Sequence[tuple[str, Sequence[Band]]], baseline: str | None, columns: int = 1, across: str = "labels"
) -> str:
    """Curves over label counts (or what `across` says), one panel per title, the same curves in each; the baseline's is dashed.

    `name` names the SVG's parts.
    """
    rows = -(-len(panels) // columns)
    with _plot(name, label, rows=rows * (13 if columns == 1 else 7)) as (figure, output):
        grid = figure.subplots(rows, columns, sharex=True, sharey=columns > 1, squeeze=False)
        handles = []
        for place, axes in enumerate(grid.flat):
            if place >= len(panels):
                axes.set_visible(False)
                continue
            title, shown = panels[place]
            handles = [_band(axes, band, *style) for band, style in zip(shown, _band_styles(shown, baseline), strict=True)]
            axes.set_title(short(title), fontsize=9, loc="left")
            axes.grid(axis="y", linewidth=0.6)
            if place + columns >= len(panels):  # nothing below
                axes.tick_params(labelbottom=True)
                axes.set(xlabel=across)
            _whole(axes)
        names = [f" {short(band.name, 24)}" for band in panels[0][1]]  # a legend leaves names out that begin with _
        figure.legend(handles, names, loc="outside right upper")
    return "".join(output)


def _band(axes: Axes, band: Band, color: str, style: str) -> Any:
    """Draws a curve and returns its line."""
    line = axes.plot(band.labels, band.values, color=color, linestyle=style, linewidth=1.5, marker=None if len(band.labels) > 1 else "o")[0]
    if band.low is not None and band.high is not None:
        axes.fill_between(band.labels, band.low, band.high, color=color, alpha=0.14, linewidth=0)
    return line


def _band_styles(shown: Sequence[Band], baseline: str | None) -> Iterator[tuple[str, str]]:
    """The color and the dashes of each curve."""
    others = ((color, style) for style in STYLES for color in COLORS)
    for band in shown:
        yield (INK, "--") if band.name == baseline else next(others, (GRAY, "-"))


def differences(name: str, label: str, panels: Sequence[tuple[str, Sequence[tuple[str, float, float | None, float | None]]]]) -> str:
    """Differences with their intervals against 0, as (row, value, low, high); one panel per title, the same rows in each."""
    names = [row for row, *_ in panels[0][1]]
    with _plot(name, label, rows=len(names) + 2) as (figure, output):
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, rows) in zip(grid, panels, strict=True):
            axes.axvline(0, color=INK, linewidth=1)
            for place, (_, value, low, high) in enumerate(rows):
                color = GRAY
                if low is not None and high is not None:
                    color = GOOD if low > 0 else BAD if high < 0 else GRAY
                    axes.hlines(place, low, high, colors=color, linewidth=2, alpha=0.55)
                axes.scatter([value], [place], c=color, s=22, zorder=3)
            axes.set_title(short(title), fontsize=9, loc="left")
            _name_rows(axes, names)
    return "".join(output)


def scatter(found: Map, classes: Sequence[str]) -> str:
    """The pool in the plane, with what is labeled and what was asked for."""
    with _plot("map", found.caption, rows=18) as (figure, output):
        axes = figure.subplots()
        x, y = found.points.T
        pool = found.codes < 0
        axes.scatter(x[pool], y[pool], s=5, color=GRAY, linewidth=0, label="pool")
        held = np.unique(found.codes[~pool])
        if len(held) <= LINES:
            for color, code in zip(COLORS, held, strict=False):
                mine = found.codes == code
                axes.scatter(x[mine], y[mine], s=14, color=color, linewidth=0, label=f"labeled {short(classes[code], 16)}")
        else:
            axes.scatter(x[~pool], y[~pool], s=14, color=COLORS[0], linewidth=0, label="labeled")
        if found.asked.any():
            axes.scatter(x[found.asked], y[found.asked], s=34, facecolors="none", edgecolors=INK, linewidth=0.8, label="asked for")
        axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel="first component", ylabel="second component", xticks=[], yticks=[])
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return "".join(output)


def _line(axes: Axes, x: Sequence[Any], y: Sequence[float | None], color: str, label: str, *, behind: bool = False) -> None:
    points = [(a, b) for a, b in zip(x, y, strict=True) if b is not None]
    axes.plot(
        *zip(*points, strict=True), color=color, marker="o", markersize=3.5, linewidth=1.5, label=label or "_", zorder=1 if behind else 2
    )


def _whole(axes: Axes) -> None:
    """Ticks at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), [short(name) for name in names])
    axes.set(ylim=(len(names) - 0.4, -0.6))
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


@contextmanager
def _plot(name: str, label: str, rows: int) -> Iterator[tuple[Figure, list[str]]]:
    """Yields a figure that is as tall as its rows, and a list that holds its SVG afterwards. The user's own settings play no part."""
    import matplotlib
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none",  # text stays text, in whatever script
        "svg.hashsalt": "altool",
        "text.parse_math": False,  # $x$ is a name
        "font.size": 9.0,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.edgecolor": LINE,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none",
        "grid.color": LINE,
        "legend.frameon": False,
        "legend.fontsize": 8.0,
    }
    output: list[str] = []
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a glyph that the measuring font lacks: the browser has it
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=(8.2, 1.0 + 0.24 * max(4, rows)), layout="constrained")
        yield figure, output
        stream = io.BytesIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing)
    output.append(_inline(stream.getvalue(), name, label))


def _inline(document: bytes, name: str, label: str) -> str:
    """The SVG document as an element of an HTML page: without declarations and namespaces, ids of its own, the page's colors."""
    root = ElementTree.fromstring(document)  # noqa: S314 (written by matplotlib a moment ago)
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    used = set(re.findall(r"(?:url\(|href=\")#([\w.-]+)", document.decode()))
    for element in root.iter():
        element.tag = _local(element.tag)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id":
                if value in used:
                    element.attrib["id"] = f"{name}-{value}"
                continue
            value = value.replace(INK, "currentColor").replace(LINE, "var(--line)")
            value = re.sub("font-family: [^;]*; ?", "", value)  # the page's own
            if _local(key) == "href":
                value = value.replace("#", f"#{name}-")
            element.attrib[_local(key)] = value.replace("url(#", f"url(#{name}-")
    root.attrib.pop("height", None)
    root.attrib.update({"width": "100%", "role": "img", "aria-label": label})
    root.tail = None
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: Any) -> str:
    return str(name).rpartition("}")[2]

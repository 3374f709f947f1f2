"""The curves over the rounds: of all classes, and of those that are furthest from their targets, with what is to come."""

from __future__ import annotations

import itertools

from altool.documents import Html
from altool.metrics.forecast import LABELS
from altool.reporting.content import ClassReport, Report, metric_name, short
from altool.reporting.pages import svg
from altool.reporting.pages.top import ordered, series_of

CLASSES = 5  # drawn beside the curve of all


def curves(report: Report) -> list[Html]:
    """Figures over the number of labels, or over the rounds where that number is unknown or stands still."""
    counts = [*(past.labels for past in report.history), report.labels.training]
    known = all(a is not None and b is not None and a < b for a, b in itertools.pairwise(counts))
    rounds = [past.round if past.round is not None else place for place, past in enumerate(report.history)]
    now = report.round if report.round is not None else (rounds[-1] + 1 if rounds else 0)
    x = [float(one or 0) for one in (counts if known else [*rounds, now])]
    across = "labels" if known else "round"
    overall = [
        svg.Curve(metric_name(name, 0), x, [*(past.overall.get(name) for past in report.history), report.overall[name].value], color=color)
        for name, color in (("macro_f1", "c0"), ("accuracy", "c1"))
    ]
    figures = [svg.curves("All classes", overall, across=across, span=_span(report) if known else None)]
    for line in ordered(report)[:CLASSES]:
        aim, name = line.target, metric_name(line.shown, line.at_precision)
        curve = svg.Curve(name, x, series_of(report, line))
        outlook = _outlook(report, line) if known else None
        title = f"{short(line.name, 40)}: {name}"
        figures.append(svg.curves(title, [curve], across=across, target=aim.target if aim else None, outlook=outlook, legend=False))
    return figures


def _span(report: Report) -> tuple[float, float, float] | None:
    """Between how many labels all classes whose forecast says so meet their targets."""
    together = report.forecast.together if report.forecast else None
    if together is None:
        return None
    middle, low, high = together.labels
    if middle is None or high is None:
        return None
    now = report.labels.training
    return now + low, now + middle, now + min(high, max(now, 2 * middle))  # or the rounds so far would be a dot


def _outlook(report: Report, line: ClassReport) -> svg.Outlook | None:
    one = report.forecast.classes.get(line.name) if report.forecast else None
    if one is None or one.state != LABELS or one.needed is None or line.target is None:
        return None
    middle, low, high = one.needed.labels
    if middle is None or high is None:
        return None
    now = report.labels.training
    return svg.Outlook(now, line.metrics[line.shown].value, now + low, now + middle, now + high, line.target.target)


def note(report: Report) -> str:
    """What dashes and shades mean, as a sentence without a full stop; empty where there are none."""
    parts = ["dashed: the target"] if report.aims else []
    if report.forecast and any(one.state == LABELS for one in report.forecast.classes.values()):
        parts.append("shaded: how many labels the target may take, an 80 % interval of a power law through the rounds")
    return "; ".join(parts)

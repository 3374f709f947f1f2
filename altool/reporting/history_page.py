"""A comparison as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from altool.reporting import history_cells as cells
from altool.reporting import page, plots
from altool.reporting.content import short
from altool.reporting.history import Curve, History, Run, metric_name
from altool.reporting.history_series import CLASS_METRIC

CLASSES_DRAWN = 30  # as many as fit a page


def render(found: History, origin: Mapping[str, Any]) -> str:
    """The whole page; `origin` is the provenance."""
    names = {"all": metric_name(found.metric), "head": f"head: {_class_metric(found)}", "tail": f"tail: {_class_metric(found)}"}
    curves = [(names[scope], [_band(run, run.curves[scope]) for run in found.runs]) for scope in found.scopes]
    sections = ["<h1>Learning curves</h1>", f"<p>{page.sentence(found.basis)}</p>"]
    if found.caution:
        sections.append(f'<p class="note">{page.sentence(found.caution)}</p>')
    sections += [f"<p>{page.sentence(line)}</p>" for line in found.advice]
    if any(run.difference for run in found.runs):
        sections.append(page.section(f"Against {escape(short(found.baseline or ''))}", *_against(found)))
    notes = [f'<p class="note">{page.sentence(note)}</p>' for note in found.notes]
    drawn = plots.bands("curves", "Learning curves with a band over repeats", curves, found.baseline)
    sections.append(page.section("Curves", page.figure(drawn), page.text_table(cells.areas(found)), *notes))
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
        note = f'<p class="note">{escape(cells.needed_note(found))}</p>'
        sections.append(page.section("Labels needed", page.text_table(cells.needed(found)), note))
    if any(run.shares for run in found.runs):
        sections.append(page.section("Classes among the labels", *_shares(found)))
    if found.tail and not found.own_tails:
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
        '<p class="note">The mean difference over the repeats that both have, with a 95 % interval by a paired bootstrap. The intervals are'
        " not corrected for their number: of twenty runs equal to the baseline, one is expected to look different.</p>"
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

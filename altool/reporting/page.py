"""The report as one HTML page: nothing from outside, no script, light and dark, fit to print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from altool.labels.costs import Cost
from altool.metrics import forecast
from altool.reporting import cost, plots, relabeled, searches
from altool.reporting.content import SOURCE_ORDER, Estimate, Report, metric_name, short
from altool.reporting.proof import WORDS, about
from altool.text import count, visible

HEAT_CLASSES = 30  # as many as fit a heat map
NAME_WIDTH = 60  # of a class name in a table; pointing at it shows the rest
CONFUSIONS = 20  # the most frequent ones are listed

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --paper: #ffffff; --soft: #f3f5f7; --line: #c3c9d0; --good: #237a47; --bad: #b3312b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ea; --paper: #15181b; --soft: #202529; --line: #4a5259; --good: #6cc78f; --bad: #f08a84; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem;
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .caution { border-left: .4rem solid var(--bad); background: var(--soft); padding: .6rem .9rem; font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; vertical-align: bottom; }
th:first-child { text-align: left; } thead th { background: var(--soft); }
tbody th { font-weight: 400; min-width: 8rem; max-width: 20rem; overflow-wrap: anywhere; white-space: normal; }
small { display: block; opacity: .72; }
.was, .note, footer { opacity: .72; font-size: .87em; } .good { color: var(--good); } .bad { color: var(--bad); }
.heat td { text-align: center; min-width: 1.6rem; padding: .2rem; } .heat thead th { padding: .4rem .2rem; }
.heat thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden; }
figure { margin: .6rem 0; } svg { max-width: 50rem; height: auto; } svg * { stroke-linejoin: round; stroke-linecap: butt; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
@media print {
  :root { --ink: #000000; --paper: #ffffff; --soft: #f3f5f7; --line: #9aa1a8; --good: #14562f; --bad: #8f1d18; }
  body { max-width: none; padding: 0; font-size: 11px; } h2 { break-after: avoid; } tr, figure { break-inside: avoid; }
  .wide { overflow: visible; }
}
"""


def page(report: Report, true: np.ndarray, predicted: np.ndarray, found: plots.Map | None, origin: Mapping[str, Any]) -> str:
    """The whole page. `true` and `predicted` int64 (n,) class numbers of the measured rows; `origin` is the provenance."""
    names = [line.name for line in report.classes]
    round_ = "" if report.round is None else f", round {report.round}"
    sections = [
        f"<h1>Report{round_}</h1>",
        f"<p>{sentence(report.basis)}</p>",
        *([f'<p class="caution">{escape(report.caution)}</p>'] if report.caution else []),
        _summary(report),
        *(f"<p>{sentence(line)}</p>" for line in report.advice),
        section("Classes", _classes(report), figure(plots.values(report)), _metrics(report)),
        *([section("Forecast", text_table(cells), _forecast())] if report.forecast and (cells := report.forecast.table()) else []),
        section("Labels", _labels(report), figure(plots.labels_by_source(report))),
        section("Confusions", *_confusions(names, true, predicted)),
    ]
    if report.history:
        sections.append(section("Rounds so far", _history(report), figure(plots.curves(report))))
    if report.queries:
        sections.append(section("What was asked", _queries(report), _suggestions(report)))
    if report.relabeled:
        note = f'<p class="note">{sentence(relabeled.NOTE)}</p>'
        sections.append(section("Labels in doubt", text_table(relabeled.table(report.relabeled)), note))
    if report.searches:
        sections.append(section("Where the classes end", _searches(report)))
    if report.cost:
        sections.append(section("What the labels cost", *_cost(report.cost)))
    if report.training:
        sections.append(section("Training", _training(report), figure(plots.training(report))))
    if found is not None:
        sections.append(section("The pool", figure(plots.scatter(found, names)), f'<p class="note">{escape(found.caption)}</p>'))
    return document(f"Report{round_}", sections, origin)


def document(title: str, sections: Sequence[str], origin: Mapping[str, Any]) -> str:
    """A page of these sections, which are HTML; `title` is text."""
    body = "\n".join(sections)
    footer = f"<footer>altool report; {escape(json.dumps(origin, ensure_ascii=True))}</footer>"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n{footer}\n</body>\n</html>\n"
    )


def _summary(report: Report) -> str:
    names = ("macro_f1", "macro_recall", "accuracy", *(["shortfall"] if report.aims else []))
    lines = [_estimate(name, report.overall[name]) for name in names]
    text = f"<p>{', '.join(lines)}.</p>"
    if report.aims:
        missed = len(report.missed)
        kind = "bad" if missed else "good"
        text += f'<p class="{kind}">{report.targets_line}.</p>' + "".join(
            f'<p class="note">{sentence(line)}</p>' for line in report.proofs[:1]
        )
    notes = [
        f"{count(number, 'labeled row')} {what}"
        for number, what in (
            (report.rows.without_prediction, "without a prediction"),
            (report.rows.in_sample, "with an in-sample prediction, not measured"),
            (sum(report.rows.left_out.values()), "not measured: chosen by uncertainty, labeled by the model, or of unknown source"),
        )
        if number
    ]
    return text + "".join(f'<p class="note">{note}.</p>' for note in notes)


def _classes(report: Report) -> str:
    aimed = any(line.target for line in report.classes)
    head = ["class", "labels", "rows", "metric", "value", "95 % interval", *(["target", "gap", "weight", "state"] if aimed else [])]
    rows = []
    for line in report.classes:
        shown = line.metrics[line.shown]
        cells = [f"{line.labels:,}", f"{line.support:,}", metric_name(line.shown, line.at_precision), _value(shown)]
        cells.append(f"{shown.low:.3f} – {shown.high:.3f}")
        if line.target:
            word = WORDS[line.target.state]
            state = word if line.target.met is None else f'<span class="{"good" if line.target.met else "bad"}">{word}</span>'
            if line.target.rows_to_prove is not None:
                state += f"<small>needs {about(line.target.rows_to_prove)} rows</small>"
            cells += [f"{line.target.target:.3f}", f"{line.target.gap:+.3f}", f"{line.target.weight:.3f}", state]
        rows.append((line.name, cells))
    return table(head, rows)


def _metrics(report: Report) -> str:
    head = ["class", "precision", "recall", "F1", "accuracy", "R@P", "at precision", "above threshold"]
    rows = []
    for line in report.classes:
        cells = [_interval(line.metrics[name]) for name in ("precision", "recall", "f1", "accuracy")]
        cells.append(_interval(line.metrics["recall_at_precision"]))
        cells.append(f"{line.at_precision:g}")
        cells.append("none" if line.threshold is None else f"{line.threshold:.6g}")
        rows.append((line.name, cells))
    text = "the recall left when the class is predicted only above the threshold that makes it precise enough; none: no threshold does."
    note = f'<p class="note">R@P, recall at precision: {text}</p>'
    return table(head, rows) + note


def _forecast() -> str:
    text = (
        "an inverse power law through the rounds on this holdout. Levels off: not reached with "
        f"{forecast.LIMIT} times as many labels, which bring the class to this value"
    )
    return f'<p class="note">{sentence(text)}</p>'


def _labels(report: Report) -> str:
    sources = [source for source in SOURCE_ORDER if source in report.labels.by_source]
    rows = [(line.name, [f"{line.labels_by_source.get(source, 0):,}" for source in sources]) for line in report.classes]
    rows.append(("all classes", [f"{report.labels.by_source[source]:,}" for source in sources]))
    rounds = ", ".join(f"{round_ or 'none'}: {number:,}" for round_, number in report.labels.by_round.items())
    labels, skipped = count(report.labels.training, "training label"), count(report.labels.skipped, "row")
    facts = f"{labels}; {skipped} skipped; {report.labels.contested:,} contested."
    return f"<p>{facts}{rounds and f' Labels by round: {rounds}.'}</p>" + table(["class", *sources], rows)


def _confusions(names: Sequence[str], true: np.ndarray, predicted: np.ndarray) -> list[str]:
    pairs, counts = np.unique(np.stack([true, predicted]), axis=1, return_counts=True)
    triples = sorted(zip(-counts, *pairs, strict=True))
    wrong = [(-number, a, b) for number, a, b in triples if a != b]
    parts = []
    if len(names) <= HEAT_CLASSES:
        counted = np.zeros((len(names), len(names)), np.int64)
        counted[pairs[0], pairs[1]] = counts
        totals = np.maximum(counted.sum(axis=1), 1)
        cells = [
            (name, [_heat(int(counted[a, b]), counted[a, b] / totals[a], a == b) for b in range(len(names))])
            for a, name in enumerate(names)
        ]
        parts.append("<p>Rows: the label. Columns: the prediction.</p>")
        parts.append(table(["", *(f"<span>{escape(short(name))}</span>" for name in names)], cells, kind="heat"))
    if wrong:
        rows = [(names[a], [bdi(names[b]), f"{number:,}", f"{number / (true == a).sum():.1%}"]) for number, a, b in wrong[:CONFUSIONS]]
        parts.append(f"<p>The most frequent of {count(sum(rows for rows, _, _ in wrong), 'wrong prediction')}:</p>")
        parts.append(table(["label", "predicted as", "rows", "share of the label's rows"], rows))
    else:
        parts.append("<p>No wrong prediction.</p>")
    return parts


def _heat(rows: int, share: float, right: bool) -> str:
    color = "63, 166, 107" if right else "201, 82, 74"
    return f'<td style="background: rgba({color}, {0.75 * share:.2f})">{rows or ""}</td>'


def _history(report: Report) -> str:
    rows = []
    for past in report.history:
        values = [past.overall.get(name) for name in ("macro_f1", "macro_recall", "accuracy")]
        known = "" if past.labels is None else f"{past.labels:,}"
        rows.append((_round(past.round), [known, *("" if value is None else f"{value:.3f}" for value in values)]))
    now = [f"{report.overall[name].value:.3f}" for name in ("macro_f1", "macro_recall", "accuracy")]
    rows.append((f"{_round(report.round)} (now)", [f"{report.labels.training:,}", *now]))
    return table(["round", "labels", "macro-F1", "macro recall", "accuracy"], rows)


def _queries(report: Report) -> str:
    rows = []
    for asked in report.queries:
        cells = [escape(visible(text or "")) for text in (asked.strategy, asked.source, asked.tier)]
        cells += [f"{number:,}" for number in (asked.asked, asked.answered, asked.skipped)]
        cells.append(f"{asked.accepted:,} of {asked.suggested:,}" if asked.suggested else "")
        rows.append((_round(asked.round), cells))
    return table(["round", "strategy", "source", "tier", "asked", "answered", "skipped", "suggestions accepted"], rows)


def _searches(report: Report) -> str:
    rows = []
    for line in report.searches:
        cells = [_round(line.round), f"{line.searched:,}", f"{line.spent:,}", *searches.cells(line)]
        rows.append((visible(line.name), cells))
    return table(
        ["class", "round", "labels to search", "labels next to it", "ends at row", "gap there", "between rows", "unlabeled there"], rows
    )


def _suggestions(report: Report) -> str:
    rounds = list(report.suggestions)
    if not rounds:
        return ""
    names = sorted({name for counts in report.suggestions.values() for name in counts})
    rows = [(name, [f"{report.suggestions[round_].get(name, 0):,}" for round_ in rounds]) for name in names]
    return "<p>Suggested labels:</p>" + table(["suggested label", *(f"round {round_ or 'none'}" for round_ in rounds)], rows)


def _cost(found: Cost) -> list[str]:
    text = cost.note(found)
    parts = [text_table(cost.rounds_table(found)), *([f'<p class="note">{sentence(text)}</p>'] if text else [])]
    if found.acceptance:
        parts += ["<p>Rows whose label is the suggestion:</p>", text_table(cost.acceptance_table(found, crossed=True))]
    if found.times:
        parts += ["<p>Median seconds, and of how many answers:</p>", text_table(cost.times_table(found))]
    return parts


def _training(report: Report) -> str:
    loss, accuracy = report.training["loss"], report.training["accuracy"]
    return f"<p>{count(len(loss), 'epoch')}; final loss {loss[-1]:.4g}, final training accuracy {accuracy[-1]:.3f}.</p>"


def section(title: str, *parts: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def figure(svg: str) -> str:
    return f"<figure>{svg}</figure>"


def table(head: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]], kind: str = "") -> str:
    """`head` and cells are HTML; a row's name is text. A cell may bring its own <td>."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    lines = []
    for name, cells in rows:
        line = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{bdi(name)}</th>{line}</tr>')
    attributes = f' class="{kind}"' if kind else ""
    body = "\n".join(lines)
    return f'<div class="wide"><table{attributes}><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def text_table(content: cost.Cells) -> str:
    """A table whose cells are text."""
    head, rows = content
    return table([escape(title) for title in head], [(name, [escape(cell) for cell in cells]) for name, cells in rows])


def bdi(name: str) -> str:
    whole = visible(name)
    if len(whole) <= NAME_WIDTH:
        return f"<bdi>{escape(whole)}</bdi>"
    return f'<bdi title="{escape(whole)}">{escape(short(name, NAME_WIDTH))}</bdi>'


def sentence(text: str) -> str:
    return escape(text[:1].upper() + text[1:]) + "."


def _round(number: int | None) -> str:
    return "none" if number is None else str(number)


def _value(estimate: Estimate) -> str:
    was = "" if estimate.was is None else f' <span class="was">(was {estimate.was:.3f})</span>'
    return f"{estimate.value:.3f}{was}"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f}<small>{estimate.low:.3f} – {estimate.high:.3f}</small>"


def _estimate(name: str, estimate: Estimate) -> str:
    was = "" if estimate.was is None else f", was {estimate.was:.3f}"
    return f"<strong>{metric_name(name, 0)} {estimate.value:.3f}</strong> ({estimate.low:.3f} – {estimate.high:.3f}{was})"

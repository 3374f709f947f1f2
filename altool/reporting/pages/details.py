"""The tables of the report's page, as the terminal and the metrics table have their numbers."""

from __future__ import annotations

from altool.documents import Html
from altool.metrics.evaluation import SPECIFICITY
from altool.reporting import cost, relabeled, searches
from altool.reporting.content import SOURCE_ORDER, Estimate, Report
from altool.reporting.pages import svg
from altool.reporting.pages.document import Table, of_cells

SOURCE_COLORS = dict(zip(SOURCE_ORDER, ("cg", "c0", "c1", "c4", "c8", "c2"), strict=True))
CLASSES = ("class", "classes")


def metrics(report: Report) -> Table:
    """Every metric of every class with its interval, and what its target is worth."""
    aimed = bool(report.aims)
    names: tuple[str, ...] = ("precision", "recall", "f1", "accuracy", "recall_at_precision")
    head = ["class", "precision", "recall", "F1", "accuracy", "R@P", "at precision", "above threshold"]
    if any(SPECIFICITY in line.metrics for line in report.classes):
        names, head = (SPECIFICITY, *names), [head[0], SPECIFICITY, *head[1:]]
    head += ["gap", "weight"] if aimed else []
    rows: list[tuple[str, list[str | Html]]] = []
    for line in report.classes:
        cells: list[str | Html] = [_interval(line.metrics[name]) for name in names]
        cells += [f"{line.at_precision:g}", "none" if line.threshold is None else f"{line.threshold:.3g}"]
        if aimed:
            cells += [f"{line.target.gap:+.3f}", f"{line.target.weight:.3f}"] if line.target else ["", ""]
        rows.append((line.name, cells))
    return Table(head, rows, "Metrics of every class", noun=CLASSES, kind="metric")


def labels(report: Report) -> Table:
    """The labels of each class by source."""
    sources = _sources(report)
    largest = max((sum(line.labels_by_source.values()) for line in report.classes), default=0)
    rows: list[tuple[str, list[str | Html]]] = []
    for line in report.classes:
        own = [line.labels_by_source.get(source, 0) for source in sources]
        parts = [(number, SOURCE_COLORS[source], source) for number, source in zip(own, sources, strict=True) if number]
        rows.append((line.name, [svg.stack(parts, largest), *(f"{number:,}" for number in own)]))
    rows.append(("all classes", ["", *(f"{report.labels.by_source[source]:,}" for source in sources)]))
    return Table(["class", "", *sources], rows, "Labels of each class by source", noun=CLASSES)


def _sources(report: Report) -> list[str]:
    return [source for source in SOURCE_ORDER if source in report.labels.by_source]


def source_legend(report: Report) -> Html:
    return svg.legend([(SOURCE_COLORS[source], source) for source in _sources(report)])


def rounds(report: Report) -> Table:
    """The overall metrics of each round."""
    names = ("macro_f1", "macro_recall", "accuracy")
    rows = []
    for past in report.history:
        known = "" if past.labels is None else f"{past.labels:,}"
        rows.append((_round(past.round), [known, *(_known(past.overall.get(name)) for name in names)]))
    now = [_known(report.overall[name].value) for name in names]
    rows.append((f"{_round(report.round)} (now)", [f"{report.labels.training:,}", *now]))
    return Table(["round", "labels", "macro-F1", "macro recall", "accuracy"], rows, "Rounds so far")


def queries(report: Report) -> Table:
    """What was asked, and what became of it."""
    rows = []
    for asked in report.queries:
        cells = [text or "" for text in (asked.strategy, asked.source, asked.tier)]
        cells += [f"{number:,}" for number in (asked.asked, asked.answered, asked.skipped)]
        cells.append(f"{asked.accepted:,} of {asked.suggested:,}" if asked.suggested else "")
        rows.append((_round(asked.round), cells))
    head = ["round", "strategy", "source", "tier", "asked", "answered", "skipped", "suggestions accepted"]
    return Table(head, rows, "What was asked", first=20, texts=(0, 1, 2))


def suggestions(report: Report) -> Table | None:
    """How often each label was suggested, by round."""
    if not report.suggestions:
        return None
    names = sorted({name for counts in report.suggestions.values() for name in counts})
    rows = [(name, [f"{counts.get(name, 0):,}" for counts in report.suggestions.values()]) for name in names]
    return Table(["suggested label", *(f"round {round_ or 'none'}" for round_ in report.suggestions)], rows, "Suggested labels", first=20)


def doubts(report: Report) -> Table:
    """The labels that were asked again."""
    return of_cells(relabeled.table(report.relabeled), "Labels in doubt")


def ends(report: Report) -> Table:
    """Where the classes end, of strategies that ask."""
    facts = ((line.name, (_round(line.round), f"{line.searched:,}", f"{line.spent:,}"), searches.cells(line)) for line in report.searches)
    rows = [(name, [*own, *cells]) for name, own, cells in facts]
    head = ["class", "round", "labels to search", "labels next to it", "ends at row", "gap there", "between rows", "unlabeled there"]
    return Table(head, rows, "Where the classes end", first=20)


def costs(report: Report) -> list[tuple[str, Table]]:
    """What the labels cost, each table with its title."""
    if report.cost is None:
        return []
    found = [("Answers by round and by what they took", of_cells(cost.rounds_table(report.cost), "Cost by round"))]
    if report.cost.acceptance:
        found.append(("Suggestions accepted", of_cells(cost.acceptance_table(report.cost, crossed=True), "Suggestions accepted", first=8)))
    if report.cost.times:
        found.append(("Median seconds, and of how many answers", of_cells(cost.times_table(report.cost), "Median seconds", first=8)))
    return found


def training(report: Report) -> list[Html]:
    """The losses and the training accuracy of each epoch."""
    found = report.training
    x = range(1, len(found["loss"]) + 1)
    losses = [(name, words) for name, words in (("loss", "loss"), ("ranker", "ranker's loss")) if name in found]
    drawn = [svg.Curve(words, x, found[name], color=svg.color(place)) for place, (name, words) in enumerate(losses)]
    accuracy = svg.Curve("training accuracy", x, found["accuracy"])
    return [
        svg.curves("Loss of each epoch", drawn, across="epoch", share=False),
        svg.curves("Training accuracy of each epoch", [accuracy], across="epoch", legend=False),
    ]


def _round(number: int | None) -> str:
    return "none" if number is None else str(number)


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> Html:
    return Html(f"{estimate.value:.3f}<small>{estimate.low:.2f}–{estimate.high:.2f}</small>")

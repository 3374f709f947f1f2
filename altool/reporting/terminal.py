"""The report as tables for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from altool.metrics.proof import ESTIMATE, NOT_YET, PROVED
from altool.reporting import cost, relabeled, searches
from altool.reporting.content import SOURCE_ORDER, ClassReport, Report, metric_name, short
from altool.text import count, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

NAME_WIDTH = 40
ROOM = 12  # characters of a line that a class's name has at least
WORST = 20  # classes that are shown unless all are asked for


def render(report: Report, *, every_class: bool = False) -> list[RenderableType]:
    """What to print, in order: of the classes the worst, or every one, the worst first."""
    from rich.text import Text

    lines = worst_first(report.classes)[: None if every_class else WORST]
    named = {line.name for line in lines}
    left_out = len(report.classes) - len(lines)
    more = [Text(f"{count(left_out, 'more class', 'more classes')}: --all")] if left_out else []
    round_ = "" if report.round is None else f"round {report.round}, "
    rounds = ", ".join(f"{name or 'none'}: {number:,}" for name, number in report.labels.by_round.items())
    skipped = count(report.labels.skipped, "row")
    labels = f"{count(report.labels.training, 'training label')}{rounds and f' (by round {rounds})'}; {skipped} skipped"
    parts: list[RenderableType] = [Text(round_ + report.basis, style="bold")]
    if report.caution:
        parts.append(Text(report.caution, style="bold red"))
    parts += [_Classes(report, lines), *more, Text(overall_line(report))]
    if report.forecast and (cells := report.forecast.table()):
        head, rows = cells
        rows = rows[: None if every_class else WORST]
        parts.append(named_table((head, rows)))
        if more_open := len(cells[1]) - len(rows):
            parts.append(Text(f"{count(more_open, 'more open class', 'more open classes')}: --all"))
    parts += map(Text, report.advice)
    if report.aims:
        parts.append(Text(f"{_overall(report, 'shortfall')}: what the classes lack of their targets, on average"))
        parts += map(Text, report.proofs)
    parts += [Text(), Text(labels, style="bold"), _labels(report, lines), *more]
    if report.queries:
        parts += [Text("what was asked", style="bold"), _queries(report)]
    if report.relabeled:
        parts += [Text("labels in doubt", style="bold"), named_table(relabeled.table(report.relabeled)), Text(relabeled.NOTE)]
    if report.searches:
        parts += [Text("where the classes end", style="bold"), _searches([one for one in report.searches if one.name in named])]
    if report.cost:
        acceptance = [one for one in report.cost.acceptance if one.class_ in {None, *named}]
        times = [one for one in report.cost.times if one.class_ in {None, *named}]
        shown = replace(report.cost, acceptance=acceptance, times=times)
        parts += [Text("what the labels cost", style="bold"), named_table(cost.rounds_table(shown))]
        parts += [Text(text), Text()] if (text := cost.note(shown)) else []
        parts += [named_table(cost.acceptance_table(shown, crossed=False)), *more] if acceptance else []
        parts += [named_table(cost.times_table(shown)), *more] if times else []
    if report.training:
        parts += [Text("training", style="bold"), _training(report)]
    return parts


def worst_first(lines: Sequence[ClassReport]) -> list[ClassReport]:
    """The classes, those that lack most of their targets first, or of which the value is lowest where there are no targets; classes whose
    target does not count are the last."""
    return sorted(lines, key=_badness)


def _badness(line: ClassReport) -> tuple[bool, float]:
    value = line.metrics[line.shown].value
    return (False, value) if line.target is None else (line.target.met is None, -line.target.gap)


def overall_line(report: Report) -> str:
    """The overall metrics, and how many targets are met."""
    found = [_overall(report, name) for name in report.overall if name != "shortfall"]
    if report.aims:
        found.append(report.targets_line)
    return "; ".join(found)


def _overall(report: Report, name: str) -> str:
    estimate = report.overall[name]
    was = "" if estimate.was is None else f", was {estimate.was:.3f}"
    return f"{metric_name(name, 0)} {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}{was}]"


@dataclass(frozen=True)
class _Classes:
    """The table of the classes, without precision and recall where the terminal would leave no room for the names beside them."""

    report: Report
    lines: Sequence[ClassReport]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        whole = _classes(self.report, self.lines)
        longest = max(len(short(line.name, NAME_WIDTH)) for line in self.lines)
        needed = whole.__rich_measure__(console, options.update(max_width=1000)).maximum - max(longest - ROOM, 0)
        yield whole if needed <= options.max_width else _classes(self.report, self.lines, ("prec.", "recall"))


def _classes(report: Report, lines: Sequence[ClassReport], without: Collection[str] = ()) -> Table:
    from rich.text import Text

    shown = [line.metrics[line.shown] for line in lines]
    columns: dict[str, list[str | Text]] = {
        "labels": [str(line.labels) for line in lines],
        "rows": [str(line.support) for line in lines],
        "prec.": [f"{line.metrics['precision'].value:.3f}" for line in lines],
        "recall": [f"{line.metrics['recall'].value:.3f}" for line in lines],
        "metric": [metric_name(line.shown, line.at_precision) for line in lines],
        "value": [f"{item.value:.3f}" for item in shown],
        "(was)": ["" if item.was is None else f"({item.was:.3f})" for item in shown],
        "95 %": [f"{item.low:.2f}–{item.high:.2f}" for item in shown],
    }
    if not report.history:
        del columns["(was)"]
    if report.aims:
        columns["target"] = ["" if line.target is None else f"{line.target.target:.3f}" for line in lines]
        columns["met"] = [_state(line.target.state if line.target else None) for line in lines]
    columns = {name: cells for name, cells in columns.items() if name not in without}
    grid = table("class", *columns)
    for line, *cells in zip(lines, *columns.values(), strict=True):
        grid.add_row(Text(short(line.name, NAME_WIDTH)), *cells)
    return grid


def _state(state: str | None) -> Text:
    from rich.text import Text

    text, style = {None: ("–", ""), NOT_YET: ("no", "red"), ESTIMATE: ("est.", "green"), PROVED: ("proved", "bold green")}[state]
    return Text(text, style)


def _labels(report: Report, lines: Sequence[ClassReport]) -> Table:
    from rich.text import Text

    sources = [source for source in SOURCE_ORDER if source in report.labels.by_source]
    grid = table("class", *sources)
    for line in lines:
        grid.add_row(Text(short(line.name, NAME_WIDTH)), *(str(line.labels_by_source.get(source, 0)) for source in sources))
    grid.add_row("all classes", *(str(report.labels.by_source[source]) for source in sources), style="bold")
    return grid


def _queries(report: Report) -> Table:
    from rich.text import Text

    grid = table("round", "strategy", "source", "tier", "asked", "answered", "skipped", "accepted")
    for asked in report.queries:
        facts = [Text(visible(text or "")) for text in (asked.strategy, asked.source, asked.tier)]
        accepted = f"{asked.accepted} of {asked.suggested}" if asked.suggested else ""
        round_ = "" if asked.round is None else str(asked.round)
        grid.add_row(round_, *facts, str(asked.asked), str(asked.answered), str(asked.skipped), accepted)
    return grid


def _searches(lines: Sequence[searches.Search]) -> Table:
    from rich.text import Text

    grid = table("class", "round", "search", "spend", "ends at", "gap", "between", "unlabeled")
    for line in lines:
        grid.add_row(Text(short(line.name, NAME_WIDTH)), str(line.round), str(line.searched), str(line.spent), *searches.cells(line))
    return grid


def named_table(content: cost.Cells) -> Table:
    """A table of rows whose names may be anything."""
    from rich.text import Text

    head, rows = content
    shown = table(*head)
    for name, cells in rows:
        shown.add_row(Text(visible(name)), *(Text(visible(cell)) for cell in cells))
    return shown


def _training(report: Report) -> Table:
    """About ten epochs, the first and the last among them."""
    columns = {name: values for name, values in report.training.items() if name != "rate"}
    grid = table("epoch", *("ranker's loss" if name == "ranker" else name for name in columns))
    last = len(report.training["loss"]) - 1
    for epoch in sorted({round(place * last / 9) for place in range(10)}):
        grid.add_row(str(epoch + 1), *(f"{values[epoch]:.4g}" for values in columns.values()))
    return grid


def table(first: str, *others: str) -> Table:
    """A table whose first column gives way where the terminal is narrow: it wraps at blanks, and a longer word ends with …. Its titles are
    text."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(escape(visible(first)), overflow="ellipsis")
    for name in others:
        table.add_column(escape(visible(name)), justify="right", no_wrap=True)
    return table

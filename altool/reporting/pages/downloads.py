"""Tables of the page as CSV that one can save: the links hold them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from altool.errors import InputError
from altool.reporting.content import Report, metric_name
from altool.reporting.pages.asked import Batch
from altool.reporting.pages.confusions import Measured
from altool.tables.write import cell, csv_line
from altool.text import count

SHARE = 12  # of a page's bytes that one file takes at most: one in so many


@dataclass(frozen=True)
class File:
    """A file: its name, what it holds, how many rows, and its content as a data URI ("": it is too large)."""

    name: str
    what: str
    rows: int
    uri: str

    @property
    def said(self) -> str:
        size = f", {max(1, len(self.uri) * 3 // 4000):,} kB" if self.uri else f"; too large for the page: {self.what}"
        return f"{count(self.rows, 'row')}{size}"


def files(report: Report, found: Measured, batch: Batch | None, problems: Sequence[Mapping[str, Any]], size: int) -> list[File]:
    """The files of a page of so many bytes."""
    names = [line.name for line in report.classes]
    wrong = [place for place in range(len(found.ids)) if found.true[place] != found.predicted[place]]
    made = [
        _file("classes.csv", "altool report --metrics-output writes them", CLASSES, _classes(report), size),
        _file(
            "wrong.csv",
            "they are in the predictions",
            ("id", "label", "predicted", "probability"),
            [(found.ids[at], names[found.true[at]], names[found.predicted[at]], f"{found.sure[at]:.4f}") for at in wrong],
            size,
        ),
    ]
    if batch is not None:
        rows = [(card.id, card.suggested, card.target, card.why, card.score, card.answer) for card in batch.cards]
        head = ("id", "suggested_label", "target_class", "why", "score", "answer")
        made.append(_file("batch.csv", "they are in the queries", head, rows, size))
    if problems:
        columns = ("id", "problem", "score", "other_id", "reason")
        rows_ = [tuple(row.get(name) for name in columns) for row in problems]
        made.append(_file("problems.csv", "they are in the problems table", columns, rows_, size))
    return [file for file in made if file is not None and file.rows]


CLASSES = ("class", "labels", "rows", "metric", "value", "low", "high", "target", "state", "precision", "recall", "f1", "accuracy")


def _classes(report: Report) -> Iterable[tuple[Any, ...]]:
    for line in report.classes:
        shown, aim = line.metrics[line.shown], line.target
        numbers = (f"{value:.6g}" for value in (shown.value, shown.low, shown.high))
        target = (aim.target, aim.state) if aim else (None, None)
        metrics = (f"{line.metrics[name].value:.6g}" for name in ("precision", "recall", "f1", "accuracy"))
        yield (line.name, line.labels, line.support, metric_name(line.shown, line.at_precision), *numbers, *target, *metrics)


def _file(name: str, what: str, head: Sequence[str], rows: Iterable[Sequence[Any]], size: int) -> File | None:
    """A file with texts guarded as altool's CSV guards them; None where one is such as CSV cannot hold."""
    lines = [csv_line(head)]
    try:
        lines += [csv_line(["" if value is None else cell(value) for value in row]) for row in rows]
    except InputError:
        return None
    content = base64.b64encode("".join(lines).encode()).decode()
    return File(name, what, len(lines) - 1, f"data:text/csv;charset=utf-8;base64,{content}" if len(content) <= size // SHARE else "")

"""The report's page: what a template needs of a report and of the rows behind it, and how they fit into the page's bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from altool.metrics import forecast
from altool.reporting import cost, relabeled
from altool.reporting.content import SHORT, Report
from altool.reporting.pages import asked, confusions, curve, details, downloads, found_problems, pool, top
from altool.reporting.pages.asked import Batch
from altool.reporting.pages.confusions import Measured
from altool.reporting.pages.document import Table, document, of_cells
from altool.reporting.pages.items import Items
from altool.reporting.pool_map import Map
from altool.selection.contents import Contents
from altool.text import count

MEGABYTE = 1_000_000
EVERY, FEWEST = 10**9, 30  # rows of a table: all, or as many as leave room, but for these
ROOM = 0.8  # the share of a page that tables may take where there are pictures or texts
FORECAST = (
    "an inverse power law through the rounds on this holdout. Levels off: not reached with "
    f"{forecast.LIMIT} times as many labels, which bring the class to this value"
)


@dataclass(frozen=True)
class Shown:
    """What the page shows beside the report: the `measured` rows, the `title` of the project, up to which day there are labels (`date`),
    the `map`, the last `batch` of queries, rows of a table of `problems`, and the `contents` of items, whose ids are of `id_type`. The
    page has at most `size` bytes, if it can."""

    measured: Measured
    title: str = ""
    date: str = ""
    map: Map | None = None
    batch: Batch | None = None
    problems: Sequence[Mapping[str, Any]] = ()
    contents: Contents | None = None
    id_type: pa.DataType = field(default_factory=pa.string)
    size: int = 3 * MEGABYTE


def page(report: Report, shown: Shown, origin: Mapping[str, Any]) -> tuple[bytes, str]:
    """The whole page; and what was made small or left out for its size, as a sentence without a full stop, or ""."""
    names = [line.name for line in report.classes]
    wrong = confusions.confusions(names, shown.measured)
    problems = found_problems.problems(shown.problems)
    cards = shown.batch.cards if shown.batch else []
    pointed = pool.wanted(shown.map, {*(card.id for card in cards), *wrong.wanted}) if shown.map else []
    ids = [*(card.id for card in cards), *wrong.wanted, *found_problems.wanted(problems)]
    ids += [shown.map.ids[place] for place in pointed] if shown.map else []
    items = Items(shown.contents, ids, shown.id_type)
    said = {id_: f"predicted as {pair.predicted}" for pair in wrong.pairs for id_, _ in pair.first}

    def rendered(most: int) -> bytes:
        values = _values(report, shown, most, pictures=items.pictures)
        drawn = pool.draw(shown.map, names, pointed, items, said) if shown.map else ""
        sections = [
            ("classes", "Classes"),
            *([("ask", shown.batch.title)] if shown.batch else []),
            ("wrong", "Where it goes wrong"),
            *([("curve", "Curve")] if values["curves"] else []),
            *([("problems", "Problems in the data")] if problems else []),
            *([("cost", "Cost")] if values["costs"] else []),
            *([("map", "Map of the pool")] if drawn else []),
            ("numbers", "All numbers"),
            ("downloads", "Downloads"),
            ("made", "How this was made"),
        ]
        values |= {"items": items, "confusions": wrong, "problems": problems, "map": drawn, "left_out": items.note}
        return document("report.html", f"{values['heading']}: report", sections, origin, **values)

    if items.fit(round((1 - ROOM) * shown.size)):  # the most frequent case is rendered once
        content = rendered(EVERY)
        if len(content) <= shown.size:
            return content, ""
    items.clear()
    most, limit, longest = EVERY, shown.size * (ROOM if items else 1), _longest(report)
    content = rendered(most)
    while len(content) > limit and min(most, longest) > FEWEST:
        most = max(FEWEST, round(0.9 * min(most, longest) * limit / len(content)))
        content = rendered(most)
    notes = [f"tables have {most:,} rows at most"] if most < longest else []
    if items:
        room = shown.size - len(content)
        for _ in range(3):  # a row may be shown twice, in a list and on the map
            items.fit(max(room, 0))
            content = rendered(most)
            if len(content) <= shown.size:
                break
            room -= len(content) - shown.size
        notes += [items.note] if items.note else []
    if len(content) > shown.size:
        notes.append("it is larger all the same")
    return content, ", ".join(notes)


def _longest(report: Report) -> int:
    return max(len(report.classes), len(report.queries), len(report.searches))


def _values(report: Report, shown: Shown, most: int, *, pictures: bool) -> dict[str, Any]:
    """What the template shows of the report and of the batch, whose rows have `pictures`; tables have so many rows at most."""
    round_ = "" if report.round is None else f"round {report.round}"
    heading = shown.title or "Report"
    facts = [round_, f"labels up to {shown.date}" if shown.date else ""]
    found: dict[str, Table | None] = {
        "metrics": details.metrics(report),
        "labels": details.labels(report),
        "rounds": details.rounds(report) if report.history else None,
        "queries": details.queries(report) if report.queries else None,
        "suggestions": details.suggestions(report),
        "doubts": details.doubts(report) if report.relabeled else None,
        "ends": details.ends(report) if report.searches else None,
        "forecast": of_cells(cells, "Forecast") if report.forecast and (cells := report.forecast.table()) else None,
    }
    tables: dict[str, Any] = {name: table.cut(most) if table else None for name, table in found.items()}
    cards = shown.batch.cards if shown.batch else []
    most_cards = asked.CARDS if pictures else asked.CARDS // 2  # texts take more room
    first = most_cards if len(cards) > most_cards + 2 else len(cards)
    return {
        "report": report,
        "heading": heading,
        "facts": [fact for fact in facts if fact],
        "state": top.state(report),
        "tiles": top.tiles(report),
        "strips": top.strips(report).cut(most),
        # Which rows would prove a target stands beside it.
        "proofs": [line for line in report.proofs if not line.startswith("held-out rows to prove")],
        "advice": report.stopping.lines(SHORT[report.stopping.metric]) if report.stopping else [],
        "unmeasured": _unmeasured(report),
        "batch": shown.batch,
        "cards": (cards[:first], cards[first:]),
        "curves": curve.curves(report) if report.history else [],
        "curve_note": curve.note(report),
        "costs": [(title, table.cut(most)) for title, table in details.costs(report)],
        "cost_note": cost.note(report.cost) if report.cost else "",
        "tables": tables | {"legend": details.source_legend(report)},
        "label_facts": _labels(report),
        "forecast_note": FORECAST,
        "doubts_note": relabeled.NOTE,
        "training": details.training(report) if report.training else [],
        "training_facts": _training(report) if report.training else "",
        "files": downloads.files(report, shown.measured, shown.batch, shown.problems, shown.size),
    }


def _unmeasured(report: Report) -> list[str]:
    """Which labeled rows were not measured, as sentences without full stops."""
    numbers = (
        (report.rows.without_prediction, "without a prediction"),
        (report.rows.in_sample, "with an in-sample prediction, not measured"),
        (sum(report.rows.left_out.values()), "not measured: chosen by uncertainty, labeled by the model, or of unknown source"),
    )
    return [f"{count(number, 'labeled row')} {what}" for number, what in numbers if number]


def _labels(report: Report) -> str:
    found = report.labels
    rounds = ", ".join(f"{round_ or 'none'}: {number:,}" for round_, number in found.by_round.items())
    facts = f"{count(found.training, 'training label')}; {count(found.skipped, 'row')} skipped; {found.contested:,} contested."
    return facts + (f" Labels by round: {rounds}." if rounds else "")


def _training(report: Report) -> str:
    loss, accuracy = report.training["loss"], report.training["accuracy"]
    return f"{count(len(loss), 'epoch')}; final loss {loss[-1]:.4g}, final training accuracy {accuracy[-1]:.3f}."

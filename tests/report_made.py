"""A small report whose numbers are known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from altool.metrics.forecast import LABELS, LEVEL, REACHED, UNKNOWN
from altool.reporting import content
from altool.reporting.content import Aim, ClassReport, Estimate, Labels, Past, Report, Rows
from altool.reporting.forecast import Forecast, Needed, Outlook
from altool.reporting.pages.asked import last_batch
from altool.reporting.pages.confusions import Measured
from altool.reporting.pages.report import Shown
from altool.reporting.pool_map import Map
from altool.selection.contents import Contents
from altool.tables.read import Reader

METRICS = ("precision", "recall", "f1", "accuracy", "recall_at_precision")


def line(name: str, value: float, target: float | None = None, state: str | None = None, labels: int = 10) -> ClassReport:
    """A class with this F1."""
    metrics = {metric: Estimate(value, max(0, value - 0.1), min(1, value + 0.1)) for metric in METRICS}
    aim = None if target is None else Aim("f1", target, 1.0, max(0, target - value), 0.5, value >= target, state, None)
    return ClassReport(name, labels, {"seed": labels}, 20, metrics, 0.9, 0.5, aim)


def report(lines: list[ClassReport], **more: Any) -> Report:
    names = ("macro_f1", "macro_recall", "accuracy", "shortfall")
    total = sum(one.labels for one in lines)
    facts: dict[str, Any] = {
        "round": 3,
        "measured_on": "holdout",
        "rows": Rows(40, {"holdout": 40}, 0, 0, 0, {}),
        "overall": {name: Estimate(0.75, 0.7, 0.8, 0.7) for name in names},
        "classes": lines,
        "labels": Labels(total, {"seed": total, "holdout": 40}, 0, {"0": total - 5, "2": 5}, 0),
        "history": [],
        "queries": [],
        "suggestions": {},
    }
    return content.Report(**facts | more)


def outlook(states: dict[str, str], together: tuple[int | None, int, int | None] | None = None, rounds: int = 5) -> Forecast:
    """A forecast of these states, which needs 180 labels, between 120 and 300."""
    needed = Needed((180, 120, 300), (6480.0, 4320.0, 10800.0))
    found = {
        name: Outlook(state, needed if state == LABELS else None, (0.7, 0.6, 0.75) if state == LEVEL else None)
        for name, state in states.items()
    }
    whole = Needed(together or (180, 120, 300), (6480.0, 4320.0, 10800.0)) if LABELS in states.values() else None
    return Forecast(found, whole, rounds, held_out=True, followed=True, unit="seconds")


def png(shade: int, size: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (size, size), shade).save(stream, "PNG")
    return stream.getvalue()


def full(
    folder: Path,
    names: Sequence[str],
    texts: Sequence[str] = (),
    *,
    pictures: bool = False,
    rows: int = 60,
    batch: int = 6,
    size: int = 3_000_000,
) -> tuple[Report, Shown]:
    """A report and what a page shows of it, with class names of one's own, and ids, texts and reasons made of `texts`."""
    words = texts or [f"text {number}" for number in range(rows)]
    ids = [f"{words[number % len(words)][:40]} {number:03d}" for number in range(rows)]
    columns: dict[str, Any] = {"id": ids}
    columns |= {"image": [png(4 * n) for n in range(rows)]} if pictures else {"text": [words[n % len(words)] for n in range(rows)]}
    path = folder / "items.parquet"
    pq.write_table(pa.table(columns), path)
    states = [REACHED, LABELS, LEVEL, UNKNOWN]
    lines = [line(name, 0.9 - 0.1 * (n % 5), 0.85, "estimate" if n % 5 == 0 else "not_yet", 5 + n) for n, name in enumerate(names)]
    past = [
        Past(r, 20 * (r + 1), {"macro_f1": 0.4 + 0.1 * r, "accuracy": 0.5 + 0.1 * r}, {n: {"f1": 0.3 + 0.1 * r} for n in names}, 40)
        for r in range(3)
    ]
    found = report(lines, history=past, forecast=outlook({name: states[n % 4] for n, name in enumerate(names)}))
    measured = rows * 2 // 3
    code = np.arange(measured) % len(names)
    predicted = np.where(np.arange(measured) % 4 == 0, (code + 1) % len(names), code)
    requests = [
        {"id": ids[n], "rank": n, "round": 3, "strategy": words[0], "source": ("explore", "exploit")[n % 2]}
        | {"suggested_label": names[n % len(names)], "suggested_probability": 0.5, "target_class": names[0] if n % 3 else None}
        for n in range(batch)
    ]
    points = np.random.default_rng(0).uniform(-1, 1, (rows, 2)).round(3)
    held = np.arange(rows) < measured
    drawn = Map(points, ids, np.where(held, np.arange(rows) % len(names), -1), held, np.arange(rows) >= rows - 5, "all rows")
    reader = Reader(None, None, None)
    items = reader.open(str(path), "items")
    reader.match_ids()
    shown = Shown(
        measured=Measured(ids[:measured], code, predicted, np.linspace(0.5, 1, measured)),
        title=words[0],
        date="2026-07-14",
        map=drawn,
        batch=last_batch(requests, {}, {}),
        problems=[{"id": ids[0], "problem": "leak", "score": 1.0, "other_id": ids[1], "reason": words[0]}],
        contents=Contents(items),
        size=size,
    )
    return found, shown

"""What the discriminators of VAAL and TA-VAAL had learned in the rounds of simulated runs (metrics/adversary.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from altool.metrics.adversary import MEASURES
from altool.reporting.cost import Cells
from altool.reporting.history_curves import Interval, interval

COLUMNS = ("run", "metric", "class", "total", "value")
TITLE = "what the discriminator told at the last choice: its loss, and the correlations of what was chosen first"
HEADS = ("D's loss", "told apart", "AUC of r", "with r", "with the loss", "D at 5 %", "median", "at 95 %")  # of MEASURES
SPAN = {name: (-1.0, 1.0) if "correlation" in name else (0.0, np.inf if name == "discriminator_loss" else 1.0) for name in MEASURES}


@dataclass(frozen=True)
class Learned:
    """A measure of a run, one of MEASURES, by the number of `labels` that its rounds began with: means over the `repeats` of each."""

    run: str
    metric: str
    labels: list[int]
    values: list[Interval]
    repeats: list[int]


def read(rows: Mapping[str, Sequence[Any]], runs: Sequence[str]) -> list[Learned]:
    """What the COLUMNS of a history table say of the `runs`, in their order; empty where nothing was measured."""
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    for run, metric, class_, total, value in zip(*(rows[name] for name in COLUMNS), strict=True):
        if metric in SPAN and class_ is None and value is not None:
            found.setdefault((run, metric), {}).setdefault(total, []).append(value)
    return [
        Learned(
            run,
            metric,
            sorted(own),
            [interval(np.array(own[total]), SPAN[metric]) for total in sorted(own)],
            [len(own[total]) for total in sorted(own)],
        )
        for run in runs
        for metric in MEASURES
        if (own := found.get((run, metric)))
    ]


def table(found: Sequence[Learned]) -> Cells:
    """A row per run, of its last round: the head of a table, and its rows."""
    rows = []
    for run in dict.fromkeys(one.run for one in found):
        own = {one.metric: one for one in found if one.run == run}
        last = {name: own[name].values[-1].value if name in own else None for name in MEASURES}
        cells = ["" if value is None else f"{value:.3f}" for value in last.values()]
        rows.append((run, [f"{max(one.labels[-1] for one in own.values()):,}", *cells]))
    return ["run", "labels", *HEADS], rows


def summary_rows(found: Sequence[Learned]) -> list[dict[str, Any]]:
    """Rows of the summary table: every measure of every run at each number of labels."""
    rows: list[dict[str, Any]] = []
    for one in found:
        for labels, value, repeats in zip(one.labels, one.values, one.repeats, strict=True):
            kind = None if value.low is None else "t" if repeats > 2 else "range"
            row = {"run": one.run, "scope": "all", "metric": one.metric, "quantity": "adversary", "labels": labels, "repeats": repeats}
            rows.append(row | {"value": value.value, "low": value.low, "high": value.high, "interval": kind})
    return rows

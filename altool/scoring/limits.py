"""The classes' thresholds that `altool report` measured, as `score` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from altool.errors import InputError
from altool.tables import align, check
from altool.tables.classes import respelled
from altool.text import count

if TYPE_CHECKING:
    from altool.tables.read import Source


def thresholds(source: Source, classes: tuple[str, ...]) -> tuple[np.ndarray, str]:
    """float64 (K,): each class's threshold of recall at precision, infinity where it has none; and the table's fingerprint.

    Of several rounds the last one counts. Raises InputError for a table without thresholds, for a class that has two in one round,
    and for one that the model does not have.
    """
    source.require("threshold")
    table = source.read()
    rows = [row for row in table.to_pylist() if row["metric"] == "recall_at_precision" and row["class"] is not None]
    if not rows:
        raise InputError(f"{source.name}: no row of recall_at_precision", "give what altool report --metrics-output wrote")
    last = max((row["round"] for row in rows if row.get("round") is not None), default=None)
    found: dict[str, float] = {}
    for row in rows:
        if row.get("round") == last:
            if row["class"] in found:
                raise InputError(f"{source.name}: two thresholds for class {row['class']!r}", "give the metrics of one run")
            value = row["threshold"]
            found[row["class"]] = np.inf if value is None or np.isnan(value) else value
    unknown = sorted(name for name, value in found.items() if np.isfinite(value) and name not in classes)
    if unknown:
        text = (
            f"{source.name}: thresholds of {count(len(unknown), 'class', 'classes')} that the model does not have ({check.naming(unknown)})"
        )
        raise InputError(text, respelled(unknown, classes) or "give the metrics of this model's out-of-fold predictions")
    return np.array([found.get(name, np.inf) for name in classes]), align.table_fingerprint(table)

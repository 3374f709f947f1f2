"""The tables that a simulated run writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from altool.metrics import stopping
from altool.metrics.cost import KINDS as KINDS_OF_ANSWERS
from altool.metrics.tiers import TIERS
from altool.simulation.from_model import Pool
from altool.simulation.replay import History
from altool.tables.schema import KINDS


def rounds(history: History, run: str, repeat: int, pool: Pool) -> pa.Table:
    """Every round's metrics: those of each class, then the overall ones, and last how far the predictions of the held-out rows agree with
    those of an earlier round (metrics/stopping.py), where there is one with clearly fewer labels."""
    rows: list[dict[str, Any]] = []
    sizes = np.bincount(pool.truth, minlength=len(pool.classes))
    totals = [int(entry.labels.sum()) for entry in history.rounds]
    for place, (entry, total) in enumerate(zip(history.rounds, totals, strict=True)):
        shared = {
            "round": entry.number,
            "run": run,
            "repeat": repeat,
            "total": total,
            "asked": entry.asked,
            "seconds": entry.seconds if np.isfinite(entry.seconds) else None,
            **dict(zip(KINDS_OF_ANSWERS, entry.answers.tolist(), strict=True)),
        }
        found = entry.evaluation
        for code, name in enumerate(pool.classes):
            own = {"class": name, "support": int(found.support[code]), "labels": int(entry.labels[code]), "pool": int(sizes[code])}
            for metric, estimates in found.metrics.items():
                threshold = {"threshold": float(found.threshold[code])} if metric == "recall_at_precision" else {}
                rows.append({**shared, **own, **threshold, "metric": metric, "value": float(estimates.value[code])})
        whole = {"support": found.rows, "labels": total, "pool": len(pool.truth)}
        for metric, (value, _, _) in found.overall.items():
            rows.append({**shared, **whole, "metric": metric, "value": value})
        if (before := stopping.comparable(totals[:place], total)) is not None:
            kappa = stopping.kappa(found.predicted, history.rounds[before].evaluation.predicted)
            rows.append({**shared, **whole, "metric": "agreement", "value": kappa})
    return pa.Table.from_pylist(rows, schema=pa.schema(list(KINDS["history"].columns.items())))


def times(history: History, run: str, repeat: int) -> pa.Table:
    """What each round took of the processor."""
    rows = [
        {
            "run": run,
            "repeat": repeat,
            "round": entry.number,
            "fit_seconds": entry.fit,
            "measure_seconds": entry.measure,
            "choose_seconds": entry.choose,
        }
        for entry in history.times
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(KINDS["times"].columns.items())))


def picks(history: History, run: str, repeat: int, pool: Pool, ids: pa.Array) -> pa.Table:
    """What was asked, in order, and what the bot said."""
    names = np.array([*pool.classes, None], object)  # -1 is the last
    tiers = np.array([*TIERS, None], object)
    tables = []
    for part in history.asked:
        count = len(part.positions)
        chosen = np.where(part.explored, "explore" if part.number else "seed", "exploit")
        tables.append(
            pa.table(
                {
                    "id": ids.take(pa.array(part.positions)),
                    "rank": pa.array(np.arange(1, count + 1, dtype=np.int32)),
                    "score": pa.array(part.scores.astype(np.float32)),
                    "strategy": pa.array([part.strategy] * count, pa.string()),
                    "round": pa.array(np.full(count, part.number, np.int32)),
                    "source": pa.array(np.where(part.automatic, "auto", chosen), pa.string()),
                    "tier": pa.array(tiers[part.tier], pa.string()),
                    "suggested_label": pa.array(names[part.suggested], pa.string()),
                    "target_class": pa.array(names[part.target_class], pa.string()),
                    "label": pa.array(names[part.answers], pa.string()),
                    "truth": pa.array(names[pool.truth[part.positions]], pa.string()),
                    "run": pa.array([run] * count, pa.string()),
                    "repeat": pa.array(np.full(count, repeat, np.int32)),
                }
            )
        )
    return pa.concat_tables(tables)

"""How many suggestions were right in the rounds of simulated runs, by CLARIFIER's tiers, where rows have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.metrics.tiers import TIERS
from altool.reporting.cost import Cells
from altool.reporting.history_curves import Interval, interval
from altool.reporting.run_tables import beside
from altool.tables.read import Reader

KEYS = ("run", "repeat", "round", "tier")
NEEDED = ("run", "repeat", "round", "suggested_label", "truth")


@dataclass(frozen=True)
class Right:
    """The suggestions of a run in a tier (None: its rows have none): how many, the share that was right, and that in each of the `rounds`,
    means over the `repeats`."""

    run: str
    tier: str | None
    repeats: int
    suggested: int
    share: Interval
    rounds: list[int]
    shares: list[Interval]


def read(reader: Reader, folders: Sequence[str], runs: Sequence[str]) -> list[Right]:
    """What the picks in folders of `altool simulate` say of the `runs`, in their order; empty where nothing was suggested."""
    tables = []
    for source in beside(reader, folders, "picks"):
        if not all(name in source for name in NEEDED):
            continue
        names = [*NEEDED, *(["tier"] if "tier" in source else [])]
        for batch in source.scan(names, lambda batch: batch.filter(batch.column("suggested_label").is_valid())):
            right = pc.equal(batch.column("suggested_label"), batch.column("truth"))
            columns = {name: batch.column(name) if name in names else pa.nulls(len(batch), pa.string()) for name in KEYS}
            tables.append(pa.table(columns | {"right": pc.cast(right, pa.int64())}))
    if not tables:
        return []
    counts = pa.concat_tables(tables).group_by([*KEYS]).aggregate([("right", "sum"), ("right", "count")])
    return of_counts(counts.to_pylist(), runs)


def of_counts(counts: Sequence[dict[str, Any]], runs: Sequence[str]) -> list[Right]:
    """`counts` are rows of a run, repeat, round and tier: how many suggestions were right (`right_sum`) of how many (`right_count`)."""
    found = []
    for run in runs:
        for tier in (*TIERS, None):
            own = [row for row in counts if (row["run"], row["tier"]) == (run, tier)]
            if not own:
                continue
            rounds = sorted({row["round"] for row in own})
            repeats = sorted({row["repeat"] for row in own})
            found.append(
                Right(
                    run=run,
                    tier=tier,
                    repeats=len(repeats),
                    suggested=sum(row["right_count"] for row in own),
                    share=_mean([[row for row in own if row["repeat"] == repeat] for repeat in repeats]),
                    rounds=rounds,
                    shares=[_mean([[row] for row in own if row["round"] == number]) for number in rounds],
                )
            )
    return found


def _mean(repeats: Sequence[Sequence[dict[str, Any]]]) -> Interval:
    """The mean share over repeats, each of which has some rows of counts."""
    shares = [sum(row["right_sum"] for row in own) / sum(row["right_count"] for row in own) for own in repeats]
    return interval(np.array(shares), (0, 1))


def table(found: Sequence[Right]) -> Cells:
    """A row per run and tier: the head of a table, and its rows."""
    rows = []
    for one in found:
        ends = [f"{share.value:.3f}" for share in (one.shares[0], one.shares[-1])]
        between = "" if one.share.low is None else f"{one.share.low:.2f}–{one.share.high:.2f}"
        rows.append((one.run, [one.tier or "", f"{one.suggested:,}", f"{one.share.value:.3f}", between, *ends]))
    return ["run", "tier", "suggested", "right", "interval", "first round", "last round"], rows


def summary_rows(found: Sequence[Right], metric: str) -> list[dict[str, Any]]:
    """Rows of the summary table: of every run and tier the share that was right, of all rounds (null) and of each."""
    rows: list[dict[str, Any]] = []
    for one in found:
        for number, share in [(None, one.share), *zip(one.rounds, one.shares, strict=True)]:
            kind = None if share.low is None else "t" if one.repeats > 2 else "range"
            row: dict[str, Any] = {
                "run": one.run,
                "scope": "all",
                "metric": metric,
                "quantity": "suggestions_right",
                "tier": one.tier,
                "round": number,
            }
            rows.append(row | {"value": share.value, "low": share.low, "high": share.high, "interval": kind, "repeats": one.repeats})
    return rows

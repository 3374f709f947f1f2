"""Rows that cannot be used: kept beside an output, with their reasons, and counted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from altool.errors import InputError
from altool.tables import check, write
from altool.tables.source import Listener
from altool.text import count


def of(ids: pa.ChunkedArray, reasons: pa.ChunkedArray) -> pa.Table:
    """`id` and `reason` of the rows that have a reason, in id order."""
    return pa.table({"id": ids, "reason": reasons}).filter(reasons.is_valid()).sort_by("id")


def nothing_left(name: str, column: str, rows: int, refused: pa.Table) -> InputError:
    """What to raise where none of the rows of the table `name` can be used."""
    shown = "; ".join(f"{row['id']}: {row['reason']}" for row in refused.slice(0, check.SHOWN).to_pylist())
    return InputError(
        f"{name}, column {column!r}: no row of {rows:,} can be used ({shown})",
        f"is this the right column? If not: --columns {column}=NAME",
    )


def keep(refused: pa.Table, rows: int, path: str | Path, origin: Mapping[str, Any], console: Listener, *, again: bool = False) -> None:
    """Write those of so many rows that are refused to `path`, and warn; where there are none, remove an earlier run's. With `again`, a file
    that holds them already stays as it is."""
    if not refused.num_rows:
        write.remove(path)
        return
    if not (again and os.path.exists(path) and pq.read_table(path).select(["id", "reason"]).equals(refused)):
        write.write_table(refused, "rejects", str(path), origin=origin)
    name = os.path.basename(str(path).partition("?")[0])
    console.warn(f"{refused.num_rows:,} of {count(rows, 'item')} cannot be used; ids and reasons are in {name}")

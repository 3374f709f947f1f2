"""The parts of a run put together: the very tables that a run of one process writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from altool.scoring import tables
from altool.scoring.tables import Form, Table
from altool.tables import align, rejects

if TYPE_CHECKING:
    from altool.console import Console
    from altool.tables.parts import Part


def together(found: Sequence[Part], table: Table, refused_to: Path, console: Console) -> int:
    """Write a table out of all parts of a run, in file order: the very files that a run of one process writes. Returns its rows.

    Predictions come with a table of the images that could not be used. Raises InputError for duplicate ids, and where no row is left.
    """
    told, origin = found[0].facts, found[0].facts["origin"]
    ids = pa.chunked_array([chunk for part in found for chunk in part.column("id").chunks if len(chunk)])
    index = align.index(ids.chunks, told["table"])
    fingerprint = align.Fingerprint()
    for part in found:
        for block in part.blocks():
            if len(block.ids):
                fingerprint.add(block.ids, block.digests)
    origin["inputs"][told["input"]] = fingerprint.text()
    if told["column"]:
        reasons = pa.chunked_array([chunk for part in found for chunk in part.column("reason").chunks if len(chunk)])
        refused = rejects.of(ids, reasons)
        if len(refused) == len(ids):
            raise rejects.nothing_left(told["table"], told["column"], len(ids), refused)
        if table.form.kind == "predictions":
            rejects.keep(refused, len(ids), refused_to, origin, console)
        if len(refused):
            index = align.index(ids.filter(reasons.is_null()).chunks, told["table"])

    def blocks() -> Iterator[list[np.ndarray]]:
        for part in found:
            for block in part.blocks():
                usable = block.reasons.null_count == len(block.ids)
                yield [block.values if usable else block.values[np.asarray(block.reasons.is_null())]]

    tables.put([table], index, origin, blocks())
    return len(index)


def merge(folder: Path, found: Sequence[Part], console: Console) -> dict[str, Any]:
    """Make the folder that holds all parts of a run a table. Returns what is said of it: its `rows`, how many were `rejected`, and how many
    are `decided` where there were thresholds."""
    form = Form.of(found[0].facts["form"])
    table = Table(form, str(folder), True)
    rows = together(found, table, folder.with_name(f"{folder.name}.rejects.parquet"), console)
    said = {"rows": rows, "rejected": sum(part.rows for part in found) - rows}
    return said if form.limits is None else {**said, "decided": table.decided}

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
    from altool.tables.align import Index
    from altool.tables.parts import Part


def together(found: Sequence[Part], index: Index, table: Table, refused_to: str | Path, console: Console) -> int:
    """Write a table out of all parts of a run, in file order, whose rows have this `index`: the very files that a run of one process
    writes. Returns its rows.

    Predictions come with a table of the images that could not be used. Raises InputError where no row is left.
    """
    told, origin = found[0].facts, found[0].facts["origin"]
    fingerprint = align.Fingerprint()
    for part in found:
        for block in part.blocks():
            fingerprint.add(block.ids, block.digests)
    origin["inputs"][told["input"]] = fingerprint.text()
    if told["column"]:
        reasons = _column(found, "reason")
        refused = rejects.of(_column(found, "id"), reasons)
        if len(refused) == len(index):
            raise rejects.nothing_left(told["table"], told["column"], len(index), refused)
        if table.form.kind == "predictions":
            rejects.keep(refused, len(index), refused_to, origin, console)
        index = index.only(np.asarray(reasons.is_null()))

    def blocks() -> Iterator[list[np.ndarray]]:
        for part in found:
            for block in part.blocks():
                usable = block.reasons.null_count == len(block.ids)
                yield [block.values if usable else block.values[np.asarray(block.reasons.is_null())]]

    tables.put([table], index, origin, blocks())
    return len(index)


def belongs(found: Sequence[Part], index: Index) -> bool:
    """Are the rows of the parts those of the index, in file order?"""
    places, done = None, 0
    if index.order is not None:
        places = np.empty(len(index), np.int64)
        places[index.order] = np.arange(len(index))
    for part in found:
        for block in part.blocks():
            rows = slice(done, done + len(block.ids))
            there = index.ids.slice(done, len(block.ids)) if places is None else index.ids.take(pa.array(places[rows]))
            if not pa.chunked_array([block.ids]).equals(there):
                return False
            done += len(block.ids)
    return done == len(index)


def _column(found: Sequence[Part], name: str) -> pa.ChunkedArray:
    """A column of all rows, in file order."""
    return pa.chunked_array([chunk for part in found for chunk in part.column(name).chunks])


def merge(folder: Path, found: Sequence[Part], console: Console) -> dict[str, Any]:
    """Make the folder that holds all parts of a run a table. Returns what is said of it: its `rows`, how many were `rejected`, and how many
    are `decided` where there were thresholds. Raises InputError for duplicate ids, and as `together`."""
    form = Form.of(found[0].facts["form"])
    table = Table(form, str(folder), True)
    index = align.index(_column(found, "id").chunks, found[0].facts["table"])
    rows = together(found, index, table, folder.with_name(f"{folder.name}.rejects.parquet"), console)
    said = {"rows": rows, "rejected": sum(part.rows for part in found) - rows}
    return said if form.limits is None else {**said, "decided": table.decided}

"""The label log: a folder to which each import adds one immutable file, named by round and by a digest of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from altool.errors import InputError
from altool.tables import check
from altool.tables.read import Source
from altool.tables.schema import KINDS, SOURCES, STATUSES
from altool.tables.write import contract, write_table

COLUMNS = KINDS["labels"].columns


def read(source: Source) -> pa.Table:
    """All rows of the log, every contract column present (null where unknown), in file order.

    A row without a label is kept only if its status is `skipped`. Raises InputError for a source or status that the contract
    does not know.
    """
    table = source.read()
    id_type = source.id_type or pa.string()
    for name, type_ in COLUMNS.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, id_type if name == "id" else type_))
    table = table.select(list(COLUMNS))
    for column, allowed in (("source", SOURCES), ("status", STATUSES)):
        known = pa.array([*allowed, None], pa.string())
        wrong = table.filter(pa.compute.invert(pa.compute.is_in(table.column(column), value_set=known)))
        if wrong.num_rows:
            raise InputError(
                f"{source.name}, column {column!r}: {wrong.num_rows:,} rows hold something else than {', '.join(allowed)} "
                f"(ids {check.naming(check.first_ids(wrong.column('id')))})",
                f"rename or leave out the column, or write one of {', '.join(allowed)}",
            )
    done = pa.compute.or_kleene(
        pa.compute.fill_null(pa.compute.not_equal(table.column("label"), ""), False),
        pa.compute.fill_null(pa.compute.equal(table.column("status"), "skipped"), False),
    )
    return table.filter(done)


def write(rows: pa.Table, folder: str | Path, round_: int, origin: Mapping[str, Any]) -> Path | None:
    """Add `rows` to the log as one file; returns its path, or None where the log holds this very content already.

    The content decides the name and the bytes, so imports may be repeated, killed and run at once: equal imports meet in one
    file, different ones never touch each other.
    """
    rows = contract(rows, "labels").combine_chunks()
    lines = {repr(tuple(row.values())): position for position, row in enumerate(rows.to_pylist())}
    ordered = [lines[line] for line in sorted(lines)]  # equal rows are one row
    digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:20]
    path = Path(folder) / f"round-{round_:04d}-{digest}.parquet"
    if path.exists():
        return None
    write_table(rows.take(pa.array(ordered, pa.int64())), "labels", str(path), origin=origin)
    return path

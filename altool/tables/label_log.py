"""The label log: a folder to which each import adds one immutable file, named by round and by a digest of its content."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables import check
from altool.tables.read import Fragment, Source
from altool.tables.schema import ARRIVAL, KINDS, RENAMED, RETRACTED, SOURCES, STATUSES, WITHDRAWN
from altool.tables.write import contract, write_table

COLUMNS = KINDS["labels"].columns


def read(source: Source) -> pa.Table:
    """All rows of the log, every contract column present (null where unknown), in file order.

    Where any file says which import it was, `arrival` (int64) is there too. A row without a label is kept only if its status is
    `skipped`, `retracted` or `withdrawn`. Raises InputError for a source or status that the contract does not know, and for seconds
    that are none.
    """
    table = source.read()
    arrivals = np.array([_import_of(fragment) for fragment in source.fragments], np.int64)
    id_type = source.id_type or pa.string()
    for name, type_ in COLUMNS.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, id_type if name == "id" else type_))
    table = table.select(list(COLUMNS))
    if arrivals.any():
        rows = [sum(fragment.group_rows) for fragment in source.fragments]
        table = table.append_column(ARRIVAL, pa.array(np.repeat(arrivals, rows)))
    for column, allowed in (("source", SOURCES), ("status", (*STATUSES, RETRACTED, WITHDRAWN, RENAMED))):
        known = pa.array([*allowed, None], pa.string())
        wrong = table.filter(pa.compute.invert(pa.compute.is_in(table.column(column), value_set=known)))
        if wrong.num_rows:
            raise InputError(
                f"{source.name}, column {column!r}: {wrong.num_rows:,} rows hold something else than {', '.join(allowed)} "
                f"(ids {check.naming(check.first_ids(wrong.column('id')))})",
                f"rename or leave out the column, or write one of {', '.join(allowed)}",
            )
    seconds = table.column("seconds")
    timed = pa.compute.and_(pa.compute.is_finite(seconds), pa.compute.greater_equal(seconds, 0))
    wrong = table.filter(pa.compute.invert(pa.compute.fill_null(timed, True)))
    if wrong.num_rows:
        text = f"{source.name}, column 'seconds': {wrong.num_rows:,} rows hold NaN, infinity or a number below 0"
        raise InputError(
            f"{text} (ids {check.naming(check.first_ids(wrong.column('id')))})",
            "write how long the answer took, or null where nobody knows",
        )
    done = pa.compute.or_kleene(
        pa.compute.fill_null(pa.compute.not_equal(table.column("label"), ""), False),
        pa.compute.is_in(table.column("status"), value_set=pa.array(["skipped", RETRACTED, WITHDRAWN])),
    )
    return table.filter(done)


def _import_of(fragment: Fragment) -> int:
    """The number of the import that a file says it is of; 0 where it is from elsewhere, whatever it says."""
    try:
        number = json.loads((fragment.schema.metadata or {}).get(b"altool.provenance", b"{}"))["import"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0
    return number if type(number) is int and 0 < number < 1 << 31 else 0


def next_import(log: pa.Table) -> int:
    """The number of the import that adds to this log: one more than the last."""
    last = pa.compute.max(log.column(ARRIVAL)).as_py() if ARRIVAL in log.column_names else None
    return (last or 0) + 1


def fragment(rows: pa.Table, round_: int, number: int = 0) -> tuple[str, pa.Table]:
    """The name of the file that holds `rows`, and the rows in its order, equal ones once. Both follow from the rows alone.

    Only of corrections the import's `number` is part of the name: what is renamed, renamed back and renamed again is there twice.
    """
    rows = contract(rows, "labels")
    rows = rows.sort_by([(name, "ascending") for name in rows.column_names])
    plain = rows
    for position, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):  # how Python shows a time depends on the machine
            plain = plain.set_column(position, field.name, rows.column(position).cast(pa.int64()))
    lines = [json.dumps(list(row.values()), ensure_ascii=False) for row in plain.to_pylist()]
    first = [position for position, line in enumerate(lines) if not position or line != lines[position - 1]]
    corrects = "status" in rows.column_names and not {WITHDRAWN, RENAMED}.isdisjoint(pa.compute.unique(rows.column("status")).to_pylist())
    content = [lines[position] for position in first] + ([str(number)] if corrects else [])
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()[:20]
    return f"round-{round_:04d}-{digest}.parquet", rows.take(pa.array(first, pa.int64())).combine_chunks()


def write(rows: pa.Table, folder: str | Path, round_: int, origin: Mapping[str, Any], number: int = 0) -> Path | None:
    """Add `rows` to the log as one file; returns its path, or None where the log holds this very content already.

    The content decides the name, so imports may be repeated, killed and run at once: equal imports meet in one file, different
    ones never touch each other. `number` is `next_import` of the log as it is under the lock; the file says it in its provenance,
    so that of two undated answers the one that came later is known (0: it says nothing).
    """
    name, rows = fragment(rows, round_, number)
    path = Path(folder) / name
    if path.exists():
        return None
    write_table(rows, "labels", str(path), origin={**origin, "import": number} if number else origin)
    return path


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """The log, made if it is missing, to oneself: whoever reads it and then adds what it lacks shall not be overtaken.

    A killed process gives the lock back. Readers need none, and the rows of whoever writes without it are not lost.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / ".lock", "wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield

"""The label log: a folder to which each import adds one immutable file, named by round and by a digest of its content."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables import check
from altool.tables.fragments import Fragment
from altool.tables.listing import refuse_log
from altool.tables.outside import load_json
from altool.tables.read import Source
from altool.tables.schema import ARRIVAL, KINDS, RENAMED, RETRACTED, SOURCES, STATUSES, WITHDRAWN
from altool.tables.write import contract, write_table
from altool.text import count

COLUMNS = KINDS["labels"].columns
PART = 1 << 16  # rows that are Python's objects at once
BLANK = r"^[\s\p{Z}\p{Cf}\x00-\x1f]*$"  # nothing that anybody sees
NOTHING = {"nan", "none", "null", "na", "n/a", "<na>", "nil", "unlabeled", "unlabelled"}


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
    table = _without_codes(source, table.select(list(COLUMNS)))
    if arrivals.any():
        rows = [sum(fragment.group_rows) for fragment in source.fragments]
        table = table.append_column(ARRIVAL, pa.array(np.repeat(arrivals, rows)))
    for column, allowed in (("source", SOURCES), ("status", (*STATUSES, RETRACTED, WITHDRAWN, RENAMED))):
        known = pa.array([*allowed, None], pa.string())
        wrong = table.filter(pa.compute.invert(pa.compute.is_in(table.column(column), value_set=known)))
        if wrong.num_rows:
            raise InputError(
                f"{source.name}, column {column!r}: {count(wrong.num_rows, 'row')} with another value than {', '.join(allowed)} "
                f"(ids {check.naming(check.first_ids(wrong.column('id')))})",
                f"write one of {', '.join(allowed)}; or leave the column out: --columns {column}=",
            )
    seconds = table.column("seconds")
    timed = pa.compute.and_(pa.compute.is_finite(seconds), pa.compute.greater_equal(seconds, 0))
    wrong = table.filter(pa.compute.invert(pa.compute.fill_null(timed, True)))
    if wrong.num_rows:
        text = f"{source.name}, column 'seconds': {count(wrong.num_rows, 'row')} with NaN, infinity or a number below 0"
        raise InputError(
            f"{text} (ids {check.naming(check.first_ids(wrong.column('id')))})",
            "write how long the answer took, or null where that is unknown",
        )
    done = pa.compute.or_kleene(
        pa.compute.invert(pa.compute.fill_null(pa.compute.match_substring_regex(table.column("label"), BLANK), True)),
        pa.compute.is_in(table.column("status"), value_set=pa.array(["skipped", RETRACTED, WITHDRAWN])),
    )
    return table.filter(done)


def _without_codes(source: Source, table: pa.Table) -> pa.Table:
    """The table whose labels are null where `--unlabeled-value` says so. Warns of labels that look like such a code."""
    labels = table.column("label")
    if source.meaning.unlabeled:
        codes = pa.compute.is_in(labels, value_set=pa.array(source.meaning.unlabeled, pa.string()))
        table = table.set_column(1, "label", pa.compute.if_else(codes, pa.scalar(None, pa.string()), labels))
        labels = table.column("label")
    if source.console is not None:
        for text in doubtful(source.name, labels, source.declared or ()):
            source.console.warn(text)
    return table


def doubtful(table: str, labels: pa.ChunkedArray, classes: Sequence[str]) -> Iterator[str]:
    """Warnings of labels, none of `classes`, by which other tools mean that there is none: an integer below 0, or a word for nothing."""
    for name in sorted(filter(None, pa.compute.unique(labels).to_pylist())):
        if name not in classes and (name.strip().lower() in NOTHING or re.fullmatch(r"-\d+(\.0*)?", name.strip())):
            rows = pa.compute.sum(pa.compute.equal(labels, name)).as_py()
            yield f"{table}: {count(rows, 'row')} with the label {name!r}; if that means no label: --unlabeled-value {shlex.quote(name)}"


def _import_of(file: Fragment) -> int:
    """The number of the import that a file says it is of; 0 where it is from elsewhere, whatever it says."""
    try:
        number = load_json(file.facts.get("provenance", "{}"), file.path)["import"]
    except (InputError, KeyError, TypeError):
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
    digest = hashlib.sha256()
    first: list[int] = []
    last = None
    for start in range(0, len(plain), PART):  # as Python's objects the rows of millions take gigabytes
        for position, row in enumerate(plain.slice(start, PART).to_pylist(), start):
            line = json.dumps(list(row.values()), ensure_ascii=False)
            if line != last:
                digest.update((f"\n{line}" if first else line).encode())
                first.append(position)
            last = line
    corrects = "status" in rows.column_names and not {WITHDRAWN, RENAMED}.isdisjoint(pa.compute.unique(rows.column("status")).to_pylist())
    if corrects:
        digest.update(f"\n{number}".encode())
    return f"round-{round_:04d}-{digest.hexdigest()[:20]}.parquet", rows.take(pa.array(first, pa.int64())).combine_chunks()


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

    A killed process gives the lock back. Readers need none, and the rows of whoever writes without it are not lost. Raises InputError
    for the folder of a table with a log of its own, which would not show what is added.
    """
    refuse_log(f"labels {folder}", str(folder), above=True)
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / ".lock", "wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield

"""The label log: a folder to which each import adds one immutable file, named by round and by a digest of its content.

On this machine whoever adds to it has it to themselves (`locked`). In object storage there are no locks, and pyarrow has no conditional
put; there imports that run at once may read the log before the others have added to it, and take the same number. So
- a name there is a digest of the number too: an object is never replaced by another content, and nobody's rows are lost;
- of imports of one number, those that correct classes or withdraw count as earlier, then those whose names sort first: all readers have
  the same order, and a correction does not reach answers that it has not seen;
- an answer that several of them bring counts once, as of the first: as if they had come one after another.
What comes out is that of one of these orders. Not so for three or more at once of which one corrects answers that another one changes, and
for two that correct each other's classes: whoever renames classes in object storage lets imports rest meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables import check, objects, places
from altool.tables.fragments import Fragment
from altool.tables.listing import refuse_log
from altool.tables.outputs import local
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

    Where any file says which import it was, `arrival` (int64) is there too: these numbers, made different where two imports took the
    same one, whose equal rows are there once. A row without a label is kept only if its status is
    `skipped`, `retracted` or `withdrawn`. Raises InputError for a source or status that the contract does not know, and for seconds
    that are none.
    """
    table = source.read()
    numbers = np.array([_import_of(fragment) for fragment in source.fragments], np.int64)
    id_type = source.id_type or pa.string()
    for name, type_ in COLUMNS.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, id_type if name == "id" else type_))
    table = _without_codes(source, table.select(list(COLUMNS)))
    if numbers.any():
        rows = [sum(fragment.group_rows) for fragment in source.fragments]
        table = _in_order(table, numbers, rows, [os.path.basename(fragment.path) for fragment in source.fragments])
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


def _in_order(table: pa.Table, numbers: np.ndarray, rows: Sequence[int], names: Sequence[str]) -> pa.Table:
    """The rows of files (`rows` of each) with the `arrival` of each, by the numbers of their imports. Where imports ran at once, two files
    have one number: see above."""
    taken = numbers[numbers > 0]
    if len(np.unique(taken)) == len(taken):
        return table.append_column(ARRIVAL, pa.array(np.repeat(numbers, rows)))
    file_of = np.repeat(np.arange(len(numbers)), rows)
    corrects = pa.compute.fill_null(pa.compute.is_in(table.column("status"), value_set=pa.array([WITHDRAWN, RENAMED])), False)
    correcting = set(file_of[np.asarray(corrects)].tolist())
    arrivals = numbers.copy()
    last = 0
    for file in sorted(np.flatnonzero(numbers).tolist(), key=lambda file: (numbers[file], file not in correcting, names[file])):
        arrivals[file] = last = max(int(numbers[file]), last + 1)
    table = table.append_column(ARRIVAL, pa.array(arrivals[file_of]))
    counts = table.column("id").value_counts()
    several = counts.field("values").filter(pa.compute.greater(counts.field("counts"), 1))
    answers = pa.compute.and_(pa.compute.invert(corrects), pa.compute.greater(table.column(ARRIVAL), 0))
    repeated = np.flatnonzero(pa.compute.and_(pa.compute.is_in(table.column("id"), value_set=several), answers))
    some = table.take(pa.array(repeated))
    undated = pa.compute.if_else(some.column("labeled_at").is_null(), some.column("round"), None)
    same = ("id", "annotator", "source", "label", "status", "labeled_at")  # by which an import that comes later knows an answer
    first = np.full(len(repeated), last + 1)
    group = groups([*(some.column(name) for name in same), undated])
    np.minimum.at(first, group, arrivals[file_of[repeated]])
    kept = np.ones(len(table), bool)
    kept[repeated] = arrivals[file_of[repeated]] == first[group]
    return table.filter(pa.array(kept))


def groups(columns: Iterable[pa.ChunkedArray]) -> np.ndarray:
    """int64 per row, from 0: the same for rows that are alike in all of these columns."""
    found: np.ndarray | None = None
    for column in columns:
        codes = np.asarray(column.combine_chunks().dictionary_encode("encode").indices).astype(np.int64)
        joined = codes if found is None else found * (codes.max(initial=0) + 1) + codes
        found = np.unique(joined, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return np.zeros(0, np.int64) if found is None else found


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


def fragment(rows: pa.Table, round_: int, number: int = 0, *, remote: bool = False) -> tuple[str, pa.Table]:
    """The name of the file that holds `rows`, and the rows in its order, equal ones once. Both follow from the rows alone.

    Only of corrections, and in object storage, the import's `number` is part of the name: what is renamed, renamed back and renamed again
    is there twice.
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
    if corrects or remote:
        digest.update(f"\n{number}".encode())
    return f"round-{round_:04d}-{digest.hexdigest()[:20]}.parquet", rows.take(pa.array(first, pa.int64())).combine_chunks()


def write(rows: pa.Table, folder: str | Path, round_: int, origin: Mapping[str, Any], number: int = 0) -> str | None:
    """Add `rows` to the log as one file; returns its name, or None where the log holds this very content already.

    The content decides the name, so imports may be repeated, killed and run at once: equal imports meet in one file, different
    ones never touch each other. `number` is `next_import` of the log as it is under the lock; the file says it in its provenance,
    so that of two undated answers the one that came later is known (0: it says nothing).
    """
    folder = str(folder)
    name, rows = fragment(rows, round_, number, remote=objects.is_remote(folder))
    location = places.within(folder, name)
    if places.exists(location):
        return None
    write_table(rows, "labels", location, origin={**origin, "import": number} if number else origin)
    return name


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """The log, made if it is missing, to oneself: whoever reads it and then adds what it lacks shall not be overtaken.

    A killed process gives the lock back. Readers need none, and the rows of whoever writes without it are not lost. In object storage
    there is none. Raises InputError for the folder of a table with a log of its own, which would not show what is added.
    """
    if objects.is_remote(str(folder)):
        yield
        return
    path = local(folder)
    refuse_log(f"labels {folder}", str(path), above=True)
    path.mkdir(parents=True, exist_ok=True)
    with open(path / ".lock", "wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield

"""Columns of somebody else's table that are carried on to what is written, as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError, UsageError
from altool.tables import check
from altool.tables.schema import KINDS, MATRIX
from altool.tables.source import Source

EVERY = "*"


def onto(table: pa.Table, source: Source, wanted: str, kind: str) -> pa.Table:
    """The table, which is of this `kind`, with columns of the source's rows of the same ids behind its own: `wanted` are the names that the
    files have for them, with commas; `*` is all but the id, matrices and what the kind has a column for.

    Raises UsageError for a column that the kind has itself, and InputError for one that is not in every file of the source, or of another
    type in another file.
    """
    ids = table.column("id").combine_chunks()
    for name, column in _carried(source, tuple(filter(None, wanted.split(","))), ids, kind).items():
        table = table.append_column(name, column)
    return table


def _carried(source: Source, wanted: Sequence[str], ids: pa.Array, kind: str) -> dict[str, pa.ChunkedArray]:
    if not wanted:
        raise UsageError("--keep: no column is named", "give for example --keep text,url, or --keep '*' for all")
    own = {source.physical(fragment, "id") for fragment in source.fragments}
    wanted = [name for name in wanted if name not in own]  # the ids are there, under this name
    if EVERY in wanted:
        wanted = [name for name in _in_all(source) if name not in {*own, *KINDS[kind].columns, *_matrices(source)}]
    if taken := [name for name in wanted if name in KINDS[kind].columns]:
        raise UsageError(f"--keep {taken[0]}: the {kind} have a column of that name", "leave it out, or rename it in the table")
    if missing := [name for name in wanted if name not in _in_all(source)]:
        found = check.naming_columns(_in_all(source))
        raise InputError(f"{source.name}: no column {missing[0]!r} (it has {found})", "correct --keep")
    parts = []
    for row_ids, batch in source.as_they_are(wanted):
        chosen = pc.is_in(row_ids, value_set=ids)
        if pc.any(chosen).as_py():
            parts.append(pa.table([row_ids, *batch.columns], ["", *wanted]).filter(chosen))
    try:
        table = pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"{source.name}: columns of --keep have other types in other files", "write all files alike") from error
    if not len(ids):
        return {name: pa.chunked_array([pa.nulls(0)]) for name in wanted}
    rows = table.take(pc.index_in(ids, value_set=table.column("").combine_chunks()))
    return {name: rows.column(name) for name in wanted}


def id_name(source: Source) -> str:
    """What the table itself calls its ids."""
    return source.physical(source.fragments[0], "id") or "id"


def _in_all(source: Source) -> list[str]:
    first, *others = source.fragments
    return [name for name in first.schema.names if all(name in other.names for other in others)]


def _matrices(source: Source) -> Iterable[str | None]:
    names = [name for name, type_ in source.kind.columns.items() if type_ == MATRIX]
    for fragment in source.fragments:
        yield from (source.physical(fragment, name) for name in names)
        yield from source.wide(fragment)

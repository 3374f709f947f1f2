"""What was asked of annotators: the queries of the rounds in an export, and what their items show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.tables import align
from altool.tables.items import some
from altool.tables.queue import check_queries
from altool.tables.read import Source


def read(source: Source) -> pa.Table:
    """`id`, `round`, `source`, `suggested_label`, `rank` and `strategy` of queries. Raises InputError for what the log could not hold."""
    names = ["id", "round", "source", "suggested_label", "rank", "strategy"]
    table = source.read(names)
    if len(source.fragments) == 1:  # the files of several rounds may share ids
        align.index(table.column("id").chunks, source.name)
    for name in names[1:]:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, source.kind.columns[name]))
    check_queries(source, table)
    return table.select(names)


def rows(source: Source) -> list[dict[str, Any]]:
    """The rows of queries, without the columns of lists: these say nothing of what became of a query, and CSV holds them as text."""
    return source.read([name for name, kind in source.kind.columns.items() if not pa.types.is_list(kind)]).to_pylist()


def classes(queries: Sequence[Source]) -> tuple[str, ...] | None:
    """The classes that the files of the queries name; None if none does."""
    metadata = [fragment.schema.metadata or {} for source in queries for fragment in source.fragments]
    lists = [json.loads(entry[b"altool.classes"]) for entry in metadata if b"altool.classes" in entry]
    return tuple(dict.fromkeys(name for classes in lists for name in classes)) if lists else None


def shown(items: Source, ids: pa.Array) -> pa.Table | None:
    """`id` and `text` or `path` of the items with these ids; None where the items have neither."""
    columns = ["id", *(name for name in ("text", "path") if name in items)]
    if len(columns) == 1 or not len(ids):
        return None
    rows = list(some(items, ids).scan(columns, lambda batch: batch.filter(pc.is_in(batch.column("id"), value_set=ids))))
    return pa.Table.from_batches(rows) if rows else None

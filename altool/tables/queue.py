"""A ranked table from any tool: who comes first."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import align, check
from altool.tables.align import Index
from altool.tables.read import Source
from altool.tables.schema import ALWAYS, SOURCES
from altool.text import count


def _are_queries(queue: Source) -> bool:
    """Is the ranked table one of queries, as altool writes them?"""
    return all(queue.physical(one, name) for one in queue.fragments for name in ALWAYS["queries"])


def read_queries(queue: Source) -> pa.Table | None:
    """The contract's columns of a queue that is a table of queries, in file order; None for any other ranked table.

    Raises InputError for sources and rounds that queries cannot have.
    """
    if not _are_queries(queue):
        return None
    table = queue.read()
    check_queries(queue, table)
    return table


def check_queries(queries: Source, table: pa.Table) -> None:
    """Raise InputError for rows whose `source` or `round` a label log could not hold."""
    known = pc.is_in(table.column("source"), value_set=pa.array([*SOURCES, None], pa.string()))
    for column, wrong in (("source", pc.invert(known)), ("round", pc.fill_null(pc.less(table.column("round"), 0), False))):
        faulty = table.column("id").filter(wrong)
        if len(faulty):
            what = f"another value than {', '.join(SOURCES)}" if column == "source" else "a negative round"
            rows = count(len(faulty), "row")
            raise InputError(
                f"{queries.name}, column {column!r}: {rows} with {what} (ids {check.naming(check.first_ids(faulty))})",
                "correct, rename or leave out the column",
            )


def read_ranks(queue: Source, pool: Index) -> tuple[np.ndarray, pa.Array, str]:
    """float64 (n,) rank of each row of the pool, lower first, infinity for a row that the queue does not hold; the ids that the pool
    does not hold; and the queue's fingerprint.

    A queue without `rank` is ranked by `score`, the highest first. Of several tables of queries rows of equal ranks go by id. Raises
    InputError for rows without either.
    """
    column = "rank" if "rank" in queue else "score"
    queue.require(column)
    table = queue.read(["id", column])
    index = align.index(table.column("id").chunks, queue.name)
    values = table.column(column).to_numpy().astype(np.float64)
    faulty = table.filter(pa.array(~np.isfinite(values))).column("id")
    if len(faulty):
        text = f"{queue.name}, column {column!r}: {count(len(faulty), 'row')} without a {column}"
        raise InputError(f"{text} (ids {check.naming(check.first_ids(faulty))})", f"give every row a {column}, or leave it out")
    ids = index.ids.combine_chunks()
    positions = pool.positions(ids)
    values = index.arrange(values) if column == "rank" else -index.arrange(values)
    if _are_queries(queue):
        values = np.argsort(np.argsort(values, kind="stable")) + 1.0
    ranks = np.full(len(pool), np.inf)
    ranks[positions[positions >= 0]] = values[positions >= 0]
    return ranks, ids.filter(pa.array(positions < 0)), align.table_fingerprint(table)

"""A ranked table from any tool: who comes first."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables import align, check
from altool.tables.align import Index
from altool.tables.read import Source
from altool.text import count


def read_ranks(queue: Source, pool: Index) -> tuple[np.ndarray, pa.Array, str]:
    """float64 (n,) rank of each row of the pool, lower first, infinity for a row that the queue does not hold; the ids that the pool
    does not hold; and the queue's fingerprint.

    A queue without `rank` is ranked by `score`, the highest first. Raises InputError for rows without either.
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
    ranks = np.full(len(pool), np.inf)
    ranks[positions[positions >= 0]] = values[positions >= 0]
    return ranks, ids.filter(pa.array(positions < 0)), align.table_fingerprint(table)

"""One pass over a table that keeps a few numbers per row, never its columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables import align, check
from altool.tables.align import Index
from altool.tables.read import Source, matrix
from altool.tables.schema import MATRIX

Result = TypeVar("Result")


def reader(
    source: Source, columns: Sequence[str], work: Callable[[Mapping[str, np.ndarray]], Result]
) -> Callable[[pa.RecordBatch], tuple[pa.Array, int, np.ndarray | None, Result]]:
    """What makes of a batch of `id` and the columns its ids, the width of a matrix, the rows' checksums (None without columns) and what
    `work` makes of it, as `derive` has it. Raises InputError for a column that is not there."""
    for column in columns:
        source.require(column)
    classes = named(source)

    def read(batch: pa.RecordBatch) -> tuple[pa.Array, int, np.ndarray | None, Result]:
        ids = batch.column("id")
        values: dict[str, np.ndarray] = {}
        width = 0
        for column in columns:
            if source.kind.columns[column] == MATRIX:
                rows = matrix(source, batch, column, len(classes) if classes and column == "probabilities" else None)
                source.check(column, ids, rows)
                values[column] = rows.astype(np.float32) if rows.dtype == np.float16 else rows
                width = rows.shape[1]
            else:
                values[column] = batch.column(column).to_numpy(zero_copy_only=False)
                check.mark(ids, column, {"with null, NaN or infinity": ~np.isfinite(values[column])})
        return ids, width, align.checksums([batch.column(name) for name in columns]) if columns else None, work(values)

    return read


def derive(
    source: Source,
    columns: Sequence[str],
    work: Callable[[Mapping[str, np.ndarray]], Result],
    *,
    threads: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
) -> tuple[Index, list[Result], str]:
    """What `work` makes of each batch of rows, in file order, with the table's index and fingerprint. No columns: only ids are read.

    `work` is given {column: array}: `probabilities` or `features` float32 (n, width), or another column, float (n,). Raises InputError for
    a column that is not there, numbers that are not finite, and rows that are no distribution or of another width.
    """
    read = reader(source, columns, work)
    parts = []
    for part in source.scan(["id", *columns], read, threads=threads):
        parts.append(part)
        advance(len(part[0]))
    ids, widths, sums, results = zip(*parts, strict=True)
    refuse_uneven(source, columns, widths)
    index = align.index(ids, source.name)
    return index, list(results), align.fingerprint(index, np.concatenate(sums) if columns else None, named(source))


def named(source: Source) -> tuple[str, ...] | None:
    """The classes of a table, where it names them."""
    return source.classes if source.knows_classes else None


def refuse_uneven(source: Source, columns: Sequence[str], widths: Collection[int]) -> None:
    """Raise InputError where the rows of batches have other `widths` than those of others."""
    if len(set(widths)) > 1:
        raise InputError(
            f"{source.name}, column {columns[0]!r}: rows of {min(widths)} to {max(widths)} numbers",
            "write one probability per class in every row" if columns[0] == "probabilities" else "write rows of equal lengths",
        )

"""Ids to positions, and back: the only place where the two meet.

A position is a row's place in id order (strings by UTF-8 bytes, integers by value), so it depends on neither files nor row groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import check
from altool.text import count

PART = 1 << 16  # rows that are Python's objects at once


@dataclass(frozen=True)
class Index:
    """The unique ids of a table in id order. `order` holds the file row of each position, or is None where they are the same."""

    ids: pa.ChunkedArray
    order: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """An array with one entry per file row, brought into id order."""
        return values if self.order is None else values[self.order]

    def positions(self, wanted: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """int64 positions of the (distinct) ids in `wanted`; -1 for an id that the table does not hold."""
        found = np.full(len(wanted), -1, np.int64)
        if len(wanted) > len(self):
            hits = pc.index_in(wanted, value_set=self.ids)
            return np.asarray(pc.fill_null(hits, -1)).astype(np.int64)
        hits = pc.index_in(self.ids, value_set=wanted)
        mine = np.flatnonzero(np.asarray(hits.is_valid()))
        found[np.asarray(hits.drop_null())] = mine
        return found

    def mask(self, wanted: pa.Array | pa.ChunkedArray) -> np.ndarray:
        """A boolean per position: is its id in `wanted`?"""
        return np.asarray(pc.is_in(self.ids, value_set=wanted))

    def take(self, positions: np.ndarray) -> pa.Array:
        """The ids at these positions."""
        taken = self.ids.take(pa.array(positions))
        return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken


def index(chunks: Sequence[pa.Array], name: str) -> Index:
    """The index of a table whose ids were read as `chunks` in file order. Raises InputError for duplicate ids; `name` is the table's.

    Strictly increasing ids, which one pass proves, are sorted and unique; only others are sorted.
    """
    ids = pa.chunked_array(chunks)
    if _increasing(ids):
        return Index(ids, None)
    if pa.types.is_string(ids.type) and ids.nbytes > 1 << 30:
        ids = ids.cast(pa.large_string())
    whole = ids.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks)
    order = pc.array_sort_indices(whole)
    ordered = whole.take(order)
    equal = np.asarray(pc.equal(ordered[1:], ordered[:-1]))
    if equal.any():
        repeated = pc.unique(ordered[1:].filter(pa.array(equal)))
        raise InputError(
            f"{name}, column 'id': {count(len(repeated), 'duplicate id')} ({check.naming(check.first_ids(repeated))})",
            "keep one row per id",
        )
    return Index(pa.chunked_array([ordered]), np.asarray(order).astype(np.int64))


def _increasing(ids: pa.ChunkedArray) -> bool:
    last = None
    for chunk in ids.chunks:
        if not len(chunk):
            continue
        if last is not None and not last < chunk[0].as_py():
            return False
        if not pc.all(pc.less(chunk[:-1], chunk[1:])).as_py() and len(chunk) > 1:
            return False
        last = chunk[-1].as_py()
    return True


def refuse_foreign(ids: pa.Array, what: str, index: Index, there: str, hint: str) -> None:
    """Raise InputError for `ids` (one at least) of which the table `there`, of this index, holds none; `what` they are, by their table."""
    if not (index.positions(ids) >= 0).any():
        own, others = check.naming(check.first_ids(ids)), check.naming(index.take(np.arange(min(len(index), check.SHOWN))).to_pylist())
        raise InputError(f"{what} is in {there}, which has {count(len(index), 'row')} (ids {own}; there {others})", hint)


def checksums(columns: Sequence[pa.Array]) -> np.ndarray:
    """A uint32 per row that changes, almost surely, when a value of the row does; the same however the rows are cut into batches.

    For fixed-width numbers and matrices of them (n, D).
    """
    total = np.zeros(len(columns[0]), np.uint32)
    for column in columns if len(total) else ():
        if pa.types.is_fixed_size_list(column.type):
            width = column.type.list_size
            column = column.values[column.offset * width : (column.offset + len(column)) * width]
        numbers = column.to_numpy(zero_copy_only=False)
        words = np.ascontiguousarray(numbers).view(np.uint16 if numbers.dtype.itemsize == 2 else np.uint32).reshape(len(total), -1)
        weights = np.random.Generator(np.random.Philox(words.shape[1])).integers(1, 2**32, words.shape[1], np.uint32) | np.uint32(1)
        total = total * np.uint32(2654435761) + np.einsum("ij,j->i", words.astype(np.uint32, copy=False), weights)
    return total


def fingerprint(ids: Index, rows: np.ndarray | None, *facts: Any) -> str:
    """A digest of a table's content: its ids and row checksums in id order, and facts such as its classes.

    The same rows give the same fingerprint whatever their order, files or row groups.
    """
    digest = hashlib.sha256(repr(facts).encode())
    lengths = hashlib.sha256()
    for chunk in ids.ids.chunks:
        if pa.types.is_integer(chunk.type):
            digest.update(chunk.to_numpy().tobytes())
            continue
        wide = pa.types.is_large_string(chunk.type)
        offsets = np.frombuffer(chunk.buffers()[1], np.int64 if wide else np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if len(chunk) and chunk.buffers()[2] is not None:
            digest.update(memoryview(chunk.buffers()[2])[offsets[0] : offsets[-1]])
        lengths.update(np.diff(offsets).astype(np.int64).tobytes())
    digest.update(lengths.digest())
    if rows is not None:
        digest.update(ids.arrange(rows).tobytes())
    return "sha256:" + digest.hexdigest()[:32]


def table_fingerprint(table: pa.Table) -> str:
    """A digest of a table's content, whatever the order of its rows."""
    columns = [pc.fill_null(column.cast(pa.large_string()), "\0") for column in table.columns]
    digest = hashlib.sha256("\x1e".join(table.column_names).encode())
    if columns:
        lines = pc.binary_join_element_wise(*columns, pa.scalar("\x1f", pa.large_string()))
        lines = lines.take(pc.sort_indices(lines))  # by bytes, which is by characters
        for start in range(0, len(lines), PART):
            digest.update("\x1e".join(["", *lines.slice(start, PART).to_pylist()]).encode())
    return "sha256:" + digest.hexdigest()[:32]


def rows_fingerprint(rows: Iterable[Mapping[str, Any]]) -> str:
    """`table_fingerprint` of rows that may hold lists."""
    return table_fingerprint(pa.table({"row": sorted(repr(sorted(row.items())) for row in rows)}))


def file_digest(path: str) -> str:
    """The digest of a whole file, as provenance has it. Raises InputError for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check the path") from error

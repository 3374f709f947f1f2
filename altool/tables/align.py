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

    def only(self, rows: np.ndarray) -> Index:
        """The index of those file rows alone where `rows`, bool (n,) in file order, is true."""
        if rows.all():
            return self
        kept = self.arrange(rows)
        ids = self.ids.filter(pa.array(kept))
        return Index(ids, None if self.order is None else (np.cumsum(rows) - 1)[self.order[kept]])

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
    if increasing(ids):
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


def increasing(ids: pa.ChunkedArray) -> bool:
    """Is each of these ids greater than the one before?"""
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


class Fingerprint:
    """A digest of a table's content, that is, of its ids and what is known of each row: the same in whatever order and in how many
    parts the rows are added, so that processes add up what each has read.

    Each row is a number of 128 bits, made of its id and its words, and the table is their sum: a digest of a set (Bellare and Micciancio
    1997, AdHash), made for speed: it tells tables apart that differ by accident, not those that somebody makes to be taken for each
    other.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sums = np.zeros(2, np.uint64)

    def add(self, ids: pa.Array | pa.ChunkedArray, rows: np.ndarray | None = None) -> None:
        """Add rows: their ids (n,), and of each in the same order what `checksums` gives, uint32 (n,), or a digest, uint8 (n, 16)."""
        done = 0
        for chunk in ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]:
            for start in range(0, len(chunk), PART):
                part = chunk.slice(start, PART)
                numbers = _words(part)
                if rows is not None:
                    own = rows[done : done + len(part)]
                    for words in own.view(np.uint64).T if own.ndim == 2 else [own.astype(np.uint64)]:
                        numbers = _mixed(numbers) ^ words
                done += len(part)
                self._sums += [_mixed(numbers).sum(), _mixed(numbers ^ SALT).sum()]
        self.rows += done

    def merge(self, other: Fingerprint) -> None:
        """Add the rows that another has been given."""
        self.rows += other.rows
        self._sums += other._sums

    def text(self, *facts: Any) -> str:
        """The digest of these rows, and of facts such as the table's classes."""
        digest = hashlib.sha256(repr((*facts, self.rows)).encode())
        digest.update(self._sums.astype("<u8").tobytes())
        return "sha256:" + digest.hexdigest()[:32]


SHORT = 64  # bytes of an id
SALT, ODD, OTHER = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014), uint64 (n,)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * ODD
    numbers = (numbers ^ (numbers >> np.uint64(27))) * OTHER
    return numbers ^ (numbers >> np.uint64(31))


def _words(ids: pa.Array) -> np.ndarray:
    """A number of each id, uint64 (n,): an integer itself; of a string's bytes a sum with random odd weights, and its length."""
    if pa.types.is_integer(ids.type):
        return ids.to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
    wide = pa.types.is_large_string(ids.type)
    offsets = np.frombuffer(ids.buffers()[1], np.int64 if wide else np.int32)[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    lengths = np.diff(offsets)
    if not lengths.any():
        return lengths.astype(np.uint64)
    data = np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    weights = np.random.Philox(20).random_raw(int(lengths.max())) | np.uint64(1)
    if lengths[0] <= SHORT and (lengths == lengths[0]).all():  # half the time of what follows
        numbers = np.zeros(len(ids), np.uint64)
        for column, weight in zip(data.reshape(len(ids), -1).T, weights, strict=True):
            numbers += column * weight
    else:
        starts = offsets[:-1] - offsets[0]
        products = data * weights[np.arange(len(data)) - np.repeat(starts, lengths)]
        ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(products)])
        numbers = ends[starts + lengths] - ends[starts]
    return numbers + lengths.astype(np.uint64) * ODD


def fingerprint(ids: Index, rows: np.ndarray | None, *facts: Any) -> str:
    """The `Fingerprint` of a table whose `rows` are in file order, with facts such as its classes."""
    found = Fingerprint()
    found.add(ids.ids, None if rows is None else ids.arrange(rows))
    return found.text(*facts)


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

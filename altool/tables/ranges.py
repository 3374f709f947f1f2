"""Ranges of a table's rows, so that each of several processes reads its own alone: runs of whole row groups, where a file has such."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from altool.tables.derived import Derived, Wrapping
from altool.tables.fragments import Fragment, MemoryFragment
from altool.tables.source import Source
from altool.tables.tar_items import TarItems


@dataclass
class Groups(Wrapping):
    """Row groups `low` to `high` of the `inner` file."""

    inner: Fragment
    low: int
    high: int

    @property
    def schema(self) -> pa.Schema:
        return self.inner.schema

    @property
    def group_rows(self) -> Sequence[int]:
        return self.inner.group_rows[self.low : self.high]

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return self.inner.row_bytes(self.low + group, columns)

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        return self.inner.batches(self.low + group, columns, rows, fold=fold)

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        return self.inner.some(self.low + group, column, wanted)


def cut(source: Source, number: int) -> list[tuple[int, int]]:
    """The rows of a table in `number` ranges [first, last), in file order, as equal as whole row groups allow: some may be empty. Tars, and
    files that are held in memory (CSV, folders of images, …), are cut at any row."""
    wanted = np.arange(1, number) * (source.num_rows / number)
    edges, start = np.zeros(1, np.int64), 0
    for fragment in source.fragments:
        rows = sum(fragment.group_rows)
        own = np.rint(wanted[(wanted > start) & (wanted < start + rows)]) if _anywhere(fragment) else start + np.cumsum(fragment.group_rows)
        edges = np.concatenate([edges, own.astype(np.int64), [start + rows]])
        start += rows
    places = np.clip(np.searchsorted(edges, wanted), 1, max(1, len(edges) - 1))
    before, after = edges[places - 1], edges[np.minimum(places, len(edges) - 1)]
    nearest = np.where(wanted - before <= after - wanted, before, after)
    return list(pairwise([0, *nearest.tolist(), source.num_rows]))


def between(source: Source, first: int, last: int) -> Source:
    """The table with rows [first, last) of the file order alone, and with the others of the row groups that these lie in."""
    kept: list[Fragment] = []
    start = 0
    for fragment in source.fragments:
        rows = sum(fragment.group_rows)
        low, high = max(0, first - start), min(rows, last - start)
        start += rows
        if low == 0 and high == rows:
            kept.append(fragment)
        elif low < high and _anywhere(fragment):
            kept.append(_rows(fragment, low, high))
        elif low < high:
            ends = np.cumsum(fragment.group_rows)
            kept.append(Groups(fragment, int(np.searchsorted(ends, low, "right")), int(np.searchsorted(ends, high)) + 1))
    return replace(source, fragments=kept)


def begin(source: Source, first: int) -> int:
    """The row of the table at which `between` begins: `first`, or where its row group does."""
    start = 0
    for fragment in source.fragments:
        rows = sum(fragment.group_rows)
        if first < start + rows:
            if _anywhere(fragment):
                return first
            ends = np.cumsum([0, *fragment.group_rows])
            return start + int(ends[np.searchsorted(ends, first - start, "right") - 1])
        start += rows
    return first


def _anywhere(one: Fragment) -> bool:
    """Can the file be cut at any row, as cheaply as at another?"""
    return isinstance(one, MemoryFragment | TarItems) or (isinstance(one, Wrapping) and _anywhere(one.inner))


def _rows(one: Any, low: int, high: int) -> Fragment:
    """Rows [low, high) of a file that can be cut anywhere."""
    if isinstance(one, MemoryFragment):
        return replace(one, table=one.table.slice(low, high - low))
    if isinstance(one, TarItems):
        places = np.arange(len(one.keys))
        return one.only((places >= low) & (places < high))
    inner = _rows(one.inner, low, high)
    if isinstance(one, Derived) and one.ids is not None:
        return replace(one, inner=inner, ids=one.ids.slice(low, high - low))
    found: Fragment = replace(one, inner=inner)
    return found

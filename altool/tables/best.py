"""The best of a table's rows by a score, and an excerpt of them, for tables that are too large to be held."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.tables.align import increasing
from altool.tables.arrays import read_index
from altool.tables.derive import named
from altool.tables.fragments import MemoryFragment
from altool.tables.layout import Layout
from altool.tables.source import Source

Part = TypeVar("Part", bound=tuple[Any, ...])
Span = tuple[Any, Any, bool]

ROWS = 1 << 18  # that are worked on at once: each time the ids of all limits are hashed


@dataclass
class Best:
    """The `size` rows of the highest `scores` (float32) of those that were added, with their `ids` and `places` in the table; of equal
    scores the smaller ids. `low` and `high` are the lowest and highest of all scores, of which there were `rows`."""

    size: int
    ids: pa.Array
    places: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    scores: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    rows: int = 0
    low: float = np.inf
    high: float = -np.inf

    def add(self, ids: pa.Array, places: np.ndarray, scores: np.ndarray) -> None:
        """Add rows (n,)."""
        if not len(scores):
            return
        self.rows += len(scores)
        self.low, self.high = min(self.low, float(scores.min())), max(self.high, float(scores.max()))
        self._take(ids, places, scores)

    def merge(self, other: Best) -> None:
        """Add what another kept."""
        self.rows += other.rows
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self._take(other.ids, other.places, other.scores)

    def _take(self, ids: pa.Array, places: np.ndarray, scores: np.ndarray) -> None:
        if len(self.scores) >= self.size:
            good = np.flatnonzero(scores >= self.scores.min())
            ids, places, scores = ids.take(pa.array(good)), places[good], scores[good]
        scores = np.concatenate([self.scores, scores])
        ids = pa.concat_arrays([self.ids, ids])
        places = np.concatenate([self.places, places])
        if len(scores) > self.size:
            limit = np.partition(scores, len(scores) - self.size)[len(scores) - self.size]
            kept, level = np.flatnonzero(scores > limit), np.flatnonzero(scores == limit)
            by_id = np.asarray(pc.array_sort_indices(ids.take(pa.array(level)))).astype(np.int64)
            kept = np.concatenate([kept, level[by_id[: self.size - len(kept)]]])
            ids, places, scores = ids.take(pa.array(kept)), places[kept], scores[kept]
        self.ids, self.places, self.scores = ids, places, scores


def excerpt(source: Source, columns: Sequence[str], ids: pa.Array, places: np.ndarray, *, threads: int = 0) -> Source:
    """The table with these rows and columns alone, in memory: int64 `places` (m,) in the whole table, and their `ids`."""
    by_place = np.argsort(places, kind="stable")
    places, ids = places[by_place], ids.take(pa.array(by_place))
    parts: list[tuple[int, pa.RecordBatch]] = []
    if columns:
        source.gather(columns, places, ids, lambda batch, start: parts.append((start, batch)), threads=threads)
    else:
        parts.append((0, pa.RecordBatch.from_arrays([ids], ["id"])))
    by_schema: dict[pa.Schema, list[pa.RecordBatch]] = {}  # files may hold numbers of other types, and scores are those of these numbers
    for _, batch in sorted(parts, key=lambda part: part[0]):
        by_schema.setdefault(batch.schema, []).append(batch)
    said = {**source.metadata, "altool.kind": source.kind.name}
    if (classes := named(source)) is not None:
        said["altool.classes"] = json.dumps(classes)
    tables = [pa.Table.from_batches(batches).replace_schema_metadata(said) for batches in by_schema.values()]
    fragments = [MemoryFragment(source.location, table) for table in tables]
    return replace(source, fragments=fragments, names={}, id_type=ids.type, metadata=said, layout=Layout(), rounded=True)


def find(source: Source, wanted: pa.Array, *, threads: int = 0) -> np.ndarray:
    """int64 (m,): the places of the distinct `wanted` ids in a table of which no more is held than these; -1 where it has no such row.
    Raises InputError for duplicate ids in the table."""
    found = np.full(len(wanted), -1, np.int64)
    spans = []
    for ids, start in blocks(source.scan_rows(["id"], lambda batch, start: (batch.column("id"), start), threads=threads)):
        spans.append(span(ids))
        hits = pc.index_in(ids, value_set=wanted)
        rows = np.flatnonzero(np.asarray(hits.is_valid()))
        found[np.asarray(hits.drop_null())] = start + rows
    if not apart(spans):
        read_index(source, threads)
    return found


def blocks(parts: Iterable[tuple[pa.Array, int]]) -> Iterator[tuple[pa.Array, int]]:
    """The ids of consecutive batches, and the first one's place, joined to ROWS at once."""
    for found in gathered((ids, start) for ids, start in parts):
        yield pa.concat_arrays([ids for ids, _ in found]), found[0][1]


def gathered(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Consecutive parts, which begin with their ids, in lists of ROWS rows or a little more."""
    waiting: list[Part] = []
    rows = 0
    for part in parts:
        waiting.append(part)
        rows += len(part[0])
        if rows >= ROWS:
            yield waiting
            waiting, rows = [], 0
    if waiting:
        yield waiting


def span(ids: pa.Array) -> Span:
    """The first and last of these ids, one at least, and whether each is greater than the one before."""
    return ids[0].as_py(), ids[-1].as_py(), increasing(pa.chunked_array([ids]))


def apart(spans: Iterable[Span]) -> bool:
    """Is it proven that no id is there twice? Ids rise within each span, and no span reaches into another."""
    ordered = sorted(spans)
    return all(rising for *_, rising in ordered) and all(one[1] < two[0] for one, two in pairwise(ordered))

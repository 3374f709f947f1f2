"""Tables that img2dataset writes, as tables of items: a row per address, of which those that were fetched have a picture.

`00000.parquet` has the columns `key`, `status`, `caption`, …; the pictures are in its column `jpg` (png, webp), or files `00000/KEY.jpg`
beside it (img2dataset/writer.py: ParquetSampleWriter, FilesSampleWriter). The id is the key; the text, what KEY.txt holds too: the caption.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.tables.fragments import Described, Fragment, ParquetFragment
from altool.tables.listing import is_image_name

OWN = ("key", "status", "error_message")  # by which its tables are known
PICTURES = ("jpg", "png", "webp")  # its --encode_format
FETCHED = "success"
NAMES = ("id", "image", "path", "text")


@dataclass
class Downloads(Described):
    """Those rows of a table of img2dataset that were fetched; `ours` are {our column: its}, `files` {key: path} of the pictures beside it,
    and `fetched` bool arrays, one per row group."""

    inner: ParquetFragment
    ours: Mapping[str, str]
    files: Mapping[str, str]
    fetched: Sequence[np.ndarray]
    constants: Mapping[str, str | None] = field(default_factory=dict)
    untyped: bool = False
    decimal_comma: bool = False

    def __post_init__(self) -> None:
        self.path, self.constants = self.inner.path, self.inner.constants

    @cached_property
    def schema(self) -> pa.Schema:
        found = self.inner.schema
        for name, other in self.ours.items():
            found = found.append(pa.field(name, pa.string() if name == "path" else found.field(other).type))
        return found

    @cached_property
    def group_rows(self) -> Sequence[int]:
        return [int(np.count_nonzero(one)) for one in self.fetched]

    @property
    def lost(self) -> int:
        """How many of its rows were not fetched."""
        return sum(len(one) for one in self.fetched) - sum(self.group_rows)

    def owns(self, path: str) -> bool:
        """Is it a file that img2dataset writes beside the table, about its rows?"""
        stem = os.path.splitext(self.inner.file)[0]
        return path == f"{stem}_stats.json" or path.startswith(f"{stem}/")

    def _held(self, columns: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(self.ours.get(name, name) for name in columns))

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return self.inner.row_bytes(group, self._held(columns))

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in self.inner.batches(group, self._held(columns), rows, fold=fold):
            kept = pa.array(self.fetched[group][start : start + len(batch)])
            start += len(batch)
            batch = batch.filter(kept)
            if len(batch):
                arrays = [self._column(batch, name) for name in columns]
                yield pa.RecordBatch.from_arrays(arrays, list(columns))

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        found = batch.column(self.ours.get(name, name))
        return found if name != "path" else pa.array([self.files.get(key) for key in found.to_pylist()], pa.string())


def downloads(one: Fragment, root: str) -> Fragment:
    """A table of img2dataset as one of items; any other as it is. Paths are below `root`."""
    if not isinstance(one, ParquetFragment) or one.filesystem is not None or not one.names.issuperset(OWN) or one.names & {*NAMES[:3]}:
        return one
    binary = [name for name in PICTURES if name in one.names and pa.types.is_binary(one.schema.field(name).type)]
    folder = os.path.splitext(one.file)[0]
    files = {} if binary else _pictures(folder, os.path.relpath(folder, root or "."))
    if len(binary) != 1 and not files:
        return one
    names = {"id": "key"} | ({"image": binary[0]} if binary else {"path": "key"})
    if "caption" in one.names and "text" not in one.names:
        names["text"] = "caption"
    fetched = []
    for group in range(len(one.group_rows)):
        parts = [np.asarray(pc.fill_null(pc.equal(batch.column(0), FETCHED), False)) for batch in one.batches(group, ["status"], 1 << 16)]
        fetched.append(np.concatenate(parts) if parts else np.zeros(0, bool))
    return Downloads(one, names, files, fetched)


def _pictures(folder: str, under: str) -> dict[str, str]:
    """{key: path} of the pictures in a shard's folder."""
    if not os.path.isdir(folder):
        return {}
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_image_name(entry.name)]
    return {os.path.splitext(name)[0]: f"{under}/{name}" for name in names}

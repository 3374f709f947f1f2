"""Reading tables: a file, a folder, Hive partitions, a glob, a URI or standard input, under the contract's column names.

Parquet is streamed row group by row group; the other formats (CSV, JSON Lines, Arrow) are for small tables and are held.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from altool.engines.local import ordered_map
from altool.errors import InputError, UsageError
from altool.tables import check
from altool.tables.pages import Plain, plain
from altool.tables.schema import KINDS, MATRIX, WIDE_PREFIX, WRITERS, Kind
from altool.tables.write import unguarded

Result = TypeVar("Result")

BATCH_BYTES = 4 << 20  # small enough to stay in a core's cache while it is checked and scored
BATCH_ROWS = (64, 65_536)
STREAM_ABOVE = 128 << 20  # row groups larger than this are read through a buffer instead of whole


class Fragment(Protocol):
    """One physical file: its columns, the rows of each of its row groups and the values that its folder names give."""

    path: str
    constants: dict[str, pa.Scalar]
    untyped: bool  # CSV: an id has no type of its own

    @property
    def schema(self) -> pa.Schema: ...
    @property
    def group_rows(self) -> Sequence[int]: ...
    def row_bytes(self, group: int, columns: Sequence[str]) -> float: ...
    def batches(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]: ...


@dataclass
class ParquetFragment:
    path: str
    metadata: pq.FileMetaData
    schema: pa.Schema
    filesystem: Any = None
    constants: dict[str, pa.Scalar] = field(default_factory=dict)
    untyped: bool = False

    @property
    def group_rows(self) -> Sequence[int]:
        return [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        meta = self.metadata.row_group(group)
        chunks = (meta.column(index) for index in range(meta.num_columns))
        size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)
        return size / max(1, meta.num_rows)

    def batches(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        if self.filesystem is None:
            with open(self.path, "rb") as handle:
                types = {name: self.schema.field(name).type for name in columns}
                found = {name: plain(handle.fileno(), self.metadata, group, name, type_) for name, type_ in types.items()}
                direct = {name: pages for name, pages in found.items() if pages is not None}
                others = [name for name in columns if name not in direct]
                if direct and self.row_bytes(group, others) * self.metadata.row_group(group).num_rows <= STREAM_ABOVE:
                    yield from self._direct(handle.fileno(), group, columns, direct, others, rows)
                    return
        large = self.row_bytes(group, columns) * self.metadata.row_group(group).num_rows > STREAM_ABOVE
        with self._file(large) as file:
            yield from file.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False)

    def _file(self, large: bool) -> pq.ParquetFile:
        source = _open(self.path, self.filesystem)
        return pq.ParquetFile(source, metadata=self.metadata, pre_buffer=False, buffer_size=BATCH_BYTES if large else 0)

    def _direct(
        self, handle: int, group: int, columns: Sequence[str], direct: dict[str, Plain], others: list[str], rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Batches whose matrices come straight from the file's pages."""
        size = self.metadata.row_group(group).num_rows
        with self._file(large=False) as file:
            table = file.read_row_group(group, columns=others, use_threads=False)
        matrices = [pages.rows(handle, size, rows) for pages in direct.values()]
        for start in range(0, size, rows):
            arrays = dict(zip(direct, (next(matrix) for matrix in matrices), strict=True))
            for name in others:
                part = table.column(name).slice(start, rows).combine_chunks()
                arrays[name] = part.combine_chunks() if isinstance(part, pa.ChunkedArray) else part
            yield pa.RecordBatch.from_arrays([arrays[name] for name in columns], list(columns))


@dataclass
class MemoryFragment:
    path: str
    table: pa.Table
    constants: dict[str, pa.Scalar] = field(default_factory=dict)
    untyped: bool = False

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    @property
    def group_rows(self) -> Sequence[int]:
        return [self.table.num_rows] if self.table.num_rows else []

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return self.table.select(list(columns)).nbytes / max(1, self.table.num_rows)

    def batches(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        yield from self.table.select(list(columns)).to_batches(rows)


@dataclass(frozen=True)
class Piece:
    """A unit of reading: one row group of one fragment, in batches of so many rows; `start` is its first row in the whole table."""

    fragment: int
    group: int
    batch_rows: int
    start: int


def plan(fragments: Sequence[Fragment], columns: Sequence[Sequence[str]]) -> list[Piece]:
    """The pieces to read, in file order; `columns` are each fragment's physical columns. Batches aim at 4 MiB."""
    low, high = BATCH_ROWS
    pieces = []
    start = 0
    for index, fragment in enumerate(fragments):
        for group, rows in enumerate(fragment.group_rows):
            if rows:
                size = max(1.0, fragment.row_bytes(group, columns[index]))
                pieces.append(Piece(index, group, int(min(high, max(low, BATCH_BYTES / size))), start))
            start += rows
    return pieces


@dataclass
class Source:
    """One table of the contract, wherever it lies. Columns carry the contract's names; rows come in file order.

    `id_type` is string or int64; where every file is CSV it is None until `Reader.match_ids` takes over the other tables' type.
    """

    kind: Kind
    location: str
    fragments: Sequence[Fragment]
    names: dict[str, str]  # contract name -> name from --columns
    id_type: pa.DataType | None
    metadata: dict[str, str]
    declared: tuple[str, ...] | None  # --classes

    @property
    def name(self) -> str:
        return f"{self.kind.name} {self.location}"

    @cached_property
    def num_rows(self) -> int:
        return sum(sum(fragment.group_rows) for fragment in self.fragments)

    def physical(self, fragment: Fragment, column: str) -> str | None:
        """The name under which a fragment holds a contract column; None if it does not hold it."""
        if self.names.get(column) == "":
            return None
        for name in (self.names.get(column), column):
            if name is not None and (name in fragment.schema.names or name in fragment.constants):
                return name
        return None

    def wide(self, fragment: Fragment) -> list[str]:
        """The fragment's `p:CLASS` columns, in class order, where it has no probabilities column."""
        if self.kind.name != "predictions" or self.physical(fragment, "probabilities"):
            return []
        found = [name for name in fragment.schema.names if name.startswith(WIDE_PREFIX)]
        wanted = [WIDE_PREFIX + name for name in self.classes] if self.fragments[0] is not fragment else found
        if set(found) != set(wanted):
            raise InputError(
                f"{self.name}: {fragment.path} has other p:CLASS columns than the first file", "write all files with the same classes"
            )
        return wanted

    def __contains__(self, column: str) -> bool:
        return any(self.physical(f, column) or (column == "probabilities" and self.wide(f)) for f in self.fragments)

    @property
    def knows_classes(self) -> bool:
        """Does the table, or `--classes`, say which class each probability belongs to?"""
        named = "altool.classes" in self.metadata or bool(self.declared) or not self.physical(self.fragments[0], "probabilities")
        return self.kind.name == "predictions" and named

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class of each probability, in order: from the metadata, the `p:CLASS` names or `--classes`.

        Raises InputError where none of them says it, or where they disagree.
        """
        first = self.fragments[0]
        if "altool.classes" in self.metadata:
            found = tuple(json.loads(self.metadata["altool.classes"]))
        elif self.kind.name == "predictions" and not self.physical(first, "probabilities"):
            found = tuple(name[len(WIDE_PREFIX) :] for name in first.schema.names if name.startswith(WIDE_PREFIX))
        elif self.declared:
            found = self.declared
        else:
            raise InputError(f"{self.name}: nothing says which class each probability belongs to", "name them in order: --classes a,b,c")
        if self.declared and self.declared != found:
            raise InputError(
                f"{self.name}: its classes ({check.naming(found)}, … {len(found)}) are not those of --classes "
                f"({check.naming(self.declared)}, … {len(self.declared)})",
                "leave --classes out to use the table's own",
            )
        if blank := [str(number) for number, name in enumerate(found, 1) if not name.strip()]:
            raise InputError(
                f"{self.name}: classes without a name (number {check.naming(blank)} of {len(found)})", "give every class a name"
            )
        if len(set(found)) < len(found):
            raise InputError(f"{self.name}: a class is named twice in {check.naming(found)}, …", "give every class its own name")
        return found

    def is_half(self, column: str) -> bool:
        """Do all files hold this matrix column as float16?"""
        names = [self.physical(fragment, column) for fragment in self.fragments]
        types = [fragment.schema.field(name).type for fragment, name in zip(self.fragments, names, strict=True) if name]
        return bool(types) and all(hasattr(type_, "value_type") and pa.types.is_float16(type_.value_type) for type_ in types)

    def require(self, *columns: str) -> None:
        """Raise InputError unless every fragment holds these contract columns."""
        for column in columns:
            for fragment in self.fragments:
                if not self.physical(fragment, column) and not (column == "probabilities" and self.wide(fragment)):
                    found = ", ".join([*fragment.schema.names, *fragment.constants])
                    written = f"{WRITERS[column]}; or " if column in WRITERS else ""
                    raise InputError(
                        f"{self.name}: {fragment.path} has no column {column!r} (it has {found})",
                        f"{written}name it: --columns {column}=NAME",
                    )

    def scan(self, columns: Sequence[str], function: Callable[[pa.RecordBatch], Result], *, threads: int = 0) -> Iterator[Result]:
        """Yield `function(batch)` for every batch, in file order; row groups are read and worked on in parallel threads.

        A batch holds the contract columns asked for that the table has (`id` is a string or int64 and never null; matrices are
        fixed_size_list). `function` may raise `RowFaults`: then nothing more is yielded, the rest is read to count the faulty
        rows, and InputError is raised. Raises InputError for null ids and damaged files.
        """
        return self.scan_rows(columns, lambda batch, _: function(batch), threads=threads)

    def scan_rows(self, columns: Sequence[str], function: Callable[[pa.RecordBatch, int], Result], *, threads: int = 0) -> Iterator[Result]:
        """`scan`, with the number of the batch's first row in the whole table (in file order) as `function`'s second argument."""
        wanted = [self._columns(fragment, columns) for fragment in self.fragments]
        faults: list[check.RowFaults] = []

        def work(piece: Piece) -> list[Result]:
            results = []
            start = piece.start
            for batch in self._batches(piece, wanted, columns):
                try:
                    results.append(function(batch, start))
                except check.RowFaults as error:
                    faults.append(error)
                start += len(batch)
            return results

        for results in ordered_map(work, plan(self.fragments, wanted), threads):
            if not faults:
                yield from results
        check.raise_faults(self.name, faults)

    def stream(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The batches that `scan` works on, one at a time in file order: for rows of which a row group is too large to hold (images)."""
        wanted = [self._columns(fragment, columns) for fragment in self.fragments]
        for piece in plan(self.fragments, wanted):
            yield from self._batches(piece, wanted, columns)

    def _batches(self, piece: Piece, wanted: Sequence[list[str]], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        fragment = self.fragments[piece.fragment]
        try:
            for raw in fragment.batches(piece.group, wanted[piece.fragment], piece.batch_rows):
                yield self._conform(fragment, raw, columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{self.name}: {fragment.path} is damaged ({_short(error)})", "write it again") from error

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole table, in file order, with the contract columns (all by default) that it has; the rest are absent."""
        names = [name for name in columns or self.kind.columns if name in self]
        batches = list(self.scan(names, lambda batch: batch, threads=1))
        return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in names})

    def _columns(self, fragment: Fragment, columns: Sequence[str]) -> list[str]:
        physical = []
        for column in columns:
            if column == "probabilities" and (wide := self.wide(fragment)):
                physical += wide
            else:
                name = self.physical(fragment, column)
                if name is not None and name in fragment.schema.names:
                    physical.append(name)
        return physical or fragment.schema.names[:1]

    def _conform(self, fragment: Fragment, raw: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
        """The batch under the contract's names and types."""
        arrays: list[pa.Array] = []
        names: list[str] = []
        for column in columns:
            if column == "probabilities" and (wide := self.wide(fragment)):
                array = _stack([_plain(raw.column(name)) for name in wide])
            else:
                name = self.physical(fragment, column)
                if name is None:
                    if column not in self:
                        continue
                    array = pa.nulls(raw.num_rows, self._type(column))
                elif name in fragment.schema.names:
                    array = _plain(raw.column(name))
                else:
                    array = pa.repeat(fragment.constants[name], raw.num_rows)
                array = self._cast(fragment, array, column, arrays[0] if names[:1] == ["id"] else None)
            if column == "id" and array.null_count:
                raise InputError(
                    f"{self.name}, column 'id': {fragment.path} holds null ids ({array.null_count:,} in one batch)", "give every row an id"
                )
            arrays.append(array)
            names.append(column)
        return pa.RecordBatch.from_arrays(arrays, names)

    def _type(self, column: str) -> pa.DataType:
        return self.id_type or pa.string() if column == "id" else self.kind.columns[column]

    def _cast(self, fragment: Fragment, array: pa.Array, column: str, ids: pa.Array | None) -> pa.Array:
        wanted = self._type(column)
        if wanted == MATRIX:
            return _fixed(self.name, fragment, array, column, ids)
        if array.type == wanted:
            return array
        if pa.types.is_null(array.type):
            return pa.nulls(len(array), wanted)
        try:
            if pa.types.is_string(wanted) and pa.types.is_floating(array.type):
                raise pa.ArrowInvalid("numbers with a fraction are no names")
            return array.cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"{self.name}, column {column!r}: {fragment.path} holds {array.type}, not {wanted} ({_short(error)})",
                f"write the column as {wanted}",
            ) from error


class Reader:
    """Opens the tables of one run, and checks what they must agree on."""

    def __init__(self, columns: str | None = None, classes: str | None = None, kinds: Sequence[str] = ()) -> None:
        """`columns` is the value of `--columns`, `classes` that of `--classes`. Raises UsageError where they cannot be understood."""
        self.names = parse_columns(columns)
        self.classes = parse_classes(classes)
        self.sources: list[Source] = []
        self._used: set[str] = set()

    def open(self, location: str, kind: str, *, allow_empty: bool = False) -> Source:
        """Open a table; reads its schema only. Raises InputError if it is missing, empty, damaged or lacks a column.

        With `allow_empty` a folder without files is a table without rows: a label log to which nobody has written yet.
        """
        fragments = _fragments(location, KINDS[kind], allow_empty)
        source = Source(KINDS[kind], location, fragments, self.names, None, {}, self.classes)
        if not fragments:
            self.sources.append(source)
            return source
        if not source.num_rows:
            raise InputError(f"{source.name}: the table is empty", "give a table with at least one row")
        source.require(*(column for column in source.kind.required if column != "probabilities"))
        metadata = fragments[0].schema.metadata or {}
        source.metadata = {k.decode(): v.decode() for k, v in metadata.items() if k.startswith(b"altool.")}
        if "probabilities" in source.kind.required:
            source.require("probabilities")
        source.id_type = _id_type(source)
        self._used |= {name for name in self.names if any(self.names[name] in (*f.schema.names, *f.constants) for f in fragments)}
        self.sources.append(source)
        return source

    def add(self, source: Source, used: Iterable[str] = ()) -> None:
        """Take in a table that was read elsewhere: its ids must match too, and it has the columns `used` under their `--columns` names."""
        self.sources.append(source)
        self._used |= set(used)

    def match_ids(self) -> pa.DataType:
        """Check that all tables' ids are of one type, and give it to the CSV tables, whose ids have none. Returns the type.

        Also raises UsageError for a `--columns` name that no table has.
        """
        with_ids = [source for source in self.sources if "id" in source.kind.columns]
        typed = [source for source in with_ids if source.id_type is not None]
        common = typed[0].id_type if typed else pa.string()
        for source in typed:
            if source.id_type != common:
                raise InputError(
                    f"{source.name}, column 'id': ids are {source.id_type}, but {typed[0].name} has {common}",
                    "write the ids of every table as the same type",
                )
        for source in with_ids:
            source.id_type = common
        unused = [name for name, other in self.names.items() if other and name not in self._used]
        if unused:
            raise UsageError(f"--columns: no table of this run has a column {', '.join(repr(self.names[name]) for name in unused)}")
        return common


def matrix(source: Source, batch: pa.RecordBatch, column: str, width: int | None = None) -> np.ndarray:
    """A batch's matrix column as (n, width) without a copy. Raises InputError for another width."""
    array = batch.column(column)
    size = array.type.list_size
    if width is not None and size != width:
        raise InputError(
            f"{source.name}, column {column!r}: rows hold {size} numbers, not {width}",
            "use the table that the model was trained on" if column == "features" else "give the classes in --classes",
        )
    values = array.values.to_numpy(zero_copy_only=True)
    return values[array.offset * size : (array.offset + len(array)) * size].reshape(-1, size)


def parse_columns(text: str | None) -> dict[str, str]:
    """`id=item_id,features=embedding` as {contract name: name in the table}; `source=` leaves that column out (an empty name)."""
    known = {column for kind in KINDS.values() for column in kind.columns}
    names = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, other = part.partition("=")
        if not equals or name not in known:
            raise UsageError(f"--columns: {part!r} is not CONTRACT_COLUMN=NAME", "for example --columns id=item_id,features=embedding")
        names[name] = other
    return names


def parse_classes(text: str | None) -> tuple[str, ...] | None:
    """`a,b,c`, or a file with one class per line or a JSON list."""
    if text is None:
        return None
    if os.path.isfile(text):
        content = Path(text).read_text("utf-8")
        classes = json.loads(content) if content.lstrip().startswith("[") else content.splitlines()
    else:
        classes = text.split(",")
    classes = [str(name).strip() for name in classes if str(name).strip()]
    if not classes or len(set(classes)) < len(classes):
        raise UsageError(f"--classes: {text!r} names no class, or one twice", "for example --classes cat,dog")
    return tuple(classes)


def _id_type(source: Source) -> pa.DataType | None:
    if "id" not in source.kind.columns:
        return None
    found: dict[pa.DataType, str] = {}
    for fragment in source.fragments:
        if not fragment.untyped:
            name = source.physical(fragment, "id")
            constant = fragment.constants.get(name or "")
            kind = constant.type if constant is not None else fragment.schema.field(name).type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if pa.types.is_integer(kind):
                found.setdefault(pa.int64(), fragment.path)
            elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
                found.setdefault(pa.string(), fragment.path)
            else:
                raise InputError(
                    f"{source.name}, column 'id': ids are {kind}; they must be strings or integers", "write them as one of these"
                )
    if len(found) > 1:
        raise InputError(
            f"{source.name}, column 'id': strings in {found[pa.string()]}, integers in {found[pa.int64()]}", "write all files alike"
        )
    return next(iter(found), None)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _stack(columns: list[pa.Array]) -> pa.Array:
    """Wide `p:CLASS` columns as one fixed_size_list column; a null becomes NaN, which the check refuses."""
    values = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), len(columns))


def _fixed(table: str, fragment: Fragment, array: pa.Array, column: str, ids: pa.Array | None) -> pa.Array:
    """A matrix column as fixed_size_list of floats; plain lists of equal lengths are taken over."""
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type)):
        raise InputError(f"{table}, column {column!r}: {fragment.path} holds {array.type}, not lists of numbers", "write one list per row")
    if array.null_count:
        named = f" (ids {check.naming(check.first_ids(ids.filter(array.is_null())))})" if ids is not None else ""
        raise InputError(
            f"{table}, column {column!r}: {fragment.path} holds null rows, {array.null_count:,} in one batch{named}",
            "leave out the rows that have no numbers",
        )
    if not pa.types.is_fixed_size_list(array.type):
        lengths = pc.list_value_length(array)
        low, high = (value.as_py() for value in pc.min_max(lengths).values())
        if low != high or not low:
            raise InputError(
                f"{table}, column {column!r}: {fragment.path} holds rows of {low} to {high} numbers", "write rows of equal lengths"
            )
        array = pa.FixedSizeListArray.from_arrays(array.flatten(), low)
    if array.values.null_count:
        raise InputError(f"{table}, column {column!r}: {fragment.path} holds null numbers", "leave these rows out; altool repairs nothing")
    if not pa.types.is_floating(array.type.value_type):
        try:
            return array.cast(pa.list_(pa.float32(), array.type.list_size))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"{table}, column {column!r}: {fragment.path} holds {array.type}", "write floating-point numbers") from error
    return array


def _short(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__


def _open(path: str, filesystem: Any) -> Any:
    return filesystem.open_input_file(path) if filesystem is not None else path


def _fragments(location: str, kind: Kind, allow_empty: bool) -> list[Fragment]:
    """The files behind a location, in name order. Raises InputError if there is none or one cannot be read."""
    label = f"{kind.name} {location}"
    paths, folder, filesystem = listing(label, location, allow_empty)
    if location == "-":
        return [fragment(label, paths[0], None, {}, shown="standard input")]
    constants = _partitions(paths, folder, filesystem)
    return [fragment(label, path, filesystem, constants.get(path, {})) for path in paths]


def listing(label: str, location: str, allow_empty: bool = False) -> tuple[list[str], str, Any]:
    """The paths behind a location in name order, the folder that they lie in (empty: none) and their filesystem (None: local).

    Standard input is spooled to a file. Raises InputError, which begins with `label`, if there is nothing.
    """
    if location == "-":
        return [_spool()], "", None
    filesystem: Any = None
    try:
        if "://" in location:
            paths, folder, filesystem = _remote(location)
        elif os.path.isdir(location):
            folder = location
            paths = [str(path) for path in Path(location).rglob("*") if path.is_file()]
        else:
            folder = ""
            paths = [location] if os.path.exists(location) else glob.glob(location, recursive=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{label}: cannot be opened ({_short(error)})", "check the address and your access to it") from error
    paths = sorted(path for path in paths if not folder or not _hidden(path, folder))
    if not paths and not (folder and allow_empty):
        problem = "no files in it" if folder else "no such file or folder"
        raise InputError(f"{label}: {problem}", "check the path; a glob must match at least one file")
    return paths, folder, filesystem


def _remote(uri: str) -> tuple[list[str], str, Any]:
    """`listing` for a URI: a file, a folder, or a glob (`*` stays within a folder)."""
    from pyarrow import fs

    address, question, query = uri.partition("?")
    base = address.split("*")[0].rsplit("/", 1)[0] if "*" in address else address
    filesystem, path = fs.FileSystem.from_uri(base + question + query)
    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        return [path], "", filesystem
    selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
    paths = [entry.path for entry in filesystem.get_file_info(selector) if entry.type == fs.FileType.File]
    if "*" in address:
        pattern = (path + address[len(base) :]).split("/")
        paths = [found for found in paths if len(pattern) == found.count("/") + 1 and all(map(fnmatch, found.split("/"), pattern))]
    return paths, "" if "*" in address or info.type == fs.FileType.NotFound else path, filesystem


def _hidden(path: str, folder: str) -> bool:
    return any(part.startswith((".", "_")) for part in path[len(folder) :].split("/"))


def _partitions(paths: Sequence[str], folder: str, filesystem: Any) -> dict[str, dict[str, pa.Scalar]]:
    """The column values that Hive folder names (`round=3/`) give each file."""
    if not any("=" in os.path.dirname(path[len(folder) :]) for path in paths) or not folder:
        return {}
    from pyarrow import dataset

    try:
        found = dataset.dataset(list(paths), format="parquet", partitioning="hive", partition_base_dir=folder, filesystem=filesystem)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"{folder}: a file in its Hive folders is no Parquet table ({_short(error)})", "keep other files elsewhere"
        ) from error
    return {
        fragment.path: {
            key: pa.scalar(value, found.schema.field(key).type)
            for key, value in dataset.get_partition_keys(fragment.partition_expression).items()
        }
        for fragment in found.get_fragments()
    }


def fragment(label: str, path: str, filesystem: Any, constants: dict[str, pa.Scalar], shown: str = "") -> Fragment:
    """One file, told apart by its first bytes. Raises InputError, which begins with `label`, if it cannot be read."""
    shown = shown or path
    try:
        with pa.input_stream(path) if filesystem is None else filesystem.open_input_stream(path) as stream:
            head = stream.read(4096)
        if head[:4] == b"PAR1":
            with pq.ParquetFile(_open(path, filesystem), pre_buffer=False) as file:
                return ParquetFragment(path, file.metadata, file.schema_arrow, filesystem, constants)
        if not head:
            raise InputError(f"{label}: {shown} is empty (0 bytes)", "write it again")
        if str(path).endswith((".parquet", ".pq")):
            raise InputError(f"{label}: {shown} is not a Parquet file, or its beginning is lost", "write it again")
        with _open(path, filesystem) if filesystem is not None else open(path, "rb") as file:
            if head[:6] == b"ARROW1":
                return MemoryFragment(shown, pa.ipc.open_file(file).read_all(), constants)
            if head[:4] == b"\xff\xff\xff\xff":
                return MemoryFragment(shown, pa.ipc.open_stream(file).read_all(), constants)
            if b"\0" in head:
                raise InputError(f"{label}: {shown} is neither Parquet, Arrow, CSV nor JSON Lines", "give a table in one of these formats")
            if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
                return MemoryFragment(shown, _read_jsonl(file), constants)
            return MemoryFragment(shown, _read_csv(file, head), constants, untyped=True)
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise InputError(f"{label}: {shown} cannot be read; truncated or damaged ({_short(error)})", "write it again") from error


def _read_jsonl(file: Any) -> pa.Table:
    rows = []
    for number, line in enumerate(file.read().decode("utf-8-sig").split("\n"), 1):  # splitlines() also cuts at U+2028
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _read_csv(file: Any, head: bytes) -> pa.Table:
    from pyarrow import csv

    first = head.lstrip(b"\xef\xbb\xbf").splitlines()[0]
    delimiter = max(",\t;", key=lambda mark: first.count(mark.encode()))  # ";" where the comma is decimal
    reading = csv.ReadOptions(use_threads=False)  # small tables; and no thread is left when the process ends on an error
    line = pa.py_buffer(first + b"\n")
    header = csv.read_csv(line, read_options=reading, parse_options=csv.ParseOptions(delimiter=delimiter)).column_names
    # Everything but a probability is read as text first: "007" stays "007" and a class may be named "NA".
    types = {name: pa.string() for name in header if not name.startswith(WIDE_PREFIX)}
    table = csv.read_csv(
        file,
        read_options=reading,
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True),
    )
    for position, field_ in enumerate(table.schema):
        if pa.types.is_string(field_.type) and pc.any(pc.starts_with(table.column(position), "'")).as_py():
            texts = [value if value is None else unguarded(value) for value in table.column(position).to_pylist()]
            table = table.set_column(position, field_, pa.array(texts, pa.string()))
    return table


@cache
def _spool() -> str:
    """Standard input as a file: Parquet is read from its end, and a stream can be read once only."""
    spool = tempfile.NamedTemporaryFile(prefix="altool-stdin-")  # noqa: SIM115 (closed, and so deleted, when the process ends)
    shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
    spool.flush()
    _spools.append(spool)
    return spool.name


_spools: list[Any] = []  # keeps the temporary file of this process until it ends

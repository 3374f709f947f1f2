"""One physical file of a table: told apart by its content, read by its own metadata.

Parquet is streamed row group by row group; the other formats (CSV, JSON, Arrow) are for small tables and are held.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from altool.errors import InputError
from altool.tables import array_files, text, thrift
from altool.tables.check import short
from altool.tables.listing import decompressed, is_table_name
from altool.tables.objects import stamp
from altool.tables.outside import UTF_16, decode
from altool.tables.pages import Plain, plain

BATCH_BYTES = 4 << 20  # small enough to stay in a core's cache while it is checked and scored
FEW = 16  # batches' bytes that are held at worst
STREAM_ABOVE = 128 << 20  # row groups larger than this are read through a buffer instead of whole
HEAD = 4096  # bytes by which a file is told apart
LONG_FOOTER = 1 << 16  # bytes
SIGNATURE = 28  # bytes behind the footer of a Parquet file of which columns are encrypted: a nonce and a tag
PREFIX = b"altool."  # of the metadata that altool writes

# Files by their first bytes: how they are read, or what they are instead.
CODECS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"(\xb5/\xfd": "zstd", b"\x04\x22M\x18": "lz4", b"\xfd7zXZ\0": "xz"}
ELSE = (
    (b"PARE", "an encrypted Parquet file", "write it without encryption"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the file: git lfs pull"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "unpack it; in a spreadsheet save as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it as CSV UTF-8"),
    (b"ORC", "an ORC file", "write Parquet"),
    (b"Obj\x01", "an Avro file", "write Parquet"),
    (b"FEA1", "a Feather file of version 1", "write it again as version 2, or as Parquet"),
    (b"\x89HDF", "an HDF5 file", "write Parquet"),
    (b"SQLite format 3", "an SQLite database", "write the rows to a Parquet or CSV file"),
    (b"%PDF", "a PDF file", "give a table"),
    (b"<?xml", "an XML file", "write a table: Parquet, CSV or JSON Lines"),
    (b"<!doctype", "an HTML page, perhaps that of a login", "download the file itself"),
    (b"<html", "an HTML page, perhaps that of a login", "download the file itself"),
)
NO_TABLE = "neither Parquet, Arrow, CSV nor JSON Lines"


class NoTable(InputError):
    """A file whose content is no table at all: in a folder it may lie beside one."""


class Fragment(Protocol):
    """One physical file: its columns, the rows of each of its row groups and the values that its folder names give (texts, None: null).

    `untyped` are files whose ids have no type of their own (CSV); in them a `decimal_comma` may stand within a number.
    """

    path: str
    constants: Mapping[str, str | None]
    untyped: bool
    decimal_comma: bool

    @property
    def schema(self) -> pa.Schema: ...
    @property
    def names(self) -> frozenset[str]: ...
    @property
    def facts(self) -> Mapping[str, str]: ...
    @property
    def group_rows(self) -> Sequence[int]: ...
    def row_bytes(self, group: int, columns: Sequence[str]) -> float: ...
    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        """Batches of at most so many rows. With `fold` a value that many rows share, as a file may hold it once, is not written out for
        each: such a column is a dictionary, and a batch is cut where its values would be more than 4 MiB."""
        ...

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        """The rows of a group at these places alone (int64, increasing), where the file allows to read no others; else None."""
        ...


class Described:
    """What follows from a file's schema."""

    path: str
    schema: pa.Schema

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.schema.names)

    @cached_property
    def facts(self) -> dict[str, str]:
        """The metadata that altool wrote, without its prefix."""
        return facts(self.schema, self.path)

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        return None


def facts(schema: pa.Schema, path: str) -> dict[str, str]:
    """The metadata that altool wrote into a file, without their prefix. Raises InputError for such that is not UTF-8."""
    try:
        own = {key: value for key, value in (schema.metadata or {}).items() if key.startswith(PREFIX)}
        return {key.removeprefix(PREFIX).decode(): value.decode() for key, value in own.items()}
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: its metadata is not UTF-8", "write the file again with altool, or without metadata") from error


@dataclass
class ParquetFragment(Described):
    path: str
    metadata: pq.FileMetaData
    schema: pa.Schema
    file: str  # where it is read: `path` itself, or what a pipe or a compressed file held
    suspect: bool  # may its footer be damaged?
    filesystem: Any = None
    constants: Mapping[str, str | None] = field(default_factory=dict)
    untyped: bool = False
    decimal_comma: bool = False
    stamp: object = None  # of an object, as it was when its footer was read

    @cached_property
    def group_rows(self) -> Sequence[int]:
        return [self.metadata.row_group(group).num_rows for group in range(self.metadata.num_row_groups)]

    @cached_property
    def _instants(self) -> dict[str, pa.DataType]:
        """The columns of type INT96, which hold instants by definition, though pyarrow takes them for times without a zone."""
        leaves = [self.metadata.schema.column(index) for index in range(len(self.metadata.schema))]
        return {leaf.path: pa.timestamp("ns", "UTC") for leaf in leaves if leaf.physical_type == "INT96"}

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        meta = self.metadata.row_group(group)
        chunks = (meta.column(index) for index in range(meta.num_columns))
        size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)
        return size / max(1, meta.num_rows)

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        found = self._folded(group, columns, rows) if fold else self._batches(group, columns, rows)
        if instants := [name for name in columns if name in self._instants]:
            for batch in found:
                for name in instants:
                    position = batch.schema.get_field_index(name)
                    batch = batch.set_column(position, name, batch.column(position).cast(self._instants[name]))
                yield batch
        else:
            yield from found

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        if self.filesystem is not None:
            return None
        with open(self.file, "rb") as handle:
            pages = plain(handle.fileno(), self.metadata, group, column, self.schema.field(column).type)
            array = pages.at(handle.fileno(), wanted) if pages is not None else None
        return None if array is None else pa.RecordBatch.from_arrays([array], [column])

    def _batches(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        if self.filesystem is None:
            with open(self.file, "rb") as handle:
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

    def _folded(self, group: int, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        meta = self.metadata.row_group(group)
        chunks = [meta.column(index) for index in range(meta.num_columns)]
        shared = [
            chunk
            for chunk in chunks
            if chunk.path_in_schema in columns and chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
        ]
        # pyarrow gathers all values of a chunk in one dictionary. In a large chunk, where most come once, batches are of few rows instead.
        small = [chunk.path_in_schema for chunk in shared if chunk.total_uncompressed_size <= STREAM_ABOVE]
        for chunk in shared:
            if chunk.path_in_schema not in small:
                largest = max(1, chunk.data_page_offset - (chunk.dictionary_page_offset or 0))  # no value that rows share is larger
                rows = max(1, min(rows, FEW * BATCH_BYTES // largest))
        with self._file(True, small) as file:
            for batch in file.iter_batches(rows, row_groups=[group], columns=list(columns), use_threads=False):
                sizes = np.zeros(len(batch), np.int64)
                for array in batch.columns:
                    if pa.types.is_dictionary(array.type):
                        lengths = pc.binary_length(array.dictionary).take(array.indices)
                        sizes += np.asarray(pc.fill_null(lengths, 0)).astype(np.int64)
                start = 0
                ends = np.cumsum(sizes)
                while start < len(batch):
                    full = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + BATCH_BYTES, "right"))
                    stop = max(start + 1, full)
                    yield batch.slice(start, stop - start)
                    start = stop

    @contextmanager
    def _file(self, large: bool, dictionaries: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
        """The file, open. Raises InputError in the end where it was replaced in an object store, which reads from what is there now."""
        source = _source(self.file, self.filesystem)
        size = BATCH_BYTES if large else 0
        with pq.ParquetFile(source, metadata=self.metadata, pre_buffer=False, buffer_size=size, read_dictionary=list(dictionaries)) as file:
            yield file
        if self.filesystem is not None and stamp(self.filesystem, self.file) != self.stamp:
            raise InputError(f"{self.path}: it was replaced while it was read", "run the command again")

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
class MemoryFragment(Described):
    path: str
    table: pa.Table
    constants: Mapping[str, str | None] = field(default_factory=dict)
    untyped: bool = False
    decimal_comma: bool = False

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    @property
    def group_rows(self) -> Sequence[int]:
        return [self.table.num_rows] if self.table.num_rows else []

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return float(self.table.select(list(columns)).get_total_buffer_size()) / max(1, self.table.num_rows)

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        yield from self.table.select(list(columns)).to_batches(rows)


def fragment(label: str, path: str, filesystem: Any, constants: Mapping[str, str | None], shown: str = "") -> Fragment:
    """One file as a fragment. Raises InputError, which begins with `label` and names the cause, if it cannot be read; NoTable where
    nothing about it is a table."""
    where = f"{label}: {shown or path}" if not label.endswith(shown or path) else label
    content = contents(where, path, filesystem)
    shown = shown or path
    if isinstance(content, text.Json):
        return MemoryFragment(shown, text.json_table(where, content.values), constants)
    if isinstance(content, ParquetFragment):
        content.path, content.constants = shown, constants
        return content
    table, untyped, comma = content
    return MemoryFragment(shown, table, constants, untyped, comma)


def probe(label: str, fragments: Sequence[Fragment]) -> None:
    """Look once at what the suspect footers of Parquet files say of every column, in a child process: of a damaged footer pyarrow's code
    may throw where nothing catches, which ends the process.

    Raises InputError, which begins with `label`, for the file at which that happened.
    """
    files = [one for one in fragments if isinstance(one, ParquetFragment) and one.suspect]
    if not files:
        return
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for one in files:
                for group in range(one.metadata.num_row_groups):
                    row_group = one.metadata.row_group(group)
                    for column in range(row_group.num_columns):
                        row_group.column(column)
                os.write(writing, b".")
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        sound = len(stream.read())
    _, status = os.waitpid(child, 0)
    if sound < len(files) and os.WIFSIGNALED(status):
        raise InputError(f"{label}: {files[sound].path} cannot be read; its footer is damaged", "write it again")


def contents(where: str, path: str, filesystem: Any, *, ragged: bool = False) -> ParquetFragment | tuple[pa.Table, bool, bool] | text.Json:
    """What a file holds: Parquet's metadata, an Arrow or CSV table (is it CSV? may a comma be decimal?), or a JSON file's values.

    Compressed files are unpacked. `ragged`: see `text.read_csv`. Raises as `fragment` does; messages begin with `where`.
    """
    try:
        with stream(path, filesystem) as file:
            head = file.read(HEAD)
        for magic, codec in CODECS.items():
            if head.startswith(magic):
                path, filesystem = _unpacked(path, filesystem, codec), None
                with stream(path, None) as file:
                    head = file.read(HEAD)
                break
        if head[:4] == b"PAR1":
            return _parquet(where, path, filesystem)
        whole = b""
        if array_files.may_be(head):
            with stream(path, filesystem) as file:
                whole = file.read()
            if array_files.is_arrays(whole):
                return array_files.table(where, whole), False, False
        _refuse(where, path, head)
        if not whole:
            with stream(path, filesystem) as file:
                whole = file.read()
        if head[:6] == b"ARROW1":
            return _checked(pa.ipc.open_file(pa.BufferReader(whole)).read_all()), False, False
        if head[:4] == b"\xff\xff\xff\xff":
            return _checked(pa.ipc.open_stream(pa.BufferReader(whole)).read_all()), False, False
    except (pa.ArrowException, OSError, EOFError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            raise InputError(f"{where} cannot be opened ({error.strerror})", "check the path and your access to it") from error
        raise InputError(f"{where} cannot be read; truncated or damaged ({short(error)})", "write it again") from error
    if head.lstrip(text.BOM + b" \t\r\n")[:1] in (b"{", b"["):
        return text.read_json(where, whole)
    table, comma = text.read_csv(where, whole, ragged=ragged)
    return table, True, comma


def stream(path: str, filesystem: Any) -> Any:
    """The bytes of a file, from its beginning."""
    return open(path, "rb") if filesystem is None else filesystem.open_input_stream(path)


def _source(path: str, filesystem: Any) -> Any:
    return filesystem.open_input_file(path) if filesystem is not None else path


def _unpacked(path: str, filesystem: Any, codec: str) -> str:
    """The path of the unpacked file. A file may be several compressed ones after another."""
    import bz2
    import gzip
    import lzma

    readers: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    with stream(path, filesystem) as file:
        if codec in readers:
            try:
                return decompressed(readers[codec](file, "rb"))
            except (lzma.LZMAError, ValueError) as error:
                raise OSError(str(error)) from error
        return decompressed(pa.CompressedInputStream(pa.PythonFile(file, "r") if filesystem is None else file, codec))


def _parquet(where: str, path: str, filesystem: Any) -> ParquetFragment:
    before = None if filesystem is None else stamp(filesystem, path)
    with stream(path, filesystem) if filesystem is None else filesystem.open_input_file(path) as file:
        file.seek(0, os.SEEK_END)
        if (size := file.tell()) < 12:
            raise InputError(f"{where} is cut off", "write it again")
        file.seek(size - 8)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - 8 - length))
        footer = file.read(min(length, LONG_FOOTER + 1))
    with pq.ParquetFile(_source(path, filesystem), pre_buffer=False) as file:
        # What pyarrow says of an encrypted column ends the process.
        if length - file.metadata.serialized_size == SIGNATURE:
            raise InputError(f"{where} is an encrypted Parquet file", "write it without encryption")
        found = ParquetFragment(path, file.metadata, file.schema_arrow, path, _is_suspect(footer, file.metadata), filesystem, stamp=before)
    found.schema.names  # noqa: B018 (names that are no UTF-8 are refused here)
    return found


def _is_suspect(footer: bytes, metadata: pq.FileMetaData) -> bool:
    """Does a footer say of a column what pyarrow does not take? A long one always may: it is not looked at here, byte by byte.

    Numbers are those of the fields in parquet.thrift: of FileMetaData 4 (row groups), of RowGroup 1 (columns), of ColumnChunk 3 (its
    metadata), 8 and 9 (encryption), of ColumnMetaData 1 (physical type) and 16 (size statistics: 1 is for byte arrays alone, 2 and 3
    are histograms of the levels).
    """
    if len(footer) > LONG_FOOTER:
        return True
    leaves = [metadata.schema.column(index) for index in range(len(metadata.schema))]
    try:
        groups: Any = thrift.struct(footer, 0)[0][4]
        for chunks in (group[1] for group in groups):
            if len(chunks) != len(leaves):
                return True
            for chunk, leaf in zip(chunks, leaves, strict=True):
                sizes = chunk[3].get(16, {})
                levels = ((2, leaf.max_repetition_level), (3, leaf.max_definition_level))
                if 8 in chunk or 9 in chunk or (1 in sizes and leaf.physical_type != "BYTE_ARRAY"):
                    return True
                if any(len(sizes.get(field, ())) not in (0, level + 1) for field, level in levels):
                    return True
    except (IndexError, KeyError, TypeError, AttributeError):
        return True
    return False


def _refuse(where: str, path: str, head: bytes) -> None:
    """Raise InputError for a file that is no table, with what it is."""
    if not head:
        raise InputError(f"{where} is empty (0 bytes)", "write it again")
    start = head.lstrip(text.BOM + b" \t\r\n")
    for magic, kind, hint in ELSE:
        if start[: len(magic)].lower() == magic.lower():
            raise (InputError if is_table_name(path) else NoTable)(f"{where} is {kind}", hint)
    if path.endswith((".parquet", ".parq", ".pq")):
        raise InputError(f"{where} is not a Parquet file, or its beginning is lost", "write it again")
    if head[:2] in UTF_16:
        decode(head, where)
    if b"\0" in head and head[:6] != b"ARROW1" and head[:4] != b"\xff\xff\xff\xff":
        raise NoTable(f"{where} is {NO_TABLE}", "give a table in one of these formats")


def _checked(table: pa.Table) -> pa.Table:
    """The table, whose buffers were checked: a damaged one would be read beyond its end."""
    table.validate(full=True)
    return table

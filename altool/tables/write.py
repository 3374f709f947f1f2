"""Writing: all or nothing. To a temporary name beside the target, flushed, then renamed."""

from __future__ import annotations

import base64
import contextlib
import csv
import errno
import fcntl
import glob
import io
import json
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from altool import __version__
from altool.errors import AltoolError, InputError, UsageError
from altool.tables import objects, ours, outputs
from altool.tables.align import Index
from altool.tables.objects import Place
from altool.tables.picture_folders import CONTENTS
from altool.tables.schema import KINDS, MATRIX
from altool.text import clip, visible

ROW_GROUP = 65_536
PART = 4 * ROW_GROUP  # rows in each file of a folder
LAST = {"run": "history.parquet", "html/": "index.html", "pictures": CONTENTS}  # folders whose files keep their names in an object store
FORMATS = ("parquet", "arrow", "csv", "jsonl")
FORMULA = frozenset("=+-@\u2212")  # what a spreadsheet takes for the beginning of a formula, once NFKC has made it plain
BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that show nothing; the other blanks are told by their category


def provenance(command: str, options: Mapping[str, Any], seed: int, inputs: Mapping[str, str]) -> dict[str, Any]:
    """What made a table: the command, its options (no paths: the inputs' fingerprints stand for them) and its seed."""
    chosen = {name: value for name, value in sorted(options.items()) if value is not None}
    return {"command": command, "options": chosen, "seed": seed, "inputs": dict(sorted(inputs.items()))}


def metadata(kind: str, origin: Mapping[str, Any], classes: Sequence[str] | None = None) -> dict[str, str]:
    """The schema metadata of what altool writes (docs/contract.md, "What altool writes")."""
    content = {"altool.kind": kind, "altool.version": __version__, "altool.provenance": json.dumps(origin, ensure_ascii=False)}
    if classes is not None:
        content["altool.classes"] = json.dumps(list(classes), ensure_ascii=False)
    return content


def remove_stale(target: Path) -> None:
    """Remove what killed runs left beside `target`: temporary paths whose lock nobody holds. An old one that such a run had put aside
    comes back."""
    for stale in () if objects.is_remote(target) else target.parent.glob(f".{glob.escape(target.name)}.*.tmp-lock"):
        with contextlib.suppress(OSError), open(stale, "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(stale.with_suffix(".tmp"))
            old = stale.with_suffix(".old")
            if os.path.lexists(old) and not os.path.lexists(target):
                os.rename(old, target)
            _remove(old)
            stale.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary(target: str | Path) -> Iterator[Path]:
    """Yields a path beside `target` for a file or a folder of this run alone; it is removed in the end.

    Whatever a killed run left behind is removed. The path is held under a lock, so two runs at once do not remove each other's.
    Raises UsageError or InputError where it cannot be written.
    """
    if objects.is_remote(target):
        with tempfile.TemporaryDirectory(prefix="altool-") as folder, unwritable(target, path := Path(folder, Place(str(target)).name)):
            yield path
        return
    target = outputs.local(target)
    lock = target.parent / f".{target.name}.{os.getpid()}.tmp-lock"
    path = lock.with_suffix(".tmp")
    with unwritable(target, path):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target)
        with open(lock, "wb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                yield path
            finally:
                _remove(path)
                lock.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(target: str | Path, kind: str = "", *, parts: bool = False, folder: objects.Folder | None = None) -> Iterator[Path]:
    """Yields a temporary path beside `target` to write a file or make a folder at; it takes the target's place on success. For one in an
    object store the path is in the folder for temporary files; `folder` is the one that is being made there, where files of it were put.

    What is in a folder's place is removed only if altool wrote it as this `kind`, whenever it came there: else it stays, and UsageError
    is raised.
    """
    if objects.is_remote(target):
        with temporary(target) as path:
            try:
                yield path
                _put(path, Place(str(target)), kind, parts, folder)
            except BaseException:
                if folder is not None:
                    folder.withdraw()
                raise
        return
    target = outputs.local(target)
    with temporary(target) as path:
        yield path
        _flush(path)
        if path.is_dir() and os.path.lexists(target):
            old = path.with_suffix(".old")
            os.rename(target, old)
            try:
                ours.refuse_foreign(kind, old, parts=parts, shown=str(target))
                os.rename(path, target)
            except BaseException:
                os.rename(old, target)
                raise
            _remove(old)
        else:
            os.replace(path, target)
        _sync(target.parent)


def _put(path: Path, place: Place, kind: str, parts: bool, folder: objects.Folder | None) -> None:
    """Put what was made at `path` in the place of what is there."""
    if not path.is_dir():
        return place.put(path)
    ours.refuse_foreign(kind, place.uri, parts=parts, shown=str(place))
    if kind in LAST:
        return objects.put_files(place, path, LAST[kind])
    folder = folder or objects.Folder(place)
    for file in sorted(path.iterdir()):
        folder.put(file)
    return folder.publish()


def remove(location: str | Path) -> None:
    """Remove a file, if it is there."""
    if objects.is_remote(location):
        Place(str(location)).remove()
    else:
        outputs.local(location).unlink(missing_ok=True)


def copy(file: Path, location: str) -> None:
    """Put a file at an address; where there is no file, what is there goes."""
    place = Place(location)
    if file.exists():
        place.put(file)
    elif place.kind() == "file":
        place.remove()


DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def unwritable(target: str | Path, temporary: Path | None = None) -> Iterator[None]:
    """An OSError of writing `target`, at its path `temporary`, becomes a UsageError, or for a full or broken disk an InputError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        own = {None, str(target), str(Path(target).parent)} | (
            {str(temporary), str(temporary.with_suffix(".tmp-lock"))} if temporary else set()
        )
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else None
        if name not in own and not (temporary and str(name).startswith(f"{temporary}{os.sep}")) and error.errno not in DISK:
            raise
        raise failed(target, error) from error


def failed(target: str | Path, error: OSError) -> AltoolError:
    """What is said where `target` cannot be written."""
    reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    kind = InputError if error.errno in DISK else UsageError
    return kind(f"{target} cannot be written ({reason})", "check the path, the disk and your access to it")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
        _sync(file)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_table(
    table: pa.Table,
    kind: str,
    location: str,
    *,
    origin: Mapping[str, Any],
    classes: Sequence[str] | None = None,
    format: str | None = None,
    id_name: str = "id",
) -> None:
    """Write a small table, with the contract's column order, types and metadata, to a file, a URI or standard output (`-`).

    `format` is parquet by default, or follows the file's ending. Columns that are not the contract's are kept behind the others.
    `id_name` is what the ids are called.
    """
    table = contract(table, kind)
    table = table.rename_columns([id_name if name == "id" else name for name in table.column_names])  # which drops all metadata
    table = table.replace_schema_metadata(metadata(kind, origin, classes))
    stream = io.BytesIO()
    _write(table, stream, format or format_of(location))
    write_bytes(stream.getbuffer(), location)


def write_bytes(content: bytes | memoryview, location: str) -> None:
    """Write a file that is no table, as whole as one; `-` is standard output."""
    if location == "-":
        with unwritable("standard output"):
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
    elif objects.is_remote(location):
        Place(location).put(content)
    else:
        with replacing(location) as temporary:
            temporary.write_bytes(content)


def format_of(location: str) -> str:
    """The format that a file's ending asks for."""
    endings = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".arrow": "arrow"}
    return endings.get(Path(location.partition("?")[0] if objects.is_remote(location) else location).suffix, "parquet")


def contract(table: pa.Table, kind: str) -> pa.Table:
    """The table with the contract's columns first, in order and cast to their types."""
    wanted = KINDS[kind].columns
    names = [name for name in wanted if name in table.column_names] + [name for name in table.column_names if name not in wanted]
    table = table.select(names)
    for position, name in enumerate(names):
        type_ = wanted.get(name, pa.null())
        if not pa.types.is_null(type_) and type_ != MATRIX and table.schema.field(name).type != type_:
            table = table.set_column(position, name, table.column(name).cast(type_))
    return table


def _write(table: pa.Table, stream: Any, format: str) -> None:
    if format == "arrow":
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
    elif format == "csv":
        _write_csv(table, stream)
    elif format == "jsonl":
        for batch in table.to_batches(1024):
            lines = (json.dumps(row, ensure_ascii=False, default=str) for row in batch.to_pylist())
            stream.write("".join(line + "\n" for line in lines).encode())
    else:
        wide = any(pa.types.is_fixed_size_list(field.type) for field in table.schema)
        with pq.ParquetWriter(stream, table.schema, compression="none" if wide else "zstd", use_dictionary=not wide) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP)


def _write_csv(table: pa.Table, stream: Any) -> None:
    """RFC 4180 with a header; lists as JSON; a text that a spreadsheet would take for a formula gets a leading apostrophe."""
    stream.write(csv_line(table.column_names).encode())
    for batch in table.to_batches(1024):
        stream.write("".join(csv_line(map(cell, row.values())) for row in batch.to_pylist()).encode())


class _Echo:
    def write(self, text: str) -> str:
        return text


_ROWS = csv.writer(_Echo(), lineterminator="\r\n")  # it quotes what its line end holds, so a lone \r is quoted too


def csv_line(values: Iterable[Any]) -> str:
    """One line of CSV: RFC 4180 but for its end, which is a line feed."""
    line: str = _ROWS.writerow(values)
    return line[:-2] + "\n"


def cell(value: Any) -> Any:
    """One CSV cell: a list as JSON, a text guarded. `unguarded` gives the text back. Raises InputError for a text that CSV cannot hold."""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    if "\0" in value or not (value.isascii() or _encodes(value)):
        text = f"{clip(visible(value), 80)!r} contains NUL or half a character, which CSV cannot hold"
        raise InputError(text, "leave this row out, or write another format")
    return "'" + value if is_formula(value) else value


def _encodes(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def is_formula(text: str) -> bool:
    """Might a spreadsheet take the text for a formula? Guards aside, blanks of all kinds before the sign, and signs of full width too."""
    text = text.lstrip("'")
    if text.startswith(("\t", "\r")):
        return True
    first = next((char for char in text if char not in BLANK and unicodedata.category(char)[0] not in "CZM"), "")
    return unicodedata.normalize("NFKC", first)[:1] in FORMULA


def unguarded(text: str) -> str:
    """The text behind a guarded CSV cell."""
    return text[1:] if text[:1] == "'" and is_formula(text) else text


@contextlib.contextmanager
def matrix_writer(
    location: str,
    kind: str,
    column: str,
    width: int,
    dtype: Any,
    ids: Index,
    origin: Mapping[str, Any],
    classes: Sequence[str] | None = None,
    *,
    parts: bool = False,
    settled: bool = True,
    derived: Mapping[str, Callable[[np.ndarray], pa.Array]] | None = None,
    extras: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    beside: Mapping[str, Path] | None = None,
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields `append(rows)`, which streams a table of ids and one matrix column (n, width) to Parquet, in id order.

    Rows are appended in file order. Where that is not id order they wait in a file beside the target, never all in memory.
    `origin` is written last, so what is known only after the last row (a fingerprint) may be put into it until then. With `parts`
    the location is a folder of files part-00000.parquet …, each with what `origin` holds when it is full; where `origin` is not `settled`
    before the last row, rows wait until then. `derived` makes further
    columns of the kind from rows of the matrix; `extras` names such that come as numbers behind each row that is appended. A matrix of
    width 0 is no column.
    Raises UsageError for standard output.
    """
    if location == "-":
        raise UsageError(f"{location}: {kind} are streamed to a file", "give the path of a file")
    element = pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), width)
    derived = derived or {}
    further = [(name, KINDS[kind].columns[name]) for name in (*extras, *derived)]
    schema = pa.schema([("id", ids.ids.type), *([(column, element)] if width else []), *further])
    whole = width + len(extras)
    with contextlib.ExitStack() as stack:
        folder = objects.Folder(Place(location)) if parts and objects.is_remote(location) else None
        temporary = stack.enter_context(replacing(location, kind, parts=parts, folder=folder))
        if parts:
            temporary.mkdir()
            for name, path in (beside or {}).items():
                shutil.copyfile(path, temporary / name)

        def begin(path: Path) -> pq.ParquetWriter:
            options = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}
            return stack.enter_context(pq.ParquetWriter(path, schema, **options))

        def finish() -> None:  # pyarrow stores a schema at the beginning, and shows readers that one's metadata alone
            said = {**metadata(kind, origin, classes), **(facts or {})}
            stored = schema.with_metadata(said).serialize().to_pybytes()
            writer.add_key_value_metadata({**said, "ARROW:schema": base64.b64encode(stored).decode()})
            writer.close()
            if folder is not None:  # so that no more than one part waits on this machine
                folder.put(temporary / part(done - 1))
                (temporary / part(done - 1)).unlink()

        def part(row: int) -> str:
            return f"part-{row // PART:05d}.parquet"

        writer = begin(temporary / part(0) if parts else temporary)
        done = 0

        def emit(rows: np.ndarray) -> None:
            nonlocal done, writer
            if parts and done and not done % PART:
                finish()
                writer = begin(temporary / part(done))
            values = rows[:, :width]
            flat = pa.array(np.ascontiguousarray(values).reshape(-1))
            matrix = [pa.FixedSizeListArray.from_arrays(flat, width)] if width else []
            numbers = [pa.array(rows[:, width + place].astype(np.float32)) for place in range(len(extras))]
            columns = [ids.ids.slice(done, len(rows)), *matrix, *numbers, *(make(values) for make in derived.values())]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=ROW_GROUP)
            done += len(rows)

        if ids.order is not None or (parts and not settled):
            spool = stack.enter_context(contextlib.closing(_Spool(temporary, (len(ids), whole), np.dtype(dtype))))
            yield spool.append
            for start in range(0, len(ids), ROW_GROUP):
                stop = min(start + ROW_GROUP, len(ids))
                emit(spool.take(slice(start, stop) if ids.order is None else ids.order[start:stop]))
        else:
            held = np.empty((ROW_GROUP, whole), dtype)
            filled = 0

            def append(rows: np.ndarray) -> None:
                nonlocal filled
                while len(rows):
                    part = rows[: ROW_GROUP - filled]
                    held[filled : filled + len(part)] = part
                    filled += len(part)
                    rows = rows[len(part) :]
                    if filled == ROW_GROUP:
                        emit(held)
                        filled = 0

            yield append
            if filled:
                emit(held[:filled])
        if done != len(ids):
            raise ValueError(f"{done} rows were appended for {len(ids)} ids")
        finish()


class _Spool:
    """Matrix rows on disk in the order in which they came, to be taken in another; the file has no name, so it cannot be left behind."""

    def __init__(self, beside: Path, shape: tuple[int, int], dtype: np.dtype) -> None:
        path = beside.with_suffix(".spool")
        self._file = open(path, "w+b")  # noqa: SIM115 (closed by close)
        path.unlink()
        self._shape, self._dtype = shape, dtype

    def append(self, rows: np.ndarray) -> None:
        np.ascontiguousarray(rows, self._dtype).tofile(self._file)

    def take(self, order: np.ndarray | slice) -> np.ndarray:
        self._file.flush()
        return np.asarray(np.memmap(self._file, self._dtype, "r", shape=self._shape)[order])

    def close(self) -> None:
        self._file.close()

"""What the formats share: the file that a tool gives back (Export), what it says (Answers), and what a tool is sent (Task)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import check
from altool.tables.check import short
from altool.tables.columns import class_names, plain, utf8
from altool.tables.fragments import NoTable, ParquetFragment, contents, probe
from altool.tables.listing import listing, partition_values
from altool.tables.schema import KINDS, SOURCES, STATUSES
from altool.tables.source import Listener
from altool.tables.text import with_values
from altool.tables.values import Clock, lengths, times

NO_ID = "no id"
NO_INTEGER_ID = "id is no integer"
NO_TEXT = "label is no text"
SEVERAL = "several classes"
NO_TIME = "labeled_at is no RFC 3339 time"
NO_SECONDS = "seconds is no length of time"

NO_CLOCK = Clock()
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Task:
    """One chosen row, as an annotator shall see it. A tool shows what is there of `text` and `image` (or the file at `path`)."""

    id: str | int
    rank: int
    round: int
    text: str | None = None
    image: bytes | None = None
    path: str | None = None
    tier: str | None = None
    suggested_label: str | None = None
    suggested_probability: float | None = None


@dataclass(frozen=True)
class Naming:
    """Where an export keeps what altool wants: `--columns`, `--id-col` and `--annotator-columns`."""

    columns: Mapping[str, str]
    id_column: str | None = None
    annotators: tuple[str, ...] = ()

    def find(self, column: str, available: Iterable[str], *aliases: str) -> str | None:
        """The name of a contract column among those available; None if none is it."""
        names = set(available)
        chosen = self.id_column if column == "id" and self.id_column else self.columns.get(column)
        return next((name for name in (chosen, *aliases, column) if name in names), None)


@dataclass(frozen=True)
class Export:
    """One file that an annotation tool wrote: a table, or the objects of a JSON array or of JSON Lines."""

    name: str  # for messages
    encoding: str  # csv, parquet, arrow, json or jsonl
    table: pa.Table | None = None
    records: Sequence[Any] = ()

    @cached_property
    def columns(self) -> list[str]:
        return self.table.column_names if self.table is not None else list(dict.fromkeys(key for row in self.records for key in row))


@dataclass(frozen=True)
class Answers:
    """What one export says, a row per answer, in file order.

    `table` has the contract's columns of labels, null where unknown, and `reason`: why a row cannot be taken (null: it can).
    A row without label, `skipped` status and reason is not done yet. `id_type` is None where the ids may be read as strings or
    integers, whichever the other tables have. `used` are the `--columns` names that the export knows.
    """

    name: str
    table: pa.Table
    id_type: pa.DataType | None
    used: frozenset[str]


@dataclass(frozen=True)
class Format:
    """A format as `--from` and `--export` name it; `write` gives the files to write, by what follows the name that was asked for."""

    name: str
    recognizes: Callable[[Export], bool]
    read: Callable[[Export, Naming], Answers]
    write: Callable[[Sequence[Task], Sequence[str]], dict[str, bytes]] | None = None


def open_exports(location: str, console: Listener | None = None) -> list[Export]:
    """The files behind a location (`-`: standard input), told apart by their content. The `console` hears which files of a folder are
    left out. Raises InputError for one that cannot be read."""
    label = f"export {location}"
    paths, folder, filesystem, _ = listing(label, location)
    exports: list[Export] = []
    stray: dict[str, InputError] = {}
    for path in paths:
        name = label if location == "-" else f"export {path}"
        try:
            exports.append(_open(name, path, filesystem, partition_values(path, folder)))
        except NoTable as error:
            stray[path] = error
    if stray and (not exports or not folder):
        raise next(iter(stray.values()))
    if stray and console is not None:
        names = check.naming([os.path.relpath(path, folder) for path in stray])
        console.warn(f"{label}: left out {len(stray):,} {'file' if len(stray) == 1 else 'files'} of no table ({names})")
    return exports


def _open(name: str, path: str, filesystem: Any, folder_values: Mapping[str, str | None]) -> Export:
    content = contents(f"{name}: it", path, filesystem)
    if isinstance(content, list):
        wrong = next((number for number, row in enumerate(content, 1) if not isinstance(row, dict)), None)
        if wrong:
            raise InputError(f"{name}: entry {wrong:,} is no JSON object", "give a JSON array, or lines, of objects")
        export = Export(name, "json", records=[{**folder_values, **row} for row in content])
    else:
        if isinstance(content, ParquetFragment):
            probe(name, [content])
            table, encoding = _whole(name, content), "parquet"
        else:
            table, encoding = content[0], "csv" if content[1] else "arrow"
        names = table.column_names
        if twins := [column for column in names if names.count(column) > 1]:
            raise InputError(f"{name}: two columns are called {twins[0]!r}", "give every column its own name")
        for position, field in enumerate(table.schema):
            array = plain(table.column(position))
            utf8(name, "it", field.name, array)
            table = table.set_column(position, field.name, class_names(table.schema, field.name, array))
        export = Export(name, encoding, with_values(table, folder_values))
    if not export.records and not (export.table is not None and export.table.num_rows):
        raise InputError(f"{name}: it holds no rows", "export it again")
    return export


def _whole(name: str, fragment: ParquetFragment) -> pa.Table:
    """A Parquet file as a table."""
    names = fragment.schema.names
    if len(fragment.names) < len(names):
        return fragment.schema.empty_table()  # names that are there twice are refused
    try:
        batches = [batch for group in range(len(fragment.group_rows)) for batch in fragment.batches(group, names, 1 << 16)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: it is damaged ({short(error)})", "export it again") from error
    table = pa.Table.from_batches(batches) if batches else fragment.schema.empty_table()
    return table.replace_schema_metadata(fragment.schema.metadata)


def answers(
    name: str, columns: Mapping[str, Any], id_type: pa.DataType | None, used: Iterable[str] = (), clock: Clock = NO_CLOCK
) -> Answers:
    """`Answers` from columns of any type that says the same (numbers as texts, RFC 3339 times as texts).

    Raises InputError for a column of another type, and for a source, status or round that the contract does not know.
    """
    rows = len(columns["id"])
    kinds = KINDS["labels"].columns
    reasons = columns.get("reason", pa.nulls(rows, pa.string()))
    table: dict[str, pa.Array] = {"id": columns["id"]}
    for column in kinds:
        if column == "id":
            continue
        array = whole(columns.get(column, pa.nulls(rows)))
        if column in ("labeled_at", "seconds"):
            array, wrong = times(array, clock) if column == "labeled_at" else lengths(array)
            reason = NO_TIME if column == "labeled_at" else NO_SECONDS
            reasons = pc.if_else(pc.and_(wrong, reasons.is_null()), reason, reasons)
        else:
            array = cast(name, column, array, kinds[column])
        table[column] = array
    ids = table["id"].cast(pa.string())
    for column, allowed in (("source", SOURCES), ("status", STATUSES)):
        known = pc.is_in(table[column], value_set=pa.array([*allowed, None], pa.string()))
        _refuse(name, column, ids, pc.invert(known), f"something else than {', '.join(allowed)}")
    _refuse(name, "round", ids, pc.fill_null(pc.less(table["round"], 0), False), "a negative round")
    return Answers(name, pa.table({**table, "reason": reasons}), id_type, frozenset(used))


def whole(column: Any) -> pa.Array:
    """A column as one array of plain values."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _refuse(name: str, column: str, ids: pa.Array, wrong: pa.Array, what: str) -> None:
    faulty = ids.filter(wrong)
    if len(faulty):
        raise InputError(
            f"{name}, column {column!r}: {len(faulty):,} {'row holds' if len(faulty) == 1 else 'rows hold'} {what} "
            f"(ids {check.naming(check.first_ids(faulty))})",
            "correct, rename or leave out the column",
        )


def cast(name: str, column: str, array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The column as `wanted`; a text without anything but blanks is null. Raises InputError for what is not that type."""
    try:
        if wanted == pa.string() and (pa.types.is_floating(array.type) or pa.types.is_nested(array.type)):
            raise pa.ArrowInvalid("not a name")
        if pa.types.is_large_string(array.type) or pa.types.is_string(array.type):
            blank = pc.equal(pc.utf8_trim_whitespace(array), "")
            array = pc.if_else(blank, pa.scalar(None, array.type), array)
        return array.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{name}, column {column!r}: it holds {array.type}, not {wanted}", f"write the column as {wanted}") from error


def json_ids(name: str, values: Sequence[Any]) -> tuple[pa.Array, pa.DataType | None]:
    """Ids out of JSON: strings, integers, or (type None) a mixture as strings. Raises InputError for anything else."""
    ids = [None if value == "" else value for value in values]
    wrong = [value for value in ids if value is not None and type(value) not in (str, int)]
    if wrong:
        shown = check.naming([json.dumps(value) for value in wrong])
        raise InputError(f"{name}: {len(wrong):,} ids are neither strings nor integers ({shown})", "write them as strings")
    types = {type(value) for value in ids if value is not None}
    if types == {int} and all(-(1 << 63) <= value < 1 << 63 for value in ids if value is not None):
        return pa.array(ids, pa.int64()), pa.int64()
    return pa.array([value if value is None else str(value) for value in ids], pa.string()), pa.string() if types == {str} else None


def json_text(value: Any) -> str | None:
    """A JSON value as text; `true` and 3 as they stand there."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def with_ids(found: Answers, id_type: pa.DataType) -> pa.Table:
    """The answers' table with ids of this type, and `given`: the id as the export has it.

    A row whose id is missing, or is no such integer, gets that for a reason and a null id.
    """
    table = found.table
    given = table.column("id").combine_chunks().cast(pa.string())
    given = pc.if_else(pc.equal(given, ""), pa.scalar(None, pa.string()), given)
    ids, reasons = given, table.column("reason").combine_chunks()
    if pa.types.is_integer(id_type):
        numbers = [int(text) if text is not None and INTEGER.fullmatch(text) else None for text in given.to_pylist()]
        ids = pa.array([number if number is not None and -(1 << 63) <= number < 1 << 63 else None for number in numbers], pa.int64())
        reasons = pc.if_else(pc.and_(pc.and_(ids.is_null(), given.is_valid()), reasons.is_null()), NO_INTEGER_ID, reasons)
    reasons = pc.if_else(pc.and_(given.is_null(), reasons.is_null()), NO_ID, reasons)
    table = table.set_column(0, "id", ids).set_column(table.column_names.index("reason"), "reason", reasons)
    return table.append_column("given", given)

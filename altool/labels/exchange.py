"""What the formats share: the file that a tool gives back (Export), what it says (Answers), and what a tool is sent (Task)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.payloads.pictures import Shown
from altool.tables import check
from altool.tables.columns import NAMES, plain, whole_numbers
from altool.tables.label_log import BLANK
from altool.tables.schema import KINDS, SOURCES, STATUSES
from altool.tables.source import Meaning
from altool.tables.values import Clock, lengths, times
from altool.text import count

NO_ID = "no id"
NO_INTEGER_ID = "id is no integer"
NO_TEXT = "label is no text"
SEVERAL = "several classes"
NO_TIME = "labeled_at is no RFC 3339 time"
NO_SECONDS = "seconds is no length of time"
BROKEN = "half a character"
NO_SKIP = "skip is neither yes nor no"
BOTH = "a label and a skip"
NO_VERDICT = "a verdict that is none of the tool's"
NO_STATUS = "a response without a status"
# The record's own word that it holds no answer: no fault, so these rows are counted apart from what is refused.
REJECTED = "rejected by the annotator"
REVIEWED = "rejected in review"
UNPAID = "rejected by the requester"
FAILED = "labeling failed"
REJECTIONS = (REJECTED, REVIEWED, UNPAID)

NO_CLOCK = Clock()
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
SURROGATE = re.compile("[\ud800-\udfff]")
HALF = "\ufdd0"  # no character, now or ever: stands for half of one
LIST = re.compile(r"""\[\s*(?:(?P<quote>["'])(?P<only>[^"']*)(?P=quote))?\s*,?\s*\]""")  # as Python shows one of at most one text
QUOTED = re.compile(r"""\[\s*(?:["'{\[(]|\]\s*$)|\{\s*(?:["']|\}\s*$)""")
# What else of a row says which item it is. `picture` is only where the tool has its picture, not a path that must be the item's.
EXTRAS = {"rank": pa.string(), "text": pa.string(), "path": pa.string(), "picture": pa.string()}
COLUMNS = ("label", "annotator", "status", "source", "labeled_at", "seconds", "round", "suggested_label", "reason")
PLACES = {"csv": ("line", 2), "xlsx": ("row", 2), "jsonl": ("line", 1), "fasttext": ("line", 1), "json": ("entry", 1), "xml": ("entry", 1)}


@dataclass(frozen=True)
class Task:
    """One chosen row, as an annotator shall see it. A tool shows what is there of `text` and `image` (or the file at `path`).

    `picture_file` is the file that holds the image, relative to what is written, for a format with `pictures`.
    A format that `wants_pictures` is given a `picture` instead, made of `image` or `path`, or the `fault` for which there is none.
    """

    id: str | int
    rank: int
    round: int
    text: str | None = None
    image: bytes | None = None
    path: str | None = None
    address: str | None = None  # where a browser finds the image, or the file at `path`
    tier: str | None = None
    suggested_label: str | None = None
    suggested_probability: float | None = None
    picture_file: str | None = None
    picture: Shown | None = None
    fault: str | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """What a tool is to give back, so that the answer finds its query."""
        return {"altool_id": self.id, "altool_round": self.round, "altool_rank": self.rank}

    @property
    def score(self) -> float | None:
        """The suggested probability in the digits that it has: 0.62, not 0.6200000047683716."""
        return None if self.suggested_probability is None else float(str(np.float32(self.suggested_probability)))


@dataclass(frozen=True)
class Naming:
    """Where an export keeps what altool wants: `--columns`, `--id-col` and `--annotator-columns`; and which rows count: `--where`.

    A column that is named "" is left out. `where` has the values that count, of each column that decides. `meaning` says what times
    without an offset mean, and which labels mean that there is none; `classes` are those of `--classes`.
    """

    columns: Mapping[str, str]
    id_column: str | None = None
    annotators: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meaning: Meaning = field(default_factory=Meaning)
    classes: tuple[str, ...] = ()
    match: str | None = None

    def kept(self) -> list[str]:
        """The columns that a tool's records fill, without those that are left out."""
        return [name for name in (*COLUMNS, *EXTRAS) if self.columns.get(name) != ""]

    def find(self, column: str, available: Iterable[str], *aliases: str) -> str | None:
        """The name of a contract column among those available; None if none is it."""
        if self.columns.get(column) == "":
            return None
        names = set(available)
        chosen = self.id_column if column == "id" and self.id_column else self.columns.get(column)
        return next((name for name in (chosen, *aliases, column) if name in names), None)


@dataclass(frozen=True)
class Export:
    """One file that an annotation tool wrote: a table, or the objects of a JSON array, of JSON Lines, of lines in fastText's format, of an
    XML document, or of a folder of pictures."""

    name: str  # for messages
    encoding: str  # csv, xlsx, parquet, arrow, json, jsonl, fasttext, xml or folder
    table: pa.Table | None = None
    records: Sequence[Any] = ()
    entries: Sequence[int] | None = None  # the place of each row in the file from 0, where some are left out
    names: Sequence[str] | None = None  # the keys of all records, those that are left out too
    archived: bool = False  # is it one of the files of an archive?

    def places(self, rows: pa.Array) -> pa.Array:
        """Where a person finds these rows (int64): `sheet.csv line 5`."""
        entries = rows if self.entries is None else pa.array(self.entries, pa.int64()).take(rows)
        if self.encoding == "folder":
            return pa.array([str(self.records[row]["path"]) for row in rows.to_pylist()], pa.string())
        unit, first = PLACES.get(self.encoding, ("row", 1))
        numbers = pc.add(entries, pa.scalar(first, pa.int64())).cast(pa.string())
        return pc.binary_join_element_wise(f"{self.name.removeprefix('export ')} {unit} ", numbers, "")

    @cached_property
    def columns(self) -> list[str]:
        if self.table is not None:
            return self.table.column_names
        return list(dict.fromkeys(key for row in self.records for key in row) if self.names is None else self.names)


@dataclass(frozen=True)
class Answers:
    """What one export says, a row per answer, in file order.

    `table` has the contract's columns of labels, null where unknown; `reason`: why a row cannot be taken (null: it can); the `EXTRAS`;
    `entry`, int64: the row of the export that says it; and `place`, where a person finds it. A row without label, `skipped` status
    and verdict is not done yet.
    `id_type` is None where the ids may be read as strings or integers, whichever the other tables have. `used` are the `--columns`
    names that the export knows, `left_out` counts its rows for which `--where` does not hold; `remarks` are warnings about it.
    """

    name: str
    table: pa.Table
    id_type: pa.DataType | None
    used: frozenset[str]
    left_out: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A format as `--from` and `--export` name it.

    `recognizes` tells by an export's content whether it is in this format, `read` gives its answers, and raises InputError where it cannot.
    `write` makes the files that the tool imports, of tasks in rank order and the classes to choose from (empty: unknown), by what follows
    the name that the user gave ("" is the file itself, the others are `sidecars`); the same tasks must give the same bytes.

    A `plain` format takes whatever has an id and a label, and so is tried after those that know their own shape; of these, altool's own
    are tried by their `order`. `by_address`: the tool opens a task's picture in a browser. `keeps_rank`: it gives back the
    round and rank of the tasks that it was given. `reads` and `writes` say in words what the files are.
    The name of what is written usually has the `ending`. A format that can only name image files has `pictures`: encoded images are
    written into a folder beside the file, whose name has `pictures` for `ending`, and the tasks name them.
    `write_folder`: where the user's name ends in a slash, the files of that folder, name by name. `wants_pictures`: the tasks come with
    their pictures read and made small.
    """

    name: str
    recognizes: Callable[[Export], bool]
    read: Callable[[Export, Naming], Answers]
    write: Callable[[Sequence[Task], Sequence[str]], dict[str, bytes]] | None = None
    plain: bool = False
    order: int = 0
    sidecars: tuple[str, ...] = ()
    ending: str = ""
    pictures: str = ""
    write_folder: Callable[[Sequence[Task], Sequence[str]], Iterator[tuple[str, bytes]]] | None = None
    wants_pictures: bool = False
    by_address: bool = False
    keeps_rank: bool = True
    reads: str = ""
    writes: str = ""


def answers(
    name: str, columns: Mapping[str, Any], id_type: pa.DataType | None, used: Iterable[str] = (), clock: Clock = NO_CLOCK
) -> Answers:
    """`Answers` from columns of any type that says the same (numbers as texts, RFC 3339 times as texts).

    Without `entry` every row of the export is one answer. Raises InputError for a column of another type, and for a source, status
    or round that the contract does not know.
    """
    rows = len(columns["id"])
    kinds = KINDS["labels"].columns
    reasons = columns.get("reason", pa.nulls(rows, pa.string()))
    table: dict[str, pa.Array] = {"id": columns["id"]}
    for column in kinds:
        if column == "id":
            continue
        array = plain(columns.get(column, pa.nulls(rows)))
        if column in ("labeled_at", "seconds"):
            array, wrong = times(array, clock) if column == "labeled_at" else lengths(array)
            reason = NO_TIME if column == "labeled_at" else NO_SECONDS
            reasons = pc.if_else(pc.and_(wrong, reasons.is_null()), reason, reasons)
        else:
            array = cast(name, column, array, kinds[column])
        table[column] = array
    faults = {}
    for column, allowed in (("source", SOURCES), ("status", STATUSES)):
        known = pc.is_in(table[column], value_set=pa.array([*allowed, None], pa.string()))
        faults[column] = (pc.invert(known), f"another value than {', '.join(allowed)}")
    faults["round"] = (pc.fill_null(pc.less(table["round"], 0), False), "a negative round")
    _refuse(name, table, faults)
    for column in ("id", "label", "annotator"):
        text = table[column].cast(pa.string())
        half = pc.fill_null(pc.match_substring(text, HALF), False)
        if pc.any(half).as_py():
            reasons = pc.if_else(half, BROKEN, reasons)
            table[column] = pc.replace_substring(text, HALF, "\ufffd")
    extras = {
        column: _loosely(plain(columns[column]), type_) if column in columns else pa.nulls(rows, type_) for column, type_ in EXTRAS.items()
    }
    place = columns.get("place", pa.nulls(rows, pa.string()))
    entry = pa.array(columns["entry"] if "entry" in columns else range(rows), pa.int64())
    return Answers(name, pa.table({**table, "reason": reasons, **extras, "entry": entry, "place": place}), id_type, frozenset(used))


def of_rows(export: Export, rows: Sequence[Mapping[str, Any]], naming: Naming, used: Iterable[str] = (), key: str = "altool_id") -> Answers:
    """`Answers` out of a tool's records: `rows` have `id`, the contract's columns, `reason` and the `EXTRAS` as JSON values, and `entry`
    where a record is not one row. Raises InputError where no row has an id (in `key`), and nothing else says which item it is."""
    ids, id_type = json_ids(export.name, [row.get("id") for row in rows])
    if rows and ids.null_count == len(ids) and naming.match is None:
        raise InputError(
            f"{export.name}: no record has {key!r}", "name the key that holds altool's id: --id-col NAME; or --match text, path or rank"
        )
    columns: dict[str, Any] = {name: pa.array([json_text(row.get(name)) for row in rows], pa.string()) for name in naming.kept()}
    used = {*used, *(name for name, other in naming.columns.items() if other == "")}
    entries = [row.get("entry", place) for place, row in enumerate(rows)]
    for name in EXTRAS:
        if (other := naming.columns.get(name)) and other in export.columns:
            held = export.table.column(other).to_pylist() if export.table is not None else [record.get(other) for record in export.records]
            columns[name] = pa.array([json_text(held[entry]) for entry in entries], pa.string())
            used.add(name)
    if any("entry" in row for row in rows):
        columns["entry"] = entries
    return answers(export.name, {"id": ids, **columns}, id_type, used, naming.meaning.clock)


def texts(value: Any) -> str | None:
    """The value if it is a text."""
    return value if isinstance(value, str) else None


def class_numbers(array: pa.Array) -> pa.Array:
    """A column of classes, its floats as the integers that they are, if all are whole: so pandas writes integers with gaps."""
    if not pa.types.is_floating(array.type):
        return array
    numbers, fraction = whole_numbers(array)
    return array if pc.any(fraction).as_py() else numbers


def _loosely(array: pa.Array, type_: pa.DataType) -> pa.Array:
    """The column as `type_`, or nothing: what is only compared may be anything."""
    try:
        return array.cast(type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(array), type_)


def _refuse(name: str, table: Mapping[str, pa.Array], faults: Mapping[str, tuple[pa.Array, str]]) -> None:
    """Raise InputError where rows of any column are wrong: `faults` says which, and what they hold."""
    found = []
    for column, (wrong, what) in faults.items():
        ids = table["id"].cast(pa.string()).filter(wrong)
        if len(ids):
            values = check.naming([str(value) for value in check.first_ids(pc.unique(table[column].filter(wrong)))])
            rows = count(len(ids), "row")
            found.append((column, f"column {column!r}: {rows} with {what} ({values}; ids {check.naming(check.first_ids(ids))})"))
    if found:
        raise InputError(
            f"{name}, {'; '.join(text for _, text in found)}",
            f"if it means something else, leave it out: --columns {','.join(f'{column}=' for column, _ in found)}; "
            "if it decides which rows count: --where NAME=VALUE",
        )


def cast(name: str, column: str, array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The column as `wanted`; a text without anything but blanks is null. Raises InputError for what is not that type."""
    try:
        if column in NAMES:
            array = class_numbers(array)
        if wanted == pa.string() and (pa.types.is_floating(array.type) or pa.types.is_nested(array.type)):
            raise pa.ArrowInvalid("not a name")
        if pa.types.is_large_string(array.type) or pa.types.is_string(array.type):
            array.validate(full=True)
            blank = pc.match_substring_regex(array, BLANK)
            array = pc.if_else(blank, pa.scalar(None, array.type), array)
        return array.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{name}, column {column!r}: expected {wanted}, found {array.type}", f"write the column as {wanted}") from error


def json_ids(name: str, values: Sequence[Any]) -> tuple[pa.Array, pa.DataType | None]:
    """Ids out of JSON: strings, integers, or (type None) a mixture as strings. Raises InputError for anything else."""
    ids = [None if value == "" else value for value in values]
    wrong = [value for value in ids if value is not None and type(value) not in (str, int)]
    if wrong:
        shown = check.naming([json.dumps(value) for value in wrong])
        raise InputError(f"{name}: {count(len(wrong), 'id')} of another type than string or integer ({shown})", "write them as strings")
    types = {type(value) for value in ids if value is not None}
    if types == {int} and all(-(1 << 63) <= value < 1 << 63 for value in ids if value is not None):
        return pa.array(ids, pa.int64()), pa.int64()
    return pa.array([value if value is None else str(value) for value in ids], pa.string()), pa.string() if types == {str} else None


def choice(value: Any) -> tuple[str | None, str | None]:
    """The label that a value of any format holds, and why it holds none: one text, truth value or integer, alone or alone in a list.

    A text that is written like a list or an object is one: no class is ever made of structure. What cannot be taken is given as text.
    """
    if isinstance(value, str) and value.strip().startswith(("[", "{")):
        value = _structure(value.strip())
    if isinstance(value, dict) and set(value) == {"choices"}:  # how Label Studio writes several
        value = value["choices"]
    if isinstance(value, list | tuple):
        if not value:
            return None, None
        if len(value) > 1 and all(isinstance(one, str) for one in value):
            return json_text(list(value)), SEVERAL
        single = len(value) == 1 and isinstance(value[0], str | int) and not QUOTED.match(str(value[0]).strip())
        return (json_text(value[0]), None) if single else (json_text(list(value)), NO_TEXT)
    return json_text(value), None if value is None or isinstance(value, str | int) else NO_TEXT


def _structure(text: str) -> Any:
    """The list or object that a text is written like, as JSON or as Python shows it; the text itself where it is like neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if found := LIST.fullmatch(text):
            return [] if found["only"] is None else [found["only"]]
        return {"": text} if QUOTED.match(text) else text


def choices(values: Iterable[Any]) -> tuple[pa.Array, pa.Array]:
    """The labels of values as texts, and why each that cannot be taken cannot (null: it can)."""
    pairs = [choice(value) for value in values]
    labels = pa.array([label for label, _ in pairs], pa.string())
    return pc.if_else(pc.match_substring_regex(labels, BLANK), pa.scalar(None, pa.string()), labels), pa.array(
        [reason for _, reason in pairs], pa.string()
    )


def whole_characters(record: Any) -> Any:
    """A JSON value in which `HALF` stands for every half of a surrogate pair, which no table can hold."""
    if isinstance(record, str):
        return SURROGATE.sub(HALF, record)
    if isinstance(record, list):
        return [whole_characters(value) for value in record]
    if isinstance(record, dict):
        return {whole_characters(key): whole_characters(value) for key, value in record.items()}
    return record


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

"""What a table or a folder of items holds: which column is the id, and which the text or the image to label. Nothing is copied, and
nothing is guessed where two readings are possible."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from altool.errors import InputError, UsageError
from altool.payloads import pictures
from altool.payloads.reading import Unusable
from altool.tables import align, check
from altool.tables.items import Items
from altool.tables.read import Reader, Source
from altool.tables.source import Listener
from altool.text import count

PAYLOADS = ("image", "path", "text")  # what is labeled; of a table with both, pictures are read from the first
SAMPLE = 50  # rows that are looked into
# Names of columns that may be ids: in the second step only where the first finds none.
IDS = (re.compile(r"(.*[_. -])?(id|uid|key|uuid|guid)", re.IGNORECASE), re.compile(r".*[a-z0-9](Id|ID)"))
FILES = (re.compile(r"(.*[_. -])?(path|file|file_?name)", re.IGNORECASE),)
IMAGES = re.compile(r".*\.(avif|bmp|dib|gif|ico|jfif|jpe?g|jp2|png|ppm|qoi|tiff?|webp)", re.IGNORECASE | re.DOTALL)
PLACES = re.compile(r"[a-z][a-z0-9+.-]*://\S+|\S*/\S+|\S+\.[a-zA-Z]\w{0,4}")  # addresses, paths and names of files


@dataclass(frozen=True)
class Seen:
    """What the items are: so many `rows`, whose ids (the `first` of them is an example) are in the column `id`, and whose image, path or
    text (`kind`) is in `column`; `columns` is the value of `--columns` that says so, "" where their names say it.

    `longest` is the longest side in pixels of the pictures that were looked at; None of texts. `files`: the items are image files, whose
    ids are their paths.
    """

    rows: int
    id: str
    first: Any
    kind: str
    column: str
    columns: str
    longest: int | None
    files: bool = False


def look(location: str, given: Mapping[str, str], *, allow_outside: bool, console: Listener) -> Seen:
    """Look at the items. `given` names columns: of the ids (`id`), and of one of PAYLOADS.

    Raises UsageError for what a project cannot read again, InputError for a table that cannot be read, where a column is not clear, for ids
    that are not unique, and where none of the pictures can be read.
    """
    if location == "-" or (os.path.exists(location) and not (os.path.isfile(location) or os.path.isdir(location))):
        raise UsageError(f"ITEMS {location}: a project reads its items again every round", "write them to a file")
    plain = Reader("id=").open(location, "items", required=())
    types = {name: file.schema.field(name).type for file in reversed(plain.fragments) for name in file.names}
    types = {name: types[name] for name in dict.fromkeys(name for file in plain.fragments for name in file.schema.names)}
    for option, name in given.items():
        if name not in types:
            raise InputError(f"{plain.name}: no column {name!r} (it has {check.naming_columns(list(types))})", f"correct --{option}")
    id_ = given.get("id") or _id(plain, types)
    kind, column = _payload(plain, types, given, id_)
    columns = _columns(plain, types, {"id": id_, kind: column})
    reader = Reader(columns, None, console)
    source = reader.open(location, "items")
    reader.match_ids()
    try:
        chunks = list(source.scan(["id"], lambda batch: batch.column("id")))
        align.index(chunks, source.name)
    except InputError as error:
        raise InputError(error.message, f"{error.hint or 'correct the column'}; or name another column of ids: --id NAME") from error
    longest = None
    if kind != "text":
        try:
            longest = _longest(Items(source, [kind], allow_outside=allow_outside))
        except InputError as error:
            outside = "out of the table's folder" in error.message
            raise InputError(error.message, "give --allow-outside if they are meant" if outside else error.hint) from error
    files = set(types) == {"id", "path"} and not os.path.isfile(location) and source.fragments[0].path == location
    return Seen(source.num_rows, id_, next(chunk[0].as_py() for chunk in chunks if len(chunk)), kind, column, columns, longest, files)


def _id(plain: Source, types: Mapping[str, pa.DataType]) -> str:
    """The column of the ids: `id`, else the one that is named like one; of several so named, the one whose values are unique."""
    if "id" in types:
        return "id"
    shown = check.naming_columns(list(types))
    for patterns in (IDS, FILES):
        named = [name for name, type_ in types.items() if any(one.fullmatch(name) for one in patterns) and _is_id(type_)]
        fitting = named if len(named) == 1 else [name for name in named if _is_unique(plain.location, name)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            text = f"{plain.name}: {len(fitting)} columns may be the ids ({check.naming_columns(fitting)})"
            raise InputError(f"{text}; it has {shown}", f"name one: --id {fitting[0]}")
    raise InputError(f"{plain.name}: no column 'id' (it has {shown})", "name the column of unique ids: --id NAME")


def _is_unique(location: str, name: str) -> bool:
    """Are the values of a column ids: unique, and none of them null?"""
    if "," in name:
        return False
    reader = Reader(f"id={name}")
    try:
        source = reader.open(location, "items")
        reader.match_ids()
        align.index(list(source.scan(["id"], lambda batch: batch.column("id"))), source.name)
    except InputError:
        return False
    return True


def _payload(plain: Source, types: Mapping[str, pa.DataType], given: Mapping[str, str], id_: str) -> tuple[str, str]:
    """The kind and the column of what is labeled: the one that is given, else that by the contract's name, else the only one there is."""
    if named := [(kind, given[kind]) for kind in PAYLOADS if kind in given]:
        return named[0]
    found = [(kind, kind) for kind in PAYLOADS if kind in types and (_is_binary if kind == "image" else _is_text)(types[kind])]
    if [kind for kind, _ in found] == ["image", "path"]:
        found = found[:1]
    if not found:
        found = [("image", name) for name, type_ in types.items() if _is_binary(type_)]
        texts = [name for name, type_ in types.items() if _is_text(type_)]
        for name, values in _sampled(plain, texts).items():
            if values and all(IMAGES.fullmatch(value) and len(value) < 1000 for value in values):
                found.append(("path", name))
            elif name != id_ and _are_words(values):
                found.append(("text", name))
    if len(found) == 1:
        return found[0]
    if not found:
        text = f"{plain.name}: no column of images, paths or texts (it has {check.naming_columns(list(types))})"
        raise InputError(text, "name it: --text NAME, --image NAME or --path NAME")
    text = f"{plain.name}: {len(found)} columns may be what is labeled ({check.naming_columns([name for _, name in found])})"
    raise InputError(text, f"name one: --{found[0][0]} {found[0][1]}")


def _are_words(values: list[str]) -> bool:
    """Are the values what people read: no numbers, times, paths or addresses alone?"""
    return any(char.isalpha() for value in values for char in value) and not all(map(PLACES.fullmatch, values))


def _sampled(plain: Source, names: list[str]) -> dict[str, list[str]]:
    """The first values, of all files that have the column, that are not blank."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for file in plain.fragments:
        own = [name for name in names if name in file.names and not found[name]]
        group = next(number for number, rows in enumerate(file.group_rows) if rows)
        batch = next(file.batches(group, own, SAMPLE)) if own else None
        for name in own if batch is not None else ():
            found[name] = [value for value in batch.column(name).to_pylist()[:SAMPLE] if value and value.strip()]  # type: ignore[union-attr]
    return found


def _columns(plain: Source, types: Mapping[str, pa.DataType], chosen: Mapping[str, str]) -> str:
    """The value of `--columns` for these columns."""
    for name in chosen.values():
        if "," in name:
            raise InputError(f"{plain.name}, column {name!r}: a name with a comma cannot be given in --columns", "rename the column")
    parts = [f"{name}={other}" for name, other in chosen.items() if name != other]
    if "path" in chosen and "image" in types and "image" not in chosen:
        parts.append("image=")  # it would be read in place of the path
    return ",".join(parts)


def _longest(items: Items) -> int:
    """The longest side, in pixels, of the first pictures. Raises InputError where none of them can be read."""
    sizes, reasons = [], []
    payloads: Iterator[Any] = (payload for rows in items.payloads() for payload in rows)
    for payload in islice(payloads, SAMPLE):
        try:
            sizes.append(max(pictures.size(payload)))
        except Unusable as error:
            reasons.append(str(error))
    if not sizes:
        text = (
            f"{items.source.name}, column {items.column!r}: none of the first {count(len(reasons), 'picture')} can be read ({reasons[0]})"
        )
        raise InputError(text, "check the paths, which are relative to the table's folder" if items.column == "path" else "correct them")
    return max(sizes)


def _inner(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def _is_text(type_: pa.DataType) -> bool:
    own = _inner(type_)
    return bool(pa.types.is_string(own) or pa.types.is_large_string(own) or own == pa.string_view())


def _is_binary(type_: pa.DataType) -> bool:
    own = _inner(type_)
    fixed = pa.types.is_fixed_size_binary(own) and own.byte_width > 16  # not a digest or a UUID
    return bool(pa.types.is_binary(own) or pa.types.is_large_binary(own) or own == pa.binary_view() or fixed)


def _is_id(type_: pa.DataType) -> bool:
    return _is_text(type_) or bool(pa.types.is_integer(_inner(type_)))

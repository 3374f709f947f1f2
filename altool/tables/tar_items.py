"""Tars as WebDataset has them, as a table of items: the members KEY.jpg, KEY.txt, … are a row, whose id is KEY.

Names are split as WebDataset does: KEY ends at the first dot of the last part of the name. Only the headers are read when a table is
opened; of the content, what is asked for, from its place in the tar.
"""

from __future__ import annotations

import json
import os
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import check
from altool.tables.fragments import BATCH_BYTES, Described
from altool.tables.image_files import SURROGATE
from altool.tables.listing import is_image_name
from altool.tables.tar_index import FOLDER, HARD_LINK, REGULAR, BadTar, entries
from altool.text import count

SPLIT = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)  # webdataset/tariterators.py, base_plus_ext
META = re.compile(r"__[^/]*__($|/)|(.*/)?\.")  # its metadata, and hidden files
TEXTS = ("txt", "text", "cls", "json", "jsonl", "csv", "html", "xml", "caption", "id", "url")  # endings of members that are UTF-8
Member = tuple[str, int, int]  # a tar, where in it something begins, and its length
KEY, FROM_TAR = "id", "tar_key"
TAKEN = (KEY, FROM_TAR, "image", "path", "text")  # columns that are no ending's
ENDINGS = 64  # of one tar: more are no endings


@dataclass(frozen=True)
class Place:
    """Where the members of one column lie: `offsets` and `sizes` int64 (n,), -1 where a row has none."""

    offsets: np.ndarray
    sizes: np.ndarray

    def at(self, rows: Any) -> Place:
        return Place(self.offsets[rows], self.sizes[rows])


@dataclass
class TarItems(Described):
    """The rows of one tar. `keys` string (n,), `places` of the members by column, of which `texts` are UTF-8; `fields` are those of JSON
    members that --columns names, as json.caption."""

    path: str
    file: str
    under: str  # the tar's path as ids have it
    keys: pa.Array
    places: Mapping[str, Place]
    fields: tuple[str, ...] = ()
    constants: Mapping[str, str | None] = field(default_factory=dict)
    untyped: bool = False
    decimal_comma: bool = False

    @cached_property
    def schema(self) -> pa.Schema:
        members = [pa.field(name, pa.string() if _is_text(name) else pa.binary()) for name in self.places]
        found = [pa.field(KEY, pa.string()), *members, *(pa.field(name, pa.string()) for name in self.fields)]
        return pa.schema([*found, pa.field(FROM_TAR, pa.string())])

    @property
    def group_rows(self) -> Sequence[int]:
        return [len(self.keys)] if len(self.keys) else []

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        sizes = sum(float(np.maximum(self._place(name).sizes, 0).sum()) for name in columns if name not in (KEY, FROM_TAR))
        return sizes / max(1, len(self.keys)) + self.keys.nbytes / max(1, len(self.keys))

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        """Cut by bytes, with `fold` or without it: one member may be as large as thousands of others."""
        places = [self._place(name) for name in columns if name not in (KEY, FROM_TAR)]
        sizes = np.sum([np.maximum(place.sizes, 0) for place in places], axis=0) if places else np.zeros(len(self.keys), np.int64)
        ends = np.cumsum(sizes)
        handle = os.open(self.file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            start = 0
            while start < len(self.keys):
                full = int(np.searchsorted(ends, (ends[start - 1] if start else 0) + BATCH_BYTES, "right"))
                stop = min(max(start + 1, full), start + rows)
                arrays = [self._array(handle, name, start, stop) for name in columns]
                yield pa.RecordBatch.from_arrays(arrays, list(columns))
                start = stop
        finally:
            os.close(handle)

    def members(self, column: str) -> list[Member | None]:
        """Where the content of each row lies; None where a row has none."""
        place = self._place(column)
        pairs = zip(place.offsets.tolist(), place.sizes.tolist(), strict=True)
        return [None if offset < 0 else (self.file, offset, size) for offset, size in pairs]

    def only(self, chosen: np.ndarray) -> TarItems:
        """The rows that are chosen (bool)."""
        return replace(self, keys=self.keys.filter(pa.array(chosen)), places={name: one.at(chosen) for name, one in self.places.items()})

    def ids(self, column: str) -> pa.Array | None:
        """The values of a column that is known without a look at the content; None of any other."""
        return self._known(column) if column in (KEY, FROM_TAR) else None

    def without_image(self) -> list[str]:
        """The keys that have no image, in a tar that has some."""
        place = self.places.get("image")
        return [] if place is None else self.keys.filter(pa.array(place.offsets < 0)).to_pylist()

    def reaching(self, names: Mapping[str, str]) -> TarItems:
        """The tar with the fields of JSON members that --columns names as json.FIELD."""
        roots = {name: name.partition(".")[0] for name in names.values() if "." in name and name not in self.places}
        fields = tuple(name for name, root in roots.items() if root in self.places and _is_text(root))
        return replace(self, fields=fields) if fields else self

    def _place(self, column: str) -> Place:
        return self.places[column if column in self.places else column.partition(".")[0]]

    def _known(self, column: str) -> pa.Array:
        return self.keys if column == KEY else pa.array([f"{self.under}/{key}" for key in self.keys.to_pylist()], pa.string())

    def _array(self, handle: int, column: str, start: int, stop: int) -> pa.Array:
        if column in (KEY, FROM_TAR):
            return self._known(column).slice(start, stop - start)
        place = self._place(column)
        found: list[bytes | None] = []
        for offset, size in zip(place.offsets[start:stop].tolist(), place.sizes[start:stop].tolist(), strict=True):
            content = None if offset < 0 else os.pread(handle, size, offset)
            if content is not None and len(content) < size:
                raise OSError("it ends within a member")
            found.append(content)
        if column in self.fields:
            return pa.array([self._field(column, content, start + row) for row, content in enumerate(found)], pa.string())
        if not _is_text(column):
            return pa.array(found, pa.binary())
        return pa.array([self._text(column, content, start + row) for row, content in enumerate(found)], pa.string())

    def _text(self, column: str, content: bytes | None, row: int) -> str | None:
        try:
            return None if content is None else content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValueError(f"{self.keys[row].as_py()}: its {column} is not UTF-8") from None

    def _field(self, column: str, content: bytes | None, row: int) -> str | None:
        root, *path = column.split(".")
        try:
            value = json.loads(self._text(root, content, row) or "null")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.keys[row].as_py()}: its {root} is not JSON ({error})") from None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)


def refuse_repeated(label: str, tars: Sequence[TarItems]) -> None:
    """Raise InputError for keys that several tars have: an id is of one row."""
    keys = pa.concat_arrays([one.keys for one in tars])
    counted = pc.value_counts(keys)
    twins = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    if len(twins):
        first = twins[0].as_py()
        both = " and ".join([one.under for one in tars if pc.index(one.keys, first).as_py() >= 0][:2])
        raise InputError(
            f"{label}: {count(len(twins), 'key')} in more than one tar ({first} in {both})",
            f"take the tar into the id: --columns id={FROM_TAR}",
        )


def _is_text(column: str) -> bool:
    return column != "image" and column.rpartition(".")[2] in TEXTS


def tar_items(label: str, file: str, under: str, shown: str = "") -> tuple[TarItems, list[str]]:
    """A tar as a file of items, and the names of members that are none of a row's. `under` is its path as ids may have it.

    Raises InputError, which begins with `label`, for a damaged tar, and for members that cannot be told apart or lie elsewhere.
    """
    where = f"{label}: {shown or file}" if not label.endswith(shown or file) else label
    rows: dict[str, int] = {}
    found: dict[str, tuple[array[int], array[int], array[int]]] = {}  # ending: rows, offsets, sizes
    links: list[tuple[str, str]] = []
    stray, outside, others = [], [], []

    def put(key: str, ending: str, offset: int, size: int) -> None:
        if ending not in found and len(found) == ENDINGS:
            raise BadTar(
                f"more than {ENDINGS} endings ({', '.join(list(found)[:3])}, …): a key ends at the first dot of a name",
                "write it again with one dot in each name, before the ending",
            )
        row = rows.setdefault(key, len(rows))
        for values, value in zip(found.setdefault(ending, (array("q"), array("q"), array("q"))), (row, offset, size), strict=True):
            values.append(value)

    try:
        for name, kind, offset, size, link in entries(file):
            if kind == FOLDER:
                continue
            name = name.removeprefix("./")
            if name.startswith("/") or ".." in name.split("/"):
                outside.append(name)
            elif META.match(name):
                continue
            elif not (split := SPLIT.fullmatch(name)):
                stray.append(name)
            elif kind == HARD_LINK:
                links.append((name, link.removeprefix("./")))
            elif kind not in REGULAR:
                others.append(name)
            else:
                put(split[1], split[2].lower(), offset, size)
        for name, link in links:
            one, other = SPLIT.fullmatch(name), SPLIT.fullmatch(link)
            values = found.get(other[2].lower()) if other else None
            place = rows.get(other[1], -1) if other else -1
            if one is None or values is None or place not in values[0]:
                others.append(name)
                continue
            at = values[0].index(place)
            put(one[1], one[2].lower(), values[1][at], values[2][at])
    except BadTar as error:
        raise InputError(f"{where}: {error.problem}", error.hint) from error
    except OSError as error:
        raise InputError(f"{where} cannot be opened ({error.strerror})", "check the path and your access to it") from error
    if outside:
        text = f"{count(len(outside), 'member')} with a name that leads out of the tar ({check.naming(outside)})"
        raise InputError(f"{where}: {text}", "write it again with names below one folder: tar -C FOLDER -cf FILE .")
    if others:
        text = f"{count(len(others), 'member')} without content of its own, such as a link to a file ({check.naming(others)})"
        raise InputError(f"{where}: {text}", "write it again with the files themselves: tar --dereference")
    keys = _keys(where, list(rows))
    return TarItems(shown or file, os.path.abspath(file), under, keys, _columns(where, keys, found)), stray


def _keys(where: str, keys: list[str]) -> pa.Array:
    try:
        return pa.array(keys, pa.string())
    except UnicodeEncodeError as error:
        strange = next(key for key in keys if SURROGATE.search(key))
        shown = os.fsencode(strange).decode("utf-8", "backslashreplace")
        raise InputError(f"{where}: the name {shown} is not UTF-8", "write it again with names in UTF-8") from error


def _columns(where: str, keys: pa.Array, found: Mapping[str, tuple[array[int], array[int], array[int]]]) -> dict[str, Place]:
    """A column for each ending; `image`, if every key has at most one, and `text`, those that end with .txt."""
    endings: dict[str, Place] = {}
    for ending, values in found.items():
        rows, offsets, sizes = (np.frombuffer(one, np.int64) for one in values)
        if len(twice := np.flatnonzero(np.bincount(rows, minlength=len(keys)) > 1)):
            names = [f"{keys[int(row)].as_py()}.{ending}" for row in twice[: check.SHOWN]]
            text = f"{count(len(twice), 'name')} of more than one member ({check.naming(names)})"
            raise InputError(f"{where}: {text}", "write every file into the tar once")
        place = Place(np.full(len(keys), -1, np.int64), np.full(len(keys), -1, np.int64))
        place.offsets[rows], place.sizes[rows] = offsets, sizes
        endings[ending] = place
    columns: dict[str, Place] = {}
    pictures = [place for ending, place in endings.items() if is_image_name(f".{ending}")]
    if pictures and (np.sum([place.offsets >= 0 for place in pictures], axis=0) <= 1).all():
        columns["image"] = Place(np.max([one.offsets for one in pictures], axis=0), np.max([one.sizes for one in pictures], axis=0))
    if words := endings.get("txt") or endings.get("text"):
        columns["text"] = words
    return columns | {ending: endings[ending] for ending in sorted(endings) if ending not in TAKEN}

"""Opening tables: a file, a folder, Hive partitions, a glob, a URI, a pipe or standard input; and what all of a run agree on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from altool.errors import InputError, UsageError
from altool.tables import columns, lakes, places, space
from altool.tables.array_files import ARRAYS
from altool.tables.derived import Derived, pictured, reaching
from altool.tables.files import Files
from altool.tables.fragments import Fragment, MemoryFragment, probe, stream
from altool.tables.layout import Layout, check_score, gathered, layout
from altool.tables.listing import listing
from altool.tables.objects import names_object
from altool.tables.outside import decode, load_json
from altool.tables.schema import ALIASES, FOREIGN, KINDS, MATRIX, WIDE_PREFIX, Kind
from altool.tables.source import Listener, Meaning, Source, matrix, plan
from altool.tables.values import clock
from altool.tables.vectors import Vectors, scale_beside, vector_shape
from altool.text import count

__all__ = [
    "Layout",
    "Meaning",
    "Reader",
    "Source",
    "layout",
    "listing",
    "matrix",
    "meaning",
    "parse_classes",
    "parse_columns",
    "plan",
    "vector_shape",
]

RESULTS = ("problems", "queries")  # kinds of tables that may say: nothing was found
HAVE_NONE = ("items", "features", "predictions")  # kinds of tables that --ids gives ids to
UNTYPED = pa.string()  # the type of ids that no table of a run gives one


class Reader:
    """Opens the tables of one run, and checks what they must agree on."""

    def __init__(
        self,
        columns: str | None = None,
        classes: str | None = None,
        console: Listener | None = None,
        meaning: Meaning | None = None,
        layout: Layout | None = None,
        ids: str | None = None,
        vectors: Vectors | None = None,
    ) -> None:
        """`columns` is the value of `--columns`, `classes` that of `--classes`; the `layout` is that of predictions which altool did not
        write, and `vectors` say what their features are. `ids` are those of tables without ids (--ids). The `console`
        hears what of a table is left out.
        Raises UsageError where they cannot be understood."""
        self.names = parse_columns(columns)
        self.classes = parse_classes(classes)
        self.meaning = meaning or Meaning()
        self.layout = layout or Layout()
        self.vectors = vectors or Vectors()
        self.ids = ids
        self._numbered = False
        check_score(self.layout, self.classes)
        self.console = console
        self.sources: list[Source] = []
        self._used: set[str] = {name for name, other in self.names.items() if not other}

    def open(
        self,
        location: str,
        kind: str,
        *,
        allow_empty: bool = False,
        allow_missing: bool = False,
        required: Sequence[str] | None = None,
    ) -> Source:
        """Open a table; reads its schema only. Raises InputError if it is missing, empty, damaged or lacks a column (`required`: one of
        these, in place of those that every table of the kind has).

        With `allow_empty` a folder without files is a table without rows: a label log to which nobody has written yet; so are files
        of RESULTS without rows; with `allow_missing`, so is a folder that is not there.
        """
        source = Source(KINDS[kind], location, [], self.names, None, {}, self.classes, self.meaning, self.console, self.layout)
        needed = source.kind.required if required is None else required
        if allow_missing and not places.is_folder(location):
            self.sources.append(source)
            return source
        lake = None if allow_missing else lakes.opened(source.name, location)
        if lake is not None:
            source.location, source.version, fragments = lake.folder, lake.version, lake.files
            if console := self.console:
                console.info(f"{source.name}: read as {lake.version}")
        else:
            fragments = Files(source, listing(source.name, location, allow_empty), needed, self.ids).fragments()
            probe(source.name, fragments)
        if not fragments and (allow_empty or lake is None):
            self.sources.append(source)
            return source
        filled = [reaching(fragment, self.names) for fragment in fragments if sum(fragment.group_rows)]
        if not filled and allow_empty and kind in RESULTS:
            self.sources.append(source)
            return source
        if not filled:
            raise InputError(f"{source.name}: the table is empty", "give a table with at least one row")
        filled = [_named_as(one, source.kind) for one in filled]
        if kind == "items":
            filled = [pictured(one, self.names) for one in filled]
        if kind == "features":
            filled = [one if source.is_ours(one) else self.vectors.of(source.name, one, self.names) for one in filled]
        source.fragments = self._with_ids(source, filled)  # a file without rows has no say
        _refuse_twins(source)
        source.metadata = {f"altool.{name}": value for name, value in filled[0].facts.items()}
        source.require(*needed)
        if kind == "features":
            space.of(source)  # refused where it is of several
        self._say_foreign(source)
        source.id_type = _id_type(source)
        if kind == "predictions" and (long := self.layout.long) and not all(map(source.is_ours, filled)):
            _gather(source, *long)
        self._used |= {name for name in self.names if any(self.names[name] in (*f.names, *f.constants) for f in filled)}
        self.sources.append(source)
        return source

    def _with_ids(self, source: Source, files: list[Fragment]) -> list[Fragment]:
        """The files of a table without ids, with those of --ids. Raises InputError where these are not as many as its rows."""
        if self.ids is None or source.kind.name not in HAVE_NONE or any(source.physical(one, "id") for one in files):
            return files
        self._numbered = True
        rows = [sum(one.group_rows) for one in files]
        if self.ids == "row":
            ids: pa.Array = pa.array(range(sum(rows)), pa.int64())
            untyped = False
        else:
            table = self.open(self.ids, "ids")
            ids = columns.plain(table.read(["id"]).column("id"))
            untyped = table.id_type is None
            if len(ids) != sum(rows):
                found = f"{count(sum(rows), 'row')}, but {table.name} has {count(len(ids), 'id')}"
                raise InputError(f"{source.name}: it has {found}", "give one id per row, in the order of the rows")
        ends = [sum(rows[:number]) for number in range(len(rows) + 1)]
        found_ = [Derived(one, ids=ids.slice(low, high - low)) for one, low, high in zip(files, ends, ends[1:], strict=False)]
        for one in found_:
            one.untyped = untyped
        return list(found_)

    def _say_foreign(self, source: Source) -> None:
        """Say which columns of somebody else's table are left out, though the contract has their names."""
        if source.kind.name == "features" and self.vectors.scale is None and self.console is not None:
            for name in {scale_beside(one, self.names) for one in source.fragments if not source.is_ours(one)} - {""}:
                text = f"whole numbers are used as they are; if column {name!r} is their scale: --scale {name}"
                self.console.info(f"{source.name}: {text}")
        for name in FOREIGN.get(source.kind.name, ()):
            foreign = any(name in one.names and not source.is_ours(one) for one in source.fragments)
            if foreign and name not in self.names and self.console is not None:
                text = f"column {name!r} is left out because altool did not write it; to use it: --columns {name}={name}"
                self.console.info(f"{source.name}: {text}")

    @property
    def versions(self) -> dict[str, str]:
        """`versions` of all tables of the run."""
        return lakes.versions(self.sources)

    def add(self, source: Source) -> None:
        """Take in a table that another reader opened: its ids must match too."""
        self.sources.append(source)

    def use(self, columns: Iterable[str]) -> None:
        """What is no table here has these contract columns under their `--columns` names."""
        self._used |= set(columns)

    def match_ids(self, others: Iterable[tuple[str, pa.DataType | None]] = (), otherwise: pa.DataType = UNTYPED) -> pa.DataType:
        """Check that all tables' ids are of one type, and give it to the CSV tables, whose ids have none. Returns the type: `otherwise`
        where no table has one.

        `others` are the names and types of ids that are not read here; they must match too (None: they are of either type). Also raises
        UsageError for a `--columns` name that no table has.
        """
        with_ids = [source for source in self.sources if "id" in source.kind.columns]
        named = [*((source.name, source.id_type) for source in with_ids), *others]
        typed = [(name, id_type) for name, id_type in named if id_type is not None]
        first, common = typed[0] if typed else ("", otherwise)
        for name, id_type in typed:
            if id_type != common:
                raise InputError(
                    f"{name}, column 'id': ids are {id_type}, but {first} has {common}", "write the ids of every table as the same type"
                )
        for source in with_ids:
            source.id_type = common
        of_others = (one for one in self.sources if one.kind.name == "predictions" for file in one.fragments if not one.is_ours(file))
        if self.layout.option and next(of_others, None) is None:
            raise UsageError(f"{self.layout.option} has no effect: no predictions of another tool are read", "leave it out")
        of_others = (one for one in self.sources if one.kind.name == "features" for file in one.fragments if not one.is_ours(file))
        if self.vectors.option and next(of_others, None) is None:
            raise UsageError(f"{self.vectors.option} has no effect: no features of another tool are read", "leave it out")
        if self.ids is not None and not self._numbered:
            raise UsageError("--ids has no effect: all tables have ids", "leave it out")
        unused = [name for name in self.names if name not in self._used]
        if unused:
            raise UsageError(f"--columns: no table of this run has a column {', '.join(repr(self.names[name]) for name in unused)}")
        return common


def meaning(zone: str | None, unit: str | None, unlabeled: Sequence[str] | None) -> Meaning:
    """What `--time-zone`, `--time-unit` and `--unlabeled-value` say. Raises UsageError for a zone or a unit that there is none of."""
    return Meaning(clock(zone, unit), tuple(unlabeled or ()))


def parse_columns(text: str | None) -> dict[str, str]:
    """`id=item_id,features=embedding` as {contract name: name in the table}; `source=` leaves a column out, as ""."""
    known = {column for kind in KINDS.values() for column in kind.columns}
    names = {}
    for part in filter(None, (text or "").split(",")):
        name, equals, other = part.partition("=")
        if not equals or name not in known:
            raise UsageError(
                f"--columns: {part!r} is not COLUMN=YOUR_NAME",
                "give for example --columns id=item_id,features=embedding; source= leaves one out",
            )
        names[name] = other
    return names


def parse_classes(text: str | None, option: str = "--classes") -> tuple[str, ...] | None:
    """`a,b,c`, or a file with one class per line or a JSON list: what `option` says. Raises InputError for a file that is neither."""
    if text is None:
        return None
    if names_object(text) or (os.path.exists(text) and not os.path.isdir(text)):
        label = f"{option} {text}"
        found = listing(label, text)
        with stream(found.paths[0], found.filesystem) as file:
            content = decode(file.read(), label)
        classes: Sequence[Any] = _listed(label, content) if content.lstrip().startswith("[") else content.splitlines()
    else:
        classes = text.split(",")
    classes = [str(name).strip() for name in classes if str(name).strip()]
    if not classes:
        raise UsageError(f"{option}: {text!r} names no class", f"give for example {option} cat,dog")
    if twice := sorted({name for name in classes if classes.count(name) > 1}):
        raise UsageError(f"{option}: duplicate class {twice[0]!r}", "name every class once")
    return tuple(classes)


def _listed(label: str, content: str) -> list[Any]:
    """The names in a JSON list."""
    found = load_json(content, label)
    if not (isinstance(found, list) and all(isinstance(name, str | int) for name in found)):
        raise InputError(f"{label}: not a list of class names", 'write ["cat", "dog"], or one class per line')
    return found


def _refuse_twins(source: Source) -> None:
    """Raise InputError where two columns of a file go by the name of one that the contract has."""
    for file in source.fragments:
        names = file.schema.names
        if len(file.names) == len(names):
            continue
        asked = {source.names.get(column) or column for column in source.kind.columns} | set(ALIASES.get(source.kind.name, {}).values())
        twins = sorted({name for name in names if names.count(name) > 1 and (name in asked or name.startswith(WIDE_PREFIX))})
        if twins:
            raise InputError(f"{source.name}: two columns of {file.path} are called {twins[0]!r}", "give every column its own name")


def _named_as(one: Fragment, kind: Kind) -> Fragment:
    """The only matrix of a file of arrays under the name of the table's, which it does not have itself."""
    wanted = [name for name, type_ in kind.columns.items() if type_ == MATRIX]
    if not isinstance(one, MemoryFragment) or ARRAYS not in (one.schema.metadata or {}) or not wanted or wanted[0] in one.names:
        return one
    matrices = [field.name for field in one.schema if pa.types.is_fixed_size_list(field.type)]
    if len(matrices) != 1:
        return one
    table = one.table.rename_columns([wanted[0] if name == matrices[0] else name for name in one.table.column_names])
    return replace(one, table=table.replace_schema_metadata(one.schema.metadata))


def _gather(source: Source, label: str, score: str) -> None:
    """A table with a row per id and class becomes one with a row per id. Raises InputError where an id has a class twice, or none."""
    first, name = source.fragments[0], source.name
    comma = any(one.decimal_comma for one in source.fragments)
    ids, labels, scores = [], [], []
    for part, raw in source.as_they_are([label, score]):
        ids.append(part)
        texts = columns.plain(raw.column(label))
        labels.append(columns.cast(name, source.location, texts, "label", pa.string(), part, comma=False))
        numbers = columns.plain(raw.column(score))
        scores.append(columns.cast(name, source.location, numbers, score, pa.float64(), part, comma=comma))
    whole = pa.table([pa.chunked_array(part) for part in (ids, labels, scores)], ["id", "label", "score"])
    rows, matrix, classes = gathered(name, whole, source.declared, source.layout.absent)
    table = pa.table({source.physical(first, "id") or "id": rows, "probabilities": matrix})
    table = table.replace_schema_metadata({"altool.classes": json.dumps(classes)})
    one = MemoryFragment(source.location, table, untyped=all(file.untyped for file in source.fragments))
    source.fragments = [one]
    source.metadata = {f"altool.{key}": value for key, value in one.facts.items()}


def _id_type(source: Source) -> pa.DataType | None:
    if "id" not in source.kind.columns:
        return None
    found: dict[pa.DataType, str] = {}
    for file in source.fragments:
        name = source.physical(file, "id")
        if not file.untyped and name in file.names:
            kind = file.schema.field(name).type
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
                found.setdefault(pa.int64(), file.path)
            elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view() or columns.is_uuid(kind):
                found.setdefault(pa.string(), file.path)
            else:
                raise InputError(
                    f"{source.name}, column 'id': ids are {kind}; they must be strings or integers", "write them as one of these"
                )
    if len(found) > 1:
        raise InputError(
            f"{source.name}, column 'id': strings in {found[pa.string()]}, integers in {found[pa.int64()]}", "write all files alike"
        )
    return next(iter(found), None)

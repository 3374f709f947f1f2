"""One table of the contract as its files hold it: streamed, under the contract's column names and types, checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.engines.local import ordered_map
from altool.errors import InputError
from altool.tables import advice, check, columns, layout
from altool.tables import classes as class_lists
from altool.tables.check import short
from altool.tables.fragments import BATCH_BYTES, Fragment
from altool.tables.layout import Layout
from altool.tables.schema import ALIASES, ALWAYS, FOREIGN, MATRIX, Kind
from altool.tables.values import Clock

Result = TypeVar("Result")

BATCH_ROWS = (64, 65_536)
SPARSE = 4  # where fewer than one row in so many is wanted, rows are read one by one


class Listener(Protocol):
    """Who hears what a table has to say of itself: a command's console."""

    def info(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...


@dataclass(frozen=True)
class Meaning:
    """What the command line says of labels and times that do not say it themselves."""

    clock: Clock = field(default_factory=Clock)
    unlabeled: tuple[str, ...] = ()  # --unlabeled-value: labels that mean there is none


@dataclass(frozen=True)
class Piece:
    """A unit of reading: one row group of one fragment, in batches of so many rows; `start` is its first row in the whole table."""

    fragment: int
    group: int
    batch_rows: int
    start: int


def plan(fragments: Sequence[Fragment], columns: Sequence[Sequence[str]], least: int = BATCH_ROWS[0]) -> list[Piece]:
    """The pieces to read, in file order; `columns` are each fragment's physical columns. Batches aim at 4 MiB, with no fewer rows than
    `least`."""
    low, high = least, BATCH_ROWS[1]
    pieces = []
    start = 0
    for index, file in enumerate(fragments):
        for group, rows in enumerate(file.group_rows):
            if rows:
                size = max(1.0, file.row_bytes(group, columns[index]))
                pieces.append(Piece(index, group, int(min(high, max(low, BATCH_BYTES / size))), start))
            start += rows
    return pieces


@dataclass
class Source:
    """One table of the contract, wherever it lies. Columns carry the contract's names; rows come in file order.

    Every file is read by its own metadata; the first one's is `metadata`. `id_type` is string or int64; where no file gives its ids a type
    (CSV, folder names) it is None until `Reader.match_ids` takes over the other tables' type.
    """

    kind: Kind
    location: str
    fragments: Sequence[Fragment]
    names: dict[str, str]  # contract name -> name from --columns; "" leaves the column out
    id_type: pa.DataType | None
    metadata: dict[str, str]
    declared: tuple[str, ...] | None  # --classes
    meaning: Meaning = field(default_factory=Meaning)
    console: Listener | None = None
    layout: Layout = field(default_factory=Layout)
    rounded: bool = False  # was it said that its probabilities are?
    version: str = ""  # of a table with a log: which of its versions is read

    @property
    def name(self) -> str:
        return f"{self.kind.name} {self.location}"

    @cached_property
    def num_rows(self) -> int:
        return sum(sum(fragment.group_rows) for fragment in self.fragments)

    def physical(self, fragment: Fragment, column: str) -> str | None:
        """The name under which a fragment holds a contract column; None if it does not hold it, or not as the contract means it."""
        other = self.names.get(column)
        if other == "" or (column == "probabilities" and self.layout.wide and not self.is_ours(fragment)):
            return None
        if other is not None and (other in fragment.names or other in fragment.constants):
            return other
        alias = ALIASES.get(self.kind.name, {}).get(column)
        if alias in fragment.names and other is None:
            return alias
        if column not in fragment.names and column not in fragment.constants:
            return None
        return None if column in FOREIGN.get(self.kind.name, ()) and not self.is_ours(fragment) else column

    def is_ours(self, fragment: Fragment) -> bool:
        """Did altool write this file? Its metadata say it, or for queries, which may be CSV, the columns that they always have."""
        return "kind" in fragment.facts or (self.kind.name == "queries" and fragment.names.issuperset(ALWAYS["queries"]))

    def _by_class(self, fragment: Fragment) -> dict[str, str]:
        """{class: its column} of a file of predictions with a column per class; {} where it has none of probabilities, or one for all."""
        if self.kind.name != "predictions" or self.physical(fragment, "probabilities"):
            return {}
        said = Layout() if self.is_ours(fragment) else self.layout
        return {} if said.lacks(fragment.schema.names) else said.by_class(fragment.schema.names, self.declared)

    def wide(self, fragment: Fragment) -> list[str]:
        """The fragment's columns of one class each, in class order, or its column of scores, where it has no probabilities column."""
        if self._scored(fragment):
            return [self.layout.score] if self.layout.score in fragment.names else []
        if not (found := self._by_class(fragment)):
            return []
        if set(found) != set(self.classes):
            raise class_lists.other(self.name, fragment.path, self.fragments[0].path, list(found), self.classes)
        return [found[name] for name in self.classes]

    def _scored(self, fragment: Fragment) -> bool:
        """Does the file hold one score, of the second of two classes?"""
        return self.kind.name == "predictions" and bool(self.layout.score) and not self.is_ours(fragment)

    def long(self, fragment: Fragment) -> tuple[str, str] | None:
        """The columns of the label and of the score of a file with a row per id and class; None of any other."""
        long = self.layout.long if self.kind.name == "predictions" and not self.is_ours(fragment) else None
        return None if long is None or self.layout.lacks(fragment.schema.names) else long

    def _holds(self, fragment: Fragment, column: str) -> bool:
        return bool(self.physical(fragment, column) or (column == "probabilities" and (self.wide(fragment) or self.long(fragment))))

    def __contains__(self, column: str) -> bool:
        return any(self._holds(fragment, column) for fragment in self.fragments)

    def _by_name(self, fragment: Fragment) -> str | None:
        """The column of probabilities that names the class of each itself (a struct, a map, lists of pairs); None where there is none."""
        name = self.physical(fragment, "probabilities") if self.kind.name == "predictions" else None
        return name if name in fragment.names and layout.is_named(fragment.schema.field(name).type) else None

    @property
    def knows_classes(self) -> bool:
        """Does the table, or `--classes`, say which class each probability belongs to?"""
        first = self.fragments[0]
        unnamed = self.physical(first, "probabilities") and not self._by_name(first)
        named = "altool.classes" in self.metadata or bool(self.declared) or not unnamed
        return self.kind.name == "predictions" and self._holds(first, "probabilities") and named

    def _named(self, fragment: Fragment) -> tuple[str, ...] | None:
        """The classes that a file names itself, in its own order: in its metadata or in the names of its columns."""
        if self.kind.name == "predictions" and not self.physical(fragment, "probabilities"):
            return None if self._scored(fragment) else tuple(self._by_class(fragment)) or None
        if column := self._by_name(fragment):
            if pa.types.is_struct(fragment.schema.field(column).type):
                return tuple(layout.names_of(fragment, column))
            return self._named_by_rows
        if "classes" not in fragment.facts:
            return None
        return class_lists.of_metadata(f"{self.name}: {fragment.path}", fragment.facts["classes"])

    @cached_property
    def _named_by_rows(self) -> tuple[str, ...]:
        """The classes that the rows of all files name, in maps or lists of pairs; those of --classes where these are more."""
        columns_ = ((fragment, self._by_name(fragment)) for fragment in self.fragments)
        found = {name for fragment, column in columns_ if column for name in layout.names_of(fragment, column)}
        return self.declared if self.declared and found <= set(self.declared) else tuple(sorted(found))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class of each probability, in order: from the first file's metadata or `p:CLASS` names, or from `--classes`.

        Raises InputError where none of them says it, or where they disagree; the same names in another order do not disagree.
        """
        found = self._named(self.fragments[0]) or self.declared
        if not found:
            raise InputError(f"{self.name}: the classes of its probabilities are unnamed", "name them in order: --classes a,b,c")
        return class_lists.checked(self.name, found, self.declared)

    @cached_property
    def _orders(self) -> dict[str, np.ndarray | None]:
        """Where each file keeps the table's classes, None where it has them in the table's order."""
        orders: dict[str, np.ndarray | None] = {}
        for fragment in self.fragments:
            own = self._named(fragment) if self.physical(fragment, "probabilities") else None
            if own is None or not self.knows_classes or own == self.classes:
                named = own is not None or not self.knows_classes or self.declared or not self.physical(fragment, "probabilities")
                if not named:
                    raise InputError(
                        f"{self.name}: the classes of the probabilities are unnamed in {fragment.path}, and named in other files",
                        "name the classes of all its files in order: --classes a,b,c",
                    )
                orders[fragment.path] = None
                continue
            if self._by_name(fragment) and set(own) == set(self.classes):
                orders[fragment.path] = None
            elif set(own) != set(self.classes) or len(own) != len(self.classes):
                raise class_lists.other(self.name, fragment.path, self.fragments[0].path, own, self.classes)
            else:
                place = {name: number for number, name in enumerate(own)}
                orders[fragment.path] = np.array([place[name] for name in self.classes])
        return orders

    def is_half(self, column: str) -> bool:
        """Do all files hold this matrix column as float16?"""
        names = [self.physical(fragment, column) for fragment in self.fragments]
        types = [fragment.schema.field(name).type for fragment, name in zip(self.fragments, names, strict=True) if name]
        return bool(types) and all(hasattr(type_, "value_type") and pa.types.is_float16(type_.value_type) for type_ in types)

    def require(self, *wanted: str) -> None:
        """Raise InputError unless every fragment holds these contract columns: one message for all that a file lacks."""
        for fragment in self.fragments:
            if missing := [column for column in wanted if not self._holds(fragment, column)]:
                foreign = not self.is_ours(fragment)
                where = "" if fragment.path == self.location else fragment.path
                raise advice.missing(self.name, where, self.kind, fragment, missing, self.layout if foreign else Layout())

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
            for raw in self._raw(piece, wanted):
                try:
                    results.append(function(self._conform(self.fragments[piece.fragment], raw, columns), start))
                except check.RowFaults as error:
                    faults.append(error)
                start += len(raw)
            return results

        for results in ordered_map(work, plan(self.fragments, wanted), threads):
            if not faults:
                yield from results
        check.raise_faults(self.name, faults)

    def gather(
        self, columns: Sequence[str], rows: np.ndarray, ids: pa.Array, function: Callable[[pa.RecordBatch, int], None], *, threads: int = 0
    ) -> None:
        """Call `function(batch, start)` for all of the rows at these places of the whole table (int64, increasing) and no others, with the
        column `id` and these; `start` is the place of the batch's first among `rows`, whose `ids` are known.

        A row group without any of them is not read, and where one matrix lies in the file as it is in memory, no other rows are. Faults of
        these rows are raised as `scan` does.
        """
        wanted = [self._columns(fragment, columns) for fragment in self.fragments]
        faults: list[check.RowFaults] = []

        def work(piece: Piece) -> None:
            for raw, start in self._some(piece, wanted, rows):
                fragment = self.fragments[piece.fragment]
                if (name := self.physical(fragment, "id")) in fragment.names:
                    raw = raw.append_column(name, ids[start : start + len(raw)])
                try:
                    function(self._conform(fragment, raw, ["id", *columns]), start)
                except check.RowFaults as error:
                    faults.append(error)

        for _ in ordered_map(work, plan(self.fragments, wanted), threads):
            pass
        check.raise_faults(self.name, faults)

    def _some(self, piece: Piece, wanted: Sequence[list[str]], rows: np.ndarray) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows of a piece that are among `rows`, in batches, and where in it each batch begins."""
        fragment, names = self.fragments[piece.fragment], wanted[piece.fragment]
        size = fragment.group_rows[piece.group]
        first, last = np.searchsorted(rows, [piece.start, piece.start + size])
        inside = rows[first:last] - piece.start
        if len(names) == 1 and 0 < SPARSE * len(inside) < size:
            with self._readable(fragment):
                few = fragment.some(piece.group, names[0], inside)
            if few is not None:
                yield few, int(first)
                return
        start = 0
        for raw in self._raw(piece, wanted) if len(inside) else ():
            low, high = np.searchsorted(inside, [start, start + len(raw)])
            if low < high:
                yield raw.take(pa.array(inside[low:high] - start)), int(first + low)
            start += len(raw)

    def stream(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The batches that `scan` works on, one at a time in file order and cut by bytes: for rows of which a row group, or a few dozen
        rows, are too large to hold (images)."""
        wanted = [self._columns(fragment, columns) for fragment in self.fragments]
        for piece in plan(self.fragments, wanted, least=1):
            for raw in self._raw(piece, wanted, fold=True):
                try:
                    yield self._conform(self.fragments[piece.fragment], raw, columns)
                except check.RowFaults as error:
                    check.raise_faults(self.name, [error])

    def _raw(self, piece: Piece, wanted: Sequence[list[str]], *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        fragment = self.fragments[piece.fragment]
        batches = fragment.batches(piece.group, wanted[piece.fragment], piece.batch_rows, fold=fold)
        while True:
            with self._readable(fragment):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _readable(self, fragment: Fragment) -> Iterator[None]:
        """Raises InputError for what goes wrong within it as the file is read."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.name}: {fragment.path} is damaged ({short(error)})", "write it again") from error

    def check(self, column: str, ids: pa.Array, rows: np.ndarray) -> None:
        """Refuse rows (n, width) of a matrix column that break its rules, and say once where sums are those of rounded numbers."""
        if column == "features":
            check.features(ids, rows)
        elif check.probabilities(ids, rows) and not self.rounded:
            self.rounded = True
            if self.console is not None:
                self.console.info(f"{self.name}: probabilities are rounded, and used as they are though some rows do not sum to 1")

    def as_they_are(self, names: Sequence[str]) -> Iterator[tuple[pa.Array, pa.RecordBatch]]:
        """The ids of the rows, and the columns that the files themselves call so, whatever they hold, in file order."""
        wanted = [list(dict.fromkeys([*self._columns(fragment, ["id"]), *names])) for fragment in self.fragments]
        for piece in plan(self.fragments, wanted, least=1):
            for raw in self._raw(piece, wanted):
                yield self._conform(self.fragments[piece.fragment], raw, ["id"]).column(0), raw.select(list(names))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole table, in file order, with the contract columns (all by default) that it has; the rest are absent."""
        names = [name for name in columns or self.kind.columns if name in self]
        batches = list(self.scan(names, lambda batch: batch, threads=1))
        return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in names})

    def _columns(self, fragment: Fragment, wanted: Sequence[str]) -> list[str]:
        physical = []
        for column in wanted:
            if column == "probabilities" and (wide := self.wide(fragment)):
                physical += wide
            else:
                name = self.physical(fragment, column)
                if name is not None and name in fragment.names:
                    physical.append(name)
        return physical or fragment.schema.names[:1]

    def _conform(self, fragment: Fragment, raw: pa.RecordBatch, wanted: Sequence[str]) -> pa.RecordBatch:
        """The batch under the contract's names and types. Raises RowFaults for rows that hold something else."""
        arrays: list[pa.Array] = []
        names: list[str] = []
        for column in wanted:
            ids = arrays[0] if names[:1] == ["id"] else None
            if column == "probabilities" and (wide := self.wide(fragment)):
                numbers = [layout.single(columns.plain(raw.column(name))) for name in wide]
                array = columns.stack(numbers, wide, fragment.decimal_comma, ids)
                array = self.layout.both(array) if self._scored(fragment) else array
            else:
                name = self.physical(fragment, column)
                if name is None:
                    if column not in self:
                        continue
                    array = pa.nulls(raw.num_rows, self._type(column))
                else:
                    array = self._array(fragment, raw, name, column)
                    array = self._cast(fragment, array, column, ids)
            if column == "id" and array.null_count:
                check.mark(array, "id", {"without an id": np.asarray(array.is_null())})
            if column == "probabilities" and self.layout.scale and not self.is_ours(fragment):
                array = self.layout.scaled(array, ids)
            arrays.append(array)
            names.append(column)
        return pa.RecordBatch.from_arrays(arrays, names)

    def _array(self, fragment: Fragment, raw: pa.RecordBatch, name: str, column: str) -> pa.Array:
        """A column of the file, or of its folder's name. Raises InputError where the two disagree."""
        constant = fragment.constants.get(name)
        if name not in fragment.names:
            return pa.repeat(pa.scalar(constant, pa.string()), raw.num_rows)
        array = columns.plain(raw.column(name))
        if name in fragment.constants:
            same = array.is_null() if constant is None else pc.fill_null(pc.equal(array.cast(pa.string()), constant), False)
            if not pc.all(same).as_py() and not _same_number(array, constant):
                other = array.filter(pc.invert(same))[0].as_py()
                raise InputError(
                    f"{self.name}, column {column!r}: {fragment.path} holds {other!r}, its folder's name gives {constant!r}",
                    "write the file into the folder of its value",
                )
        return columns.class_names(fragment.schema, name, array) if column in columns.NAMES else array

    def _type(self, column: str) -> pa.DataType:
        return self.id_type or pa.string() if column in ("id", "other_id") else self.kind.columns[column]

    def _cast(self, fragment: Fragment, array: pa.Array, column: str, ids: pa.Array | None) -> pa.Array:
        wanted = self._type(column)
        if column == "probabilities" and self._by_name(fragment):
            return layout.listed(array, self.classes, ids, self.layout.absent)
        if wanted == MATRIX:
            order = self._orders[fragment.path] if column != "features" else None
            return columns.fixed(self.name, fragment.path, layout.flat(array, column, ids), column, ids, order)
        if pa.types.is_timestamp(wanted):
            return columns.instants(array, column, ids, self.meaning.clock)
        if pa.types.is_integer(array.type) and column == "label" and self.kind.name == "labels":
            columns.refuse_codes(array, ids, (*self.meaning.unlabeled, *(self.declared or ())))
        array = columns.cast(self.name, fragment.path, array, column, wanted, ids, comma=fragment.decimal_comma)
        columns.utf8(self.name, fragment.path, column, array)
        return array


def _same_number(array: pa.Array, text: str | None) -> bool:
    """Are all of the column's integers the one that the text means?"""
    if text is None or not pa.types.is_integer(array.type):
        return False
    try:
        return bool(pc.all(pc.fill_null(pc.equal(array, int(text)), False)).as_py())
    except (ValueError, OverflowError, pa.ArrowException):
        return False


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

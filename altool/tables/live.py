"""A data file of a table with a log: its columns under the table's names, without the rows that were deleted since it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables.fragments import Fragment, ParquetFragment, fragment
from altool.text import count

MEND = "mend the table with the tool that wrote it"  # the hint where a log and its files disagree
FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True)
class Column:
    """A column of the table in one file: its `type`, and the `name` that it has there. Without a name it is not there, and `value` is that
    of all rows (None: null). A `problem` says why it cannot be read."""

    type: pa.DataType
    name: str | None = None
    value: pa.Scalar | None = None
    problem: str = ""

    def repeated(self, rows: int) -> pa.Array:
        """The column where the file does not hold it."""
        return pa.nulls(rows, self.type) if self.value is None else pa.repeat(self.value, rows)


@dataclass
class Live:
    """A file of which the table has these `columns`, and the rows that are `kept` (bool, one per row of the file; None: all)."""

    inner: Fragment
    columns: Mapping[str, Column]
    kept: np.ndarray | None = None
    constants: Mapping[str, str | None] = field(default_factory=dict)
    untyped: bool = False
    decimal_comma: bool = False

    def __post_init__(self) -> None:
        self.path = self.inner.path

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, column.type) for name, column in self.columns.items()], self.inner.schema.metadata)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.columns)

    @property
    def facts(self) -> Mapping[str, str]:
        return self.inner.facts

    @cached_property
    def _starts(self) -> list[int]:
        """The first row of each row group in the file, and behind the last."""
        return [0, *np.cumsum(self.inner.group_rows).tolist()]

    @cached_property
    def group_rows(self) -> Sequence[int]:
        if self.kept is None:
            return self.inner.group_rows
        return [int(self.kept[low:high].sum()) for low, high in zip(self._starts, self._starts[1:], strict=False)]

    def _held(self, columns: Sequence[str]) -> list[str]:
        """The columns of the file that these are made of. Raises InputError for one that cannot be read."""
        for name in columns:
            if problem := self.columns[name].problem:
                raise InputError(f"{self.path}, column {name!r}: {problem}", "write the table's rows to a Parquet file")
        held = [own for one in columns if (own := self.columns[one].name) is not None]
        return list(dict.fromkeys(held)) or self.inner.schema.names[:1]

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return self.inner.row_bytes(group, self._held(columns))

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        start = self._starts[group]
        for batch in self.inner.batches(group, self._held(columns), rows, fold=fold):
            if self.kept is not None:
                kept = self.kept[start : start + len(batch)]
                start += len(batch)
                if not kept.any():
                    continue
                batch = batch if kept.all() else batch.filter(pa.array(kept))
            arrays = [batch.column(one.name) if one.name else one.repeated(len(batch)) for one in map(self.columns.__getitem__, columns)]
            yield pa.RecordBatch.from_arrays(arrays, list(columns))

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        name = self.columns[column].name
        if name is None or self.columns[column].problem:
            return None
        if self.kept is not None:
            wanted = np.flatnonzero(self.kept[self._starts[group] : self._starts[group + 1]])[wanted]
        found = self.inner.some(group, name, wanted)
        return None if found is None else pa.RecordBatch.from_arrays(found.columns, [column])


def data_file(label: str, path: str) -> ParquetFragment:
    """A data file of a table with a log. Raises InputError, which begins with `label`, where it cannot be read, or is no Parquet file."""
    found = fragment(label, path, None, {})
    if not isinstance(found, ParquetFragment):
        raise InputError(f"{label}: {path} is no Parquet file, as its log says", MEND)
    return found


def held(schema: pa.Schema, name: str | None, otherwise: Column, problem: str = "") -> Column:
    """The column that a file of this schema calls `name`, with a `problem` that it has; `otherwise` where it has none of this name."""
    if name is None or name not in schema.names:
        return otherwise
    twice = "two columns are called so" if schema.names.count(name) > 1 else ""
    return Column(pa.null() if twice else schema.field(name).type, name, problem=problem or twice)


def by_field_id(fields: Iterable[pa.Field]) -> dict[int, str]:
    """{number by which a log knows a field: its name} of a file's columns, or of a struct's fields."""
    return {int(field.metadata[FIELD_ID]): field.name for field in fields if FIELD_ID in (field.metadata or {})}


def live(label: str, inner: ParquetFragment, columns: Mapping[str, Column], kept: np.ndarray | None) -> Live:
    """The file with these columns. Raises InputError, which begins with `label`, where it holds none of them, or other rows than `kept`."""
    rows = sum(inner.group_rows)
    if rows and columns and not any(one.name for one in columns.values()):
        raise InputError(f"{label}: {inner.path} holds none of the columns that its log names", MEND)
    if kept is not None and len(kept) != rows:
        raise InputError(f"{label}: {inner.path} holds {count(rows, 'row')}, its log deletes from {len(kept):,}", MEND)
    return Live(inner, columns, kept)

"""A file of a table with columns that it does not hold as such: fields of its structs, and ids from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.tables.fragments import Fragment
from altool.tables.tar_items import TarItems


class Wrapping:
    """A file that has the rows of the `inner` one, and other columns."""

    inner: Fragment
    schema: pa.Schema

    def __post_init__(self) -> None:
        self.path, self.constants = self.inner.path, self.inner.constants
        self.untyped, self.decimal_comma = self.inner.untyped, self.inner.decimal_comma

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.schema.names)

    @property
    def facts(self) -> Mapping[str, str]:
        return self.inner.facts

    @property
    def group_rows(self) -> Sequence[int]:
        return self.inner.group_rows


@dataclass
class Derived(Wrapping):
    """A file whose `paths`, {name: the names from its struct inwards}, are columns too (or instead of the one that is called so), which has
    no column `hidden`, and whose rows have these `ids`."""

    inner: Fragment
    paths: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ids: pa.Array | None = None
    hidden: str = ""

    @cached_property
    def schema(self) -> pa.Schema:
        kept = [field for field in self.inner.schema if field.name not in self.paths and field.name != self.hidden]
        schema = pa.schema(kept, self.inner.schema.metadata)
        for name, path in self.paths.items():
            schema = schema.append(pa.field(name, _type(self.inner.schema, path) or pa.null()))
        return schema if self.ids is None else schema.append(pa.field("id", self.ids.type))

    def _held(self, columns: Sequence[str]) -> list[str]:
        """The columns of the file that these are made of."""
        own = [name for name in columns if name != "id" or self.ids is None]
        return list(dict.fromkeys(self.paths[name][0] if name in self.paths else name for name in own)) or self.inner.schema.names[:1]

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return self.inner.row_bytes(group, self._held(columns))

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        start = sum(self.group_rows[:group])
        for batch in self.inner.batches(group, self._held(columns), rows, fold=fold):
            arrays = []
            for name in columns:
                if name == "id" and self.ids is not None:
                    arrays.append(self.ids.slice(start, len(batch)))
                    continue
                root, *fields = self.paths.get(name, (name,))
                array = batch.column(root)
                arrays.append(pc.struct_field(array, fields) if fields else array)
            start += len(batch)
            yield pa.RecordBatch.from_arrays(arrays, list(columns))

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        return None if column in self.paths else self.inner.some(group, column, wanted)


def reaching(one: Fragment, names: Mapping[str, str]) -> Fragment:
    """The file with the fields of structs that --columns names as STRUCT.FIELD, where no column of the file is called so."""
    if isinstance(one, TarItems):
        return one.reaching(names)
    paths = {name: name.split(".") for name in names.values() if "." in name and name not in one.names}
    paths = {name: path for name, path in paths.items() if _type(one.schema, path) is not None}
    return Derived(one, paths) if paths else one


def pictured(one: Fragment, names: Mapping[str, str]) -> Fragment:
    """A file of items whose images are structs of bytes and a path, as Hugging Face writes them, with a column of the bytes; of the paths,
    where its first row has no bytes."""
    column, path = names.get("image", "image"), names.get("path") or "path"
    type_ = one.schema.field(column).type if one.schema.names.count(column) == 1 else pa.null()
    if not pa.types.is_struct(type_) or {field.name for field in type_} != {"bytes", "path"} or not sum(one.group_rows):
        return one
    group = next(number for number, rows in enumerate(one.group_rows) if rows)
    first = next(one.batches(group, [column], 1)).column(column)[0].as_py() or {}
    if first.get("bytes") is None and first.get("path") is not None:
        return Derived(one, {path: (column, "path")}, hidden=column)
    return Derived(one, {column: (column, "bytes")})


def _type(schema: pa.Schema, path: Sequence[str]) -> pa.DataType | None:
    """The type of a field within structs; None where there is none."""
    root, *fields = path
    found = schema.field(root).type if schema.names.count(root) == 1 else None
    for name in fields:
        if found is None or not pa.types.is_struct(found) or found.get_field_index(name) < 0:
            return None
        found = found.field(name).type
    return found

"""How features of other tools hold their vectors: one column per number, and numbers that count in units of a scale (int8 embeddings)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError, UsageError
from altool.tables import columns
from altool.tables.derived import Wrapping
from altool.tables.fragments import Fragment
from altool.text import count

FEATURES = "features"


@dataclass(frozen=True)
class Vectors:
    """What the command line says of the features of tables that altool did not write: the `prefix` of a column per number
    (--feature-prefix, "" for columns that are called by numbers; None: one column holds them), and the `scale` (--scale) by which all are
    multiplied, a number or the column that holds each row's."""

    prefix: str | None = None
    scale: float | str | None = None

    @property
    def option(self) -> str:
        """The option that is given, "" where none is."""
        return "--feature-prefix" if self.prefix is not None else "--scale" if self.scale is not None else ""

    def of(self, label: str, one: Fragment, names: Mapping[str, str]) -> Fragment:
        """The file with its vectors in a column `features`. Raises InputError, which begins with `label`, where it does not have what they
        are made of."""
        if not self.option:
            return one
        held = names.get(FEATURES) or FEATURES
        wide = [] if self.prefix is None else self._by_place(label, one, self.prefix)
        if self.prefix is None and held not in one.names:
            return one  # which is said as for any other table
        if isinstance(self.scale, str) and self.scale not in one.names:
            problem = f"{one.path} has no column {self.scale!r}, which --scale names"
            raise InputError(f"{label}: {problem}", "name the column of each row's scale")
        return Scaled(one, wide or [held], self.scale)

    def _by_place(self, label: str, one: Fragment, prefix: str) -> list[str]:
        """The columns that are called by the prefix and a number, in the order of the numbers, which follow on each other."""
        found: dict[int, str] = {}
        for name in one.schema.names:
            ending = name[len(prefix) :] if name.startswith(prefix) else ""
            if ending.isdecimal() and ending.isascii():
                if int(ending) in found:
                    raise InputError(
                        f"{label}: columns {found[int(ending)]} and {name} of {one.path} have the same number", "rename one of them"
                    )
                found[int(ending)] = name
        if not found:
            problem = f"{one.path} has no column called {prefix!r} and a number"
            raise InputError(f"{label}: {problem}", "name what comes before the number: --feature-prefix embedding_")
        if missing := [number for number in range(min(found), max(found)) if number not in found]:
            problem = f"{one.path} has {count(len(found), 'column')} of vectors, but no {prefix}{missing[0]}"
            raise InputError(f"{label}: {problem}", "write all of them")
        return [found[number] for number in sorted(found)]


def scale_beside(one: Fragment, names: Mapping[str, str]) -> str:
    """The column that may be the scale of a file's whole numbers, by its name; "" where there is none, or the numbers are not whole."""
    held = names.get(FEATURES) or FEATURES
    type_ = one.schema.field(held).type if one.schema.names.count(held) == 1 else pa.null()
    if not hasattr(type_, "value_type") or not pa.types.is_integer(type_.value_type):
        return ""
    numbers = (field.name for field in one.schema if pa.types.is_floating(field.type))
    return next((name for name in numbers if "scale" in name.lower()), "")


class Given(Protocol):
    """The options of a command that reads features."""

    @property
    def feature_prefix(self) -> str | None: ...
    @property
    def scale(self) -> str | None: ...


def vector_shape(options: Given) -> Vectors:
    """What --feature-prefix and --scale say. Raises UsageError where they cannot be understood."""
    return of_options(options.feature_prefix, options.scale)


def of_options(prefix: str | None, scale: str | None) -> Vectors:
    """`vector_shape` of single options."""
    if scale is None:
        return Vectors(prefix)
    try:
        number = float(scale)
    except ValueError:
        number = math.nan
    if not scale or math.isinf(number) or number == 0 or (math.isnan(number) and scale.strip().lower() in ("nan", "-nan", "+nan")):
        raise UsageError(f"--scale: expected a number other than 0 or a column, found {scale!r}", "give for example --scale 0.0078")
    return Vectors(prefix, scale if math.isnan(number) else number)


@dataclass
class Scaled(Wrapping):
    """A file whose vectors, a column `features`, are the numbers of the columns `wide` (one that holds lists, or one per number), times
    the `scale`."""

    inner: Fragment
    wide: Sequence[str]
    scale: float | str | None

    @cached_property
    def schema(self) -> pa.Schema:
        kept = [field for field in self.inner.schema if field.name != FEATURES]
        return pa.schema([*kept, pa.field(FEATURES, pa.list_(pa.float32()))], self.inner.schema.metadata)

    def _held(self, names: Sequence[str]) -> list[str]:
        own = [self.scale] if isinstance(self.scale, str) else []
        held = [one for name in names for one in ([*self.wide, *own] if name == FEATURES else [name])]
        return list(dict.fromkeys(held))

    def row_bytes(self, group: int, columns: Sequence[str]) -> float:
        return self.inner.row_bytes(group, self._held(columns))

    def batches(self, group: int, columns: Sequence[str], rows: int, *, fold: bool = False) -> Iterator[pa.RecordBatch]:
        for batch in self.inner.batches(group, self._held(columns), rows, fold=fold):
            arrays = [self._vectors(batch) if name == FEATURES else batch.column(name) for name in columns]
            yield pa.RecordBatch.from_arrays(arrays, list(columns))

    def _vectors(self, batch: pa.RecordBatch) -> pa.Array:
        first = columns.plain(batch.column(self.wide[0]))
        lists = hasattr(first.type, "value_type")
        if lists:
            numbers = columns.plain(first.flatten()).cast(pa.float32()).to_numpy(zero_copy_only=False)
            lengths = np.asarray(pc.fill_null(pc.list_value_length(first), 0)).astype(np.int64)
        else:
            stacked = columns.stack([columns.plain(batch.column(name)) for name in self.wide], self.wide, self.decimal_comma, None)
            numbers = stacked.values.cast(pa.float32()).to_numpy(zero_copy_only=False)
            lengths = np.full(len(batch), len(self.wide))
        if self.scale is not None:
            numbers = numbers * np.repeat(self._scales(batch), lengths)
        if len(numbers) and (lengths == lengths[0]).all() and not first.null_count:
            return pa.FixedSizeListArray.from_arrays(pa.array(numbers), int(lengths[0]))
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, pa.array(numbers), mask=first.is_null() if lists else None)

    def _scales(self, batch: pa.RecordBatch) -> np.ndarray:
        """float32 (n,): the scale of each row; NaN, which is refused, where it has none."""
        if not isinstance(self.scale, str):
            return np.full(len(batch), self.scale, np.float32)
        found = columns.plain(batch.column(self.scale))
        if pa.types.is_string(found.type):
            found = columns.cast("", "", found, self.scale, pa.float64(), None, comma=self.decimal_comma)
        return np.asarray(found.cast(pa.float32()).to_numpy(zero_copy_only=False))

    def some(self, group: int, column: str, wanted: np.ndarray) -> pa.RecordBatch | None:
        return None if column == FEATURES else self.inner.some(group, column, wanted)

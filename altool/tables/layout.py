"""How predictions of other tools hold their probabilities: one column of any shape, a column or a row per class, or one score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import UsageError
from altool.tables import check, columns
from altool.tables.fragments import Fragment
from altool.tables.schema import WIDE_PREFIX

VECTOR = {"type", "size", "indices", "values"}  # the fields of Spark's vectors
SPARSE_VECTOR = 0  # their `type`, where `indices` name the places of `values`


@dataclass(frozen=True)
class Layout:
    """What the command line says of the probabilities of tables that altool did not write.

    `prefix` (--prob-prefix) or `columns` (--prob-columns) are a column per class, `score` (--score) is the column of the second of two
    classes, `long` (--long) the label's and the score's column of a table with a row per id and class. `scale` (--probabilities) is logits
    or unnormalised, "" where the numbers are probabilities.
    """

    prefix: str = ""
    columns: tuple[str, ...] = ()
    score: str = ""
    long: tuple[str, str] | None = None
    scale: str = ""

    @property
    def option(self) -> str:
        """The option that is given, "" where none is."""
        found = {"--prob-prefix": self.prefix, "--prob-columns": self.columns, "--score": self.score, "--long": self.long}
        return next((flag for flag, value in found.items() if value), "--probabilities" if self.scale else "")

    @property
    def wide(self) -> bool:
        """Do columns of numbers hold the probabilities?"""
        return bool(self.prefix or self.columns or self.score)

    @property
    def absent(self) -> float:
        """The number of a class that a row does not name: a probability of 0; no logit."""
        return np.nan if self.scale == "logits" else 0.0

    def lacks(self, names: Sequence[str]) -> str:
        """What of this a file with columns of these names does not have; "" where it has all."""
        if self.prefix and not any(name.startswith(self.prefix) for name in names):
            return f"column whose name begins with {self.prefix!r}"
        wanted = (*self.columns, *filter(None, [self.score]), *(self.long or ()))
        missing = [name for name in wanted if name not in names]
        return f"column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}" if missing else ""

    def by_class(self, names: Sequence[str], declared: Sequence[str] | None) -> dict[str, str]:
        """{class: its column} of a file with columns of these names. Numbers 0 to K - 1 in place of classes, and the names of
        --prob-columns, stand for the `declared` classes (--classes) of those places, where these are other names."""
        prefix = "" if self.columns else self.prefix or WIDE_PREFIX
        found = {name[len(prefix) :]: name for name in self.columns or names if name.startswith(prefix)}
        if declared and len(declared) == len(found) and not set(declared) & set(found):
            numbers = [str(number) for number in range(len(found))]
            places = numbers if set(numbers) == set(found) else list(found) if self.columns else []
            found = {name: found[place] for name, place in zip(declared, places, strict=bool(places))} or found
        return found

    def scaled(self, array: pa.FixedSizeListArray, ids: pa.Array | None) -> pa.FixedSizeListArray:
        """Numbers of this `scale` as probabilities. Raises RowFaults for rows that have none."""
        width = array.type.list_size
        rows = array.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, width)
        ids = ids if ids is not None else pa.nulls(len(rows))
        check.mark(ids, "probabilities", {"with NaN or infinity": ~np.isfinite(rows).all(axis=1)})
        if self.scale == "logits":
            rows = np.exp(rows - rows.max(axis=1, keepdims=True, initial=-np.inf))
        else:
            rules = {"with a negative number": (rows < 0).any(axis=1), "with a sum of 0": ~(rows > 0).any(axis=1)}
            check.mark(ids, "probabilities", rules)
        rows /= rows.sum(axis=1, keepdims=True)
        return pa.FixedSizeListArray.from_arrays(pa.array(rows.astype(np.float32).reshape(-1)), width)

    def both(self, array: pa.FixedSizeListArray) -> pa.FixedSizeListArray:
        """The scores of the second class (lists of one) as numbers of both classes."""
        second = array.flatten().to_numpy(zero_copy_only=False)
        first = np.zeros_like(second) if self.scale else 1 - second
        return pa.FixedSizeListArray.from_arrays(pa.array(np.column_stack([first, second]).reshape(-1)), 2)


class Given(Protocol):
    """The options of a command that reads predictions."""

    @property
    def prob_prefix(self) -> str | None: ...
    @property
    def prob_columns(self) -> str | None: ...
    @property
    def score(self) -> str | None: ...
    @property
    def long(self) -> str | None: ...
    @property
    def probabilities(self) -> str | None: ...


def layout(options: Given) -> Layout:
    """What --prob-prefix, --prob-columns, --score, --long and --probabilities say. Raises UsageError where they cannot be understood."""
    prefix, wide, score, long, scale = (
        options.prob_prefix,
        options.prob_columns,
        options.score,
        options.long,
        options.probabilities,
    )
    given = {"--prob-prefix": prefix, "--prob-columns": wide, "--score": score, "--long": long}
    for flag, value in given.items():
        if value == "":
            raise UsageError(f"{flag}: no column is named", "name the columns of the predictions")
    flags = [flag for flag, value in given.items() if value]
    if len(flags) > 1:
        raise UsageError(f"{flags[1]} has no effect with {flags[0]}", "give one of them")
    if score and scale == "unnormalised":
        raise UsageError("--probabilities unnormalised has no effect with --score", "a score of one class is a probability or a logit")
    names = tuple(filter(None, (wide or "").split(",")))
    if wide and (len(names) < 2 or len(set(names)) < len(names)):
        raise UsageError(f"--prob-columns: expected a column per class, found {wide!r}", "give for example --prob-columns cat,dog,fox")
    pair = dict(part.partition("=")[::2] for part in (long or "").split(","))
    if long and (pair.keys() != {"label", "score"} or not all(pair.values())):
        raise UsageError(f"--long: expected label=COLUMN,score=COLUMN, found {long!r}", "give for example --long label=class,score=prob")
    return Layout(prefix or "", names, score or "", (pair["label"], pair["score"]) if long else None, scale or "")


def is_vector(type_: pa.DataType) -> bool:
    """Is it the type of Spark's vectors?"""
    return pa.types.is_struct(type_) and {field.name for field in type_} == VECTOR


def dense(array: pa.StructArray, column: str, ids: pa.Array | None) -> pa.ListArray:
    """Spark's vectors, dense and sparse, as lists; null stays null. Raises RowFaults for a sparse one whose numbers have no place in it."""
    sparse = np.asarray(pc.fill_null(pc.equal(pc.struct_field(array, "type"), SPARSE_VECTOR), False))
    values, indices = pc.struct_field(array, "values"), pc.struct_field(array, "indices")
    if not sparse.any():
        return values
    lengths, listed, sizes = (
        np.asarray(pc.fill_null(numbers, 0)).astype(np.int64)
        for numbers in (pc.list_value_length(values), pc.list_value_length(indices), pc.struct_field(array, "size"))
    )
    ids = ids if ids is not None else pa.nulls(len(array))
    rule = "with a sparse vector whose numbers have no place in it"
    check.mark(ids, column, {rule: sparse & (lengths != listed)})
    widths = np.where(sparse, sizes, lengths)
    offsets = np.concatenate([[0], np.cumsum(widths)])
    rows = np.repeat(np.arange(len(array)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places[sparse[rows]] = indices.filter(pa.array(sparse)).flatten().to_numpy(zero_copy_only=False)
    if (outside := (places < 0) | (places >= widths[rows])).any():
        check.mark(ids, column, {rule: np.isin(np.arange(len(array)), rows[outside])})
    numbers = np.zeros(int(offsets[-1]))
    numbers[offsets[rows] + places] = values.flatten().to_numpy(zero_copy_only=False)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(numbers), mask=array.is_null())


def flat(array: pa.Array, column: str, ids: pa.Array | None) -> pa.Array:
    """A matrix column of Spark's vectors, or of matrices of one row or of one column, as one of lists; any other as it is. Raises RowFaults
    as `dense` does."""
    if is_vector(array.type):
        return dense(array, column, ids)
    if not (_is_list(array.type) and _is_list(array.type.value_type)):
        return array
    if (found := single(array)) is not array:
        return found
    rows, lengths = array.flatten(), pc.list_value_length(array)
    if array.null_count or single(rows) is rows:
        return array
    offsets = np.concatenate([[0], np.cumsum(np.asarray(lengths))])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), rows.flatten())


def single(array: pa.Array) -> pa.Array:
    """A column of lists of one number as one of numbers; any other as it is."""
    lists = _is_list(array.type) and not array.null_count and pc.all(pc.equal(pc.list_value_length(array), 1)).as_py()
    return array.flatten() if lists else array


def _is_list(type_: pa.DataType) -> bool:
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_))


def _is_number(type_: pa.DataType) -> bool:
    return pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_)


def _is_text(type_: pa.DataType) -> bool:
    type_ = type_.value_type if pa.types.is_dictionary(type_) else type_
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or type_ == pa.string_view()


def _pair(type_: pa.DataType) -> tuple[str, str] | None:
    """The fields (class, number) of a column of lists of both, such as {label, score}."""
    if not _is_list(type_) or not pa.types.is_struct(type_.value_type) or type_.value_type.num_fields != 2:
        return None
    fields = list(type_.value_type)
    texts, numbers = ([field.name for field in fields if test(field.type)] for test in (_is_text, _is_number))
    return (texts[0], numbers[0]) if texts and numbers else None


def is_named(type_: pa.DataType) -> bool:
    """Does a column of this type name the class of each of its numbers: a struct, a map, lists of pairs?"""
    if pa.types.is_struct(type_):
        return not is_vector(type_) and type_.num_fields > 0 and all(_is_number(field.type) for field in type_)
    return (pa.types.is_map(type_) and _is_text(type_.key_type) and _is_number(type_.item_type)) or _pair(type_) is not None


def names_of(fragment: Fragment, column: str) -> list[str]:
    """The classes that such a column of a file names: a struct's fields in their order, else what its rows name, sorted."""
    type_ = fragment.schema.field(column).type
    if pa.types.is_struct(type_):
        return [field.name for field in type_]
    found: set[str] = set()
    for group in range(len(fragment.group_rows)):
        for batch in fragment.batches(group, [column], 65_536):
            found.update(pc.unique(_entries(columns.plain(batch.column(column)))[1].drop_null()).to_pylist())
    return sorted(found)


def _entries(array: pa.Array) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """Of a map, or of lists of pairs: the row, the class and the number of each entry."""
    if pa.types.is_map(array.type):
        offsets = array.offsets.to_numpy()
        low, high = int(offsets[0]), int(offsets[-1])
        lengths, names, numbers = np.diff(offsets), array.keys.slice(low, high - low), array.items.slice(low, high - low)
    else:
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
        pairs, (name, number) = array.flatten(), _pair(array.type) or ("", "")
        names, numbers = pc.struct_field(pairs, name), pc.struct_field(pairs, number)
    return np.repeat(np.arange(len(array)), lengths), columns.plain(names).cast(pa.string()), columns.plain(numbers)


def listed(array: pa.Array, classes: Sequence[str], ids: pa.Array | None, absent: float) -> pa.FixedSizeListArray:
    """A column that names its classes as one number per class, in their order; `absent` is that of a class which a row does not name.

    Raises RowFaults for rows without numbers, and for such that name a class twice.
    """
    ids = ids if ids is not None else pa.nulls(len(array))
    check.mark(ids, "probabilities", {"without probabilities (null)": np.asarray(array.is_null())})
    if pa.types.is_struct(array.type):
        numbers = [columns.plain(pc.struct_field(array, name)).cast(pa.float64()) for name in classes]
        return columns.stack(numbers, classes, False, ids)
    rows, names, numbers = _entries(array)
    return pivot(ids, rows, names, numbers, classes, absent)


def pivot(
    ids: pa.Array, rows: np.ndarray, names: pa.Array, numbers: pa.Array, classes: Sequence[str], absent: float
) -> pa.FixedSizeListArray:
    """Entries (row, class, number) as one list per row, in the order of `classes`; `absent` where there is no entry. Raises RowFaults."""
    places = pc.index_in(names, value_set=pa.array(classes, pa.string()))
    strange = np.zeros(len(ids), bool)
    strange[rows[np.asarray(places.is_null())]] = True
    check.mark(ids, "probabilities", {"with a class that is null": strange})
    cells = rows * len(classes) + places.to_numpy(zero_copy_only=False).astype(np.int64)
    matrix = np.full(len(ids) * len(classes), absent)
    matrix[cells] = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
    named = np.zeros(len(matrix), bool)
    named[cells] = True
    if np.count_nonzero(named) < len(cells):
        twice = np.bincount(cells, minlength=len(matrix)).reshape(len(ids), -1).max(axis=1) > 1
        check.mark(ids, "probabilities", {"with a class that is named twice": twice})
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix), len(classes))


def gathered(
    name: str, table: pa.Table, declared: Sequence[str] | None, absent: float
) -> tuple[pa.Array, pa.FixedSizeListArray, list[str]]:
    """Of a `table` with a row per id and class (id; label, text; score, float64): the distinct ids in the order of their first rows, the
    numbers of each by class (`absent` where it has none), and the classes: the `declared` ones where these are all, else sorted.

    Raises InputError for rows without a label, and for ids that have a class twice.
    """
    keys, names, scores = (columns.plain(table.column(column)) for column in ("id", "label", "score"))
    keys = keys.dictionary_encode()
    found = pc.unique(names.drop_null()).to_pylist()
    classes = list(declared) if declared and set(found) <= set(declared) else sorted(found)
    try:
        return keys.dictionary, pivot(keys.dictionary, keys.indices.to_numpy(), names, scores, classes, absent), classes
    except check.RowFaults as error:
        check.raise_faults(name, [error])
        raise


def check_score(layout: Layout, declared: Sequence[str] | None) -> None:
    """Raise UsageError where a score of the second class is given without the two classes."""
    if layout.score and len(declared or ()) != 2:
        raise UsageError(f"--score: expected two classes, found {len(declared or ())}", "name both in order: --classes NEG,POS")

"""A file's columns as the contract has them: its types, one class order, every row that cannot be so counted and refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables import check, values
from altool.tables.check import short
from altool.tables.outside import load_json
from altool.tables.schema import STRINGS, WIDE_PREFIX
from altool.tables.text import decimals
from altool.tables.values import Clock
from altool.text import count

LEFT_OUT = "correct these rows; a column that means something else is left out by --columns {}="
HYPHENS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))  # the parts of a UUID's text
NAMES = ("label", "suggested_label")  # columns whose whole numbers may be floats, as pandas makes integers with gaps


def plain(array: Any) -> pa.Array:
    """The column as one array without dictionaries and views."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        array = pc.take(plain(array.dictionary), array.indices)
    for view, kind in ((pa.string_view(), pa.string()), (pa.binary_view(), pa.binary())):
        if array.type == view:
            try:
                return array.cast(kind)
            except pa.ArrowNotImplementedError:  # by an older pyarrow
                return pa.array(array.to_pylist(), kind)
    return array


def utf8(table: str, path: str, column: str, array: pa.Array) -> None:
    """Raise InputError for texts that are no UTF-8."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid as error:
            raise InputError(f"{table}, column {column!r}: {path} holds texts that are not UTF-8", "write texts as UTF-8") from error


def cast(table: str, path: str, array: pa.Array, column: str, wanted: pa.DataType, ids: pa.Array | None, *, comma: bool) -> pa.Array:
    """A column of any type as `wanted`, without loss. Raises RowFaults for the rows that are no such value, InputError for the type."""
    if array.type == wanted:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), wanted)
    try:
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            return _parsed(array, column, wanted, ids, comma)
        if pa.types.is_string(wanted) and pa.types.is_floating(array.type):
            if column not in NAMES:
                raise pa.ArrowInvalid("numbers with a fraction are no names")
            array, fraction = whole_numbers(array)
            _mark(ids, column, {"with a fraction, which is not a class": fraction})
        if column == "id" and is_uuid(array.type) and pa.types.is_string(wanted):
            return uuids(array)
        if pa.types.is_binary(array.type) and pa.types.is_string(wanted):
            raise pa.ArrowInvalid("bytes are no names")
        return array.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(
            f"{table}, column {column!r}: {path} holds {array.type}, not {wanted} ({short(error)})",
            f"write the column as {wanted}; one that means something else is left out by --columns {column}=",
        ) from error


def is_uuid(type_: pa.DataType) -> bool:
    """Is it the type of UUIDs, or of values of as many bytes?"""
    return type_ == pa.binary(16) or getattr(type_, "extension_name", "") == "arrow.uuid"


def uuids(array: pa.Array) -> pa.Array:
    """UUIDs in their text form, as CSV and JSON have them."""
    stored = array.storage if isinstance(array, pa.ExtensionArray) else array
    texts = [value and value.hex() for value in stored.to_pylist()]
    return pa.array([text and "-".join(text[low:high] for low, high in HYPHENS) for text in texts], pa.string())


def whole_numbers(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Floats that are whole numbers, as pandas makes of integers with gaps, as int64, NaN as null; and which have a fraction, or are too
    large: they are null."""
    numbers = array.cast(pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    whole = pc.fill_null(pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), 2.0**53)), True)
    return pc.if_else(whole, numbers, pa.scalar(None, pa.float64())).cast(pa.int64()), pc.invert(whole)


def _parsed(array: pa.Array, column: str, wanted: pa.DataType, ids: pa.Array | None, comma: bool) -> pa.Array:
    """Texts as values of another type."""
    if pa.types.is_integer(wanted):
        array = pc.utf8_trim_whitespace(array) if column != "id" else array
        array = pc.if_else(pc.equal(array, ""), pa.scalar(None, array.type), array)
        numbers, wrong = values.integers(array)
        if column == "id":
            _mark(array, column, {"with an id that is not an integer, as the other tables' ids are": wrong})
        _mark(ids, column, {"with a value that is not an integer": wrong}, LEFT_OUT.format(column))
        return numbers.cast(wanted)
    if pa.types.is_floating(wanted):
        try:
            return decimals(array, comma).cast(wanted)
        except pa.ArrowInvalid:
            wrong = pa.array([not _is_number(text) for text in array.to_pylist()], pa.bool_())
            _mark(
                ids, column, {"with a value that is not a number": wrong}, "" if column.startswith(WIDE_PREFIX) else LEFT_OUT.format(column)
            )
            raise
    if wanted == STRINGS:
        lists = [text if text is None else _strings(text) for text in array.to_pylist()]
        wrong = pa.array([found is None and text is not None for found, text in zip(lists, array.to_pylist(), strict=True)], pa.bool_())
        _mark(ids, column, {"with a value that is not a JSON list of texts": wrong}, LEFT_OUT.format(column))
        return pa.array(lists, wanted)
    return array.cast(wanted)


def _strings(text: str) -> list[str] | None:
    """The texts of a JSON list, as a CSV cell has it; None for anything else."""
    try:
        found = load_json(text, "")
    except InputError:
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


def _is_number(text: str | None) -> bool:
    try:
        return text is None or float(text) is not None
    except ValueError:
        return False


def _mark(ids: pa.Array | None, column: str, rules: dict[str, pa.Array], hint: str = "") -> None:
    masks = {rule: np.asarray(mask, bool) for rule, mask in rules.items()}
    size = len(next(iter(masks.values())))
    check.mark(ids if ids is not None else pa.nulls(size, pa.string()), column, masks, hint)


def instants(array: pa.Array, column: str, ids: pa.Array | None, clock: Clock) -> pa.Array:
    """Times in UTC. Raises RowFaults for those that may mean several instants, or none."""
    found, wrong = values.times(array, clock)
    _mark(ids, column, {"without a time that has an offset": wrong})
    return found


def class_names(schema: pa.Schema, name: str, array: pa.Array) -> pa.Array:
    """The names of a Hugging Face ClassLabel, whose column holds their numbers; below 0 there is none. Any other column as it is.

    Raises InputError for a number that has no name.
    """
    if not pa.types.is_integer(array.type):
        return array
    try:
        features = load_json((schema.metadata or {}).get(b"huggingface", b"{}"), name)["info"]["features"]
        names = features[name]["names"] if features[name]["_type"] == "ClassLabel" else None
        found = pa.array(names, pa.string()) if names else None
    except (InputError, KeyError, TypeError, pa.ArrowException):
        return array
    if found is None:
        return array
    if (high := pc.max(array).as_py()) is not None and high >= len(found):
        raise InputError(
            f"column {name!r}: class number {high} has no name among the {len(found)} of the file's metadata", "write class names"
        )
    return pc.take(found, pc.if_else(pc.less(array, 0), pa.scalar(None, array.type), array))


def refuse_codes(array: pa.Array, ids: pa.Array | None, named: Sequence[str]) -> None:
    """Raise RowFaults for integer labels below 0, with which other tools say that there is none, unless they are `named`."""
    below = pc.fill_null(pc.less(array, 0), False) if pa.types.is_signed_integer(array.type) else None
    if below is not None and pc.any(below).as_py():
        strange = pc.and_(below, pc.invert(pc.is_in(array.cast(pa.string()), value_set=pa.array(named, pa.string()))))
        code = array.filter(below)[0].as_py()
        hint = f"if that means no label: --unlabeled-value {code}; if it is a class, name all of them: --classes A,B,…"
        _mark(ids, "label", {"with a number below 0": strange}, hint)


def stack(columns: Sequence[pa.Array], names: Sequence[str], comma: bool, ids: pa.Array | None) -> pa.Array:
    """Wide `p:CLASS` columns as one fixed_size_list column; a null becomes NaN, which the check refuses."""
    numbers = []
    for name, column in zip(names, columns, strict=True):
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            column = cast("", "", column, name, pa.float64(), ids, comma=comma)
        numbers.append(column.to_numpy(zero_copy_only=False))
    matrix = np.column_stack(numbers)
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), len(columns))


def fixed(table: str, path: str, array: pa.Array, column: str, ids: pa.Array | None, order: np.ndarray | None) -> pa.Array:
    """A matrix column as fixed_size_list of floats, in `order` (None: as they are); lists of equal lengths are taken over."""
    where = f"{table}, column {column!r}: {path}"
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type)):
        raise InputError(f"{where} holds {array.type}, not lists of numbers", "write one list of numbers per row")
    if array.null_count:
        check.mark(ids if ids is not None else pa.nulls(len(array)), column, {"without a list (null)": np.asarray(array.is_null())})
    if not pa.types.is_fixed_size_list(array.type):
        lengths = pc.list_value_length(array)
        low, high = (value.as_py() for value in pc.min_max(lengths).values())
        if low != high or not low:
            raise InputError(f"{where} holds rows of {low} to {high} numbers", "write rows of equal lengths")
        array = pa.FixedSizeListArray.from_arrays(array.flatten(), low)
    width = array.type.list_size
    if not width:
        raise InputError(f"{where} holds empty lists", "write the numbers of each row")
    numbers = array.values.slice(array.offset * width, len(array) * width)
    if numbers.null_count:
        gaps = np.asarray(numbers.is_null()).reshape(-1, width).any(axis=1)
        check.mark(ids if ids is not None else pa.nulls(len(array)), column, {"with a null number": gaps})
    if not pa.types.is_floating(numbers.type) or (column == "features" and numbers.type == pa.float64()):
        try:
            numbers = plain(numbers).cast(pa.float32())
        except pa.ArrowException as error:
            raise InputError(f"{where} holds {array.type}, not numbers", "write lists of floating-point numbers") from error
        array = pa.FixedSizeListArray.from_arrays(numbers, width)
    if order is not None:
        if len(order) != width:
            found = f"{where} holds {count(width, 'number')} a row for {count(len(order), 'class', 'classes')}"
            raise InputError(found, "write one probability per class")
        rows = numbers.to_numpy(zero_copy_only=False).reshape(-1, width)[:, order]
        array = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), width)
    return array

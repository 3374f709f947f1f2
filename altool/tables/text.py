"""Text files of rows: CSV and JSON, of people, spreadsheets and programs. They are for small tables and are held whole."""

from __future__ import annotations

import csv as python_csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.tables.check import short
from altool.tables.outside import decode
from altool.tables.write import unguarded

BOM = b"\xef\xbb\xbf"
LINES_SHOWN = 3


class Json(NamedTuple):
    """The values of a JSON file, and whether every line is one."""

    values: list[Any]
    by_line: bool


def read_json(label: str, content: bytes) -> Json:
    """The values of a JSON array, of JSON Lines, or of objects one after another. Raises InputError."""
    text = decode(content, label)
    values: list[Any] = []
    place = 0
    try:
        if text.lstrip().startswith("["):
            return Json(json.loads(text), by_line=False)
        decoder = json.JSONDecoder()
        while place < len(text):
            if text[place].isspace():
                place += 1
                continue
            value, place = decoder.raw_decode(text, place)
            values.append(value)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno:,}, column {error.colno:,}"
        raise InputError(f"{label}: {line} is not JSON ({error.msg})", "write a JSON array of objects, or one object per line") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{label}: its JSON is nested too deeply, or holds a number that is too long", "write flat objects") from error
    return Json(values, len(text.removesuffix("\n").split("\n")) == len(values))


def json_table(label: str, rows: Sequence[Any]) -> pa.Table:
    """A table of JSON objects, a column per key. Raises InputError for other values, and for a column of several types."""
    wrong = next((number for number, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if wrong:
        raise InputError(f"{label}: entry {wrong:,} is not a JSON object", "write a JSON array of objects, or one object per line")
    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        try:
            name.encode()
            columns[name] = pa.array(values)
        except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError) as error:
            raise InputError(f"{label}, column {name!a}: {_json_fault(values, error)}", "write values of one type in every row") from error
    return pa.table(columns) if columns else pa.table({"": pa.nulls(len(rows))}).select([])


def _json_fault(values: Sequence[Any], error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        rows = [number for number, value in enumerate(values, 1) if _has_surrogate(value)]
        return f"{len(rows):,} {'entry holds' if len(rows) == 1 else 'entries hold'} half a character (entry {_numbers(rows)})"
    kinds = sorted({type(value).__name__ for value in values if value is not None})
    return f"its values are {' and '.join(kinds)} ({short(error)})" if len(kinds) > 1 else short(error)


def _has_surrogate(value: Any) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in json.dumps(value, ensure_ascii=False))


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers[:LINES_SHOWN])


def read_csv(label: str, content: bytes, *, ragged: bool = False) -> tuple[pa.Table, bool]:
    """A CSV file as a table of texts, null where a cell is empty: "007" stays "007", and a class may be named "NA".

    Cells may be separated by commas, tabs or semicolons; a first line `sep=;` says so. Also says whether a comma within a number may be
    decimal: where it separates no cells. With `ragged`, as people's sheets are, cells that are missing at a line's end are empty, and
    columns without a name are called by their place. Raises InputError for a file that is not UTF-8, has no header, or has lines of other
    lengths than the header.
    """
    from pyarrow import csv

    text = decode(content, label)
    delimiter = None
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        delimiter, text = first.strip()[4], rest
    names, delimiter, lines = _header(label, text := text.lstrip("\ufeff"), delimiter)
    skipped: list[Any] = []

    def skip(row: Any) -> str:
        skipped.append(row)
        return "skip"

    data = text.encode()
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            # One thread: small tables; and none is left when the process ends on an error. A block holds the longest row.
            read_options=csv.ReadOptions(use_threads=False, block_size=min(max(len(data), 1 << 20), (1 << 31) - 1)),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        raise InputError(f"{label}: not a complete CSV file ({short(error)})", "export it again as CSV") from error
    if table.column_names != names:  # then the types that were asked for went to no column
        raise InputError(f"{label}: the first line is not a CSV header", "write the columns' names in the first line, one a cell")
    whole = text.endswith(("\n", "\r"))  # else its last line may be cut off
    if skipped and ragged and whole and all(row.actual_columns < row.expected_columns for row in skipped):
        table = _padded(text, delimiter, names)
        skipped = []
    if skipped:
        skipped = [row for row in skipped if not (ragged and whole) or row.actual_columns > row.expected_columns]
        row = skipped[0]
        more = f", and {len(skipped) - 1:,} more lines" if len(skipped) > 1 else ""
        where = f"line {row.number + lines - 1:,}" if row.number else f"the line {row.text[:40]!r}"
        raise InputError(
            f"{label}: {where} has {row.actual_columns:,} fields, the header has {row.expected_columns:,}{more}",
            "write as many fields in every line, and quotes around those that hold the separator",
        )
    if ragged and not all(names):
        table = table.rename_columns([name or f"column {place}" for place, name in enumerate(names, 1)])
    for position, field_ in enumerate(table.schema):
        if pa.types.is_string(field_.type) and pc.any(pc.starts_with(table.column(position), "'")).as_py():
            texts = [value if value is None else unguarded(value) for value in table.column(position).to_pylist()]
            table = table.set_column(position, field_, pa.array(texts, pa.string()))
    return table, delimiter != ","


def _padded(text: str, delimiter: str, names: Sequence[str]) -> pa.Table:
    """The table of a file with lines that end early."""
    rows = [row for row in python_csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row][1:]
    columns = [[row[place] or None if place < len(row) else None for row in rows] for place in range(len(names))]
    return pa.table([pa.array(column, pa.string()) for column in columns], list(names))


def _header(label: str, text: str, delimiter: str | None) -> tuple[list[str], str, int]:
    """The columns' names, the separator, and how many lines the header takes."""
    if not text.strip():
        raise InputError(f"{label}: it is empty", "write it again")
    line = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = delimiter or max(",\t;", key=line.count)
    reader = python_csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return next(row for row in reader if row), delimiter, reader.line_num
    except (StopIteration, python_csv.Error) as error:
        raise InputError(
            f"{label}: the first line is not a CSV header ({short(error)})", "write the columns' names in the first line"
        ) from error


def decimals(column: pa.Array, comma: bool) -> pa.Array:
    """Texts of numbers as float64; a `comma` may be decimal, and is where no number has a point. Raises pa.ArrowInvalid for other texts."""
    trimmed = pc.utf8_trim_whitespace(column)
    if comma and pc.any(pc.match_substring(trimmed, ",")).as_py() and not pc.any(pc.match_substring(trimmed, ".")).as_py():
        trimmed = pc.replace_substring(trimmed, ",", ".")
    return trimmed.cast(pa.float64())


def with_values(table: pa.Table, values: Mapping[str, str | None]) -> pa.Table:
    """The table with a column of text for each value that its folder's name gives and it does not hold itself."""
    for name, value in values.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
    return table

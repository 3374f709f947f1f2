"""The files in which the world keeps tables, and what becomes of files on their way."""

from __future__ import annotations

import base64
import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, Any]]
CLASSES = b'["ant", "bee", "cat"]'


@dataclass(frozen=True)
class Option:
    """One value of a dimension.

    `same`: if altool reads it, it must read what was written. `must`: and it must read it. `refused`: it must not.
    """

    name: str
    make: Callable[..., Any]
    same: bool = False
    must: bool = False
    refused: bool = False


def options(*functions: Callable[..., Any], same: bool = False, must: bool = False, refused: bool = False) -> tuple[Option, ...]:
    return tuple(Option(function.__name__, function, same or must, must, refused) for function in functions)


def values(table: pa.Table) -> list[list[Any]]:
    """The columns as Python values; bytes that are no UTF-8 are surrogates, as Python keeps them in file names."""
    columns = []
    for column in table.columns:
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or column.type == pa.string_view():
            raw = column.cast(pa.string()).cast(pa.binary()).to_pylist()
            columns.append([None if value is None else value.decode("utf-8", "surrogateescape") for value in raw])
        else:
            columns.append([_value(one) for one in column])
    return columns


def _value(scalar: pa.Scalar) -> Any:
    """A value as Python has it; None for one that Python has not."""
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        return None


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float | int | str | bool) or value is None:
        return value
    return str(value)


def rows(table: pa.Table) -> Rows:
    columns = values(table)
    return [{name: plain(entry) for name, entry in zip(table.column_names, row, strict=True)} for row in zip(*columns, strict=True)]


# Formats: (draw, table) -> bytes.


def parquet(draw: Random, table: pa.Table) -> bytes:
    """Any of the ways in which Parquet may be written."""
    sink = io.BytesIO()
    chosen: dict[str, Any] = {
        "compression": draw.choice(["snappy", "zstd", "gzip", "brotli", "lz4", "none"]),
        "version": draw.choice(["1.0", "2.4", "2.6"]),
        "data_page_version": draw.choice(["1.0", "2.0"]),
        "use_dictionary": draw.random() < 0.5,
        "write_statistics": draw.random() < 0.5,
        "store_schema": draw.random() < 0.8,
        "use_compliant_nested_type": draw.random() < 0.7,
        "write_page_checksum": draw.random() < 0.3,
        "row_group_size": draw.choice([1, 5, 1000]),
    }
    if draw.random() < 0.3:
        chosen["data_page_size"] = 64
    pq.write_table(table, sink, **chosen)
    return sink.getvalue()


def simple_parquet(draw: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def empty_row_group(draw: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema) as writer:
        for part in (table.slice(0, 0), table, table.slice(0, 0)):
            writer.write_table(part)
    return sink.getvalue()


def no_row_group(draw: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.ParquetWriter(sink, table.schema).close()
    return sink.getvalue()


@cache
def _kms() -> Any:
    import pyarrow.parquet.encryption as pe

    class Kms(pe.KmsClient):  # type: ignore[misc]
        def __init__(self, _: Any) -> None:
            pe.KmsClient.__init__(self)

        def wrap_key(self, key: bytes, _: str) -> bytes:
            return base64.b64encode(key)

        def unwrap_key(self, key: bytes, _: str) -> bytes:
            return base64.b64decode(key)

    return pe.CryptoFactory(Kms)


def _encrypted(table: pa.Table, plain_footer: bool) -> bytes:
    import pyarrow.parquet.encryption as pe

    first = table.column_names[0]
    setting = pe.EncryptionConfiguration(footer_key="k", column_keys={"c": [first]}, plaintext_footer=plain_footer)
    sink = io.BytesIO()
    properties = _kms().file_encryption_properties(pe.KmsConnectionConfig(), setting)
    with pq.ParquetWriter(sink, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return sink.getvalue()


def encrypted(draw: Random, table: pa.Table) -> bytes:
    return _encrypted(table, plain_footer=False)


def encrypted_plain_footer(draw: Random, table: pa.Table) -> bytes:
    return _encrypted(table, plain_footer=True)


def arrow_file(draw: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=draw.choice([None, "lz4", "zstd"]))) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow_stream(draw: Random, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=draw.choice([None, "zstd"]))) as writer:
        writer.write_table(table, max_chunksize=draw.choice([1, 7, 1000]))
    return sink.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else str(value)


def spread(table: pa.Table) -> pa.Table:
    """Probabilities as a column per class, as CSV has them."""
    classes = (table.schema.metadata or {}).get(b"altool.classes", b"")
    name = "probabilities"
    if classes != CLASSES or table.column_names.count(name) != 1 or not pa.types.is_fixed_size_list(table.schema.field(name).type):
        return table
    entries = table.column(name).to_pylist()
    table = table.drop_columns([name])
    for place, class_ in enumerate(json.loads(classes)):
        table = table.append_column(f"p:{class_}", pa.array([row[place] for row in entries]))
    return table


def _csv(table: pa.Table, delimiter: str = ",", **settings: Any) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, **{"lineterminator": "\n", **settings})
    table = spread(table)
    writer.writerow(table.column_names)
    writer.writerows([_cell(value) for value in row.values()] for row in rows(table))
    return text.getvalue()


def comma(draw: Random, table: pa.Table) -> bytes:
    return encoded(_csv(table))


def tabs(draw: Random, table: pa.Table) -> bytes:
    return encoded(_csv(table, "\t"))


def semicolons(draw: Random, table: pa.Table) -> bytes:
    return encoded(_csv(table, ";"))


def spreadsheet(draw: Random, table: pa.Table) -> bytes:
    """A byte-order mark, CRLF, everything in quotes."""
    return b"\xef\xbb\xbf" + encoded(_csv(table, draw.choice(",;\t"), lineterminator="\r\n", quoting=csv.QUOTE_ALL))


def decimal_comma(draw: Random, table: pa.Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    table = spread(table)
    writer.writerow(table.column_names)
    for row in rows(table):
        writer.writerow([str(value).replace(".", ",") if isinstance(value, float) else _cell(value) for value in row.values()])
    return encoded(text.getvalue())


def pipes(draw: Random, table: pa.Table) -> bytes:
    return encoded(_csv(table, "|"))


def ragged(draw: Random, table: pa.Table) -> bytes:
    lines = _csv(table).split("\n")
    place = draw.randrange(1, max(2, len(lines)))
    lines[place:place] = [draw.choice(["", "a", "a,b,c,d,e,f,g,h,i,j", ",,,,", '"', 'a,"b', "# note", "sep=;"])]
    return encoded("\n".join(lines))


def first_line_lost(draw: Random, table: pa.Table) -> bytes:
    return encoded(draw.choice(["sep=;\n", "# exported\n", "\n\n", ""]) + _csv(table).split("\n", draw.randrange(2))[-1])


def lines(draw: Random, table: pa.Table) -> bytes:
    """JSON Lines; keys in any order."""
    found = []
    for row in rows(table):
        keys = list(row)
        draw.shuffle(keys)
        found.append(json.dumps({key: row[key] for key in keys}, ensure_ascii=False))
    return encoded("\n".join(found) + draw.choice(["", "\n", "\r\n\n"]))


def escaped_lines(draw: Random, table: pa.Table) -> bytes:
    r"""Everything beyond ASCII as \uXXXX, half an emoji too."""
    return "".join(json.dumps(row) + "\n" for row in rows(table)).encode()


def array(draw: Random, table: pa.Table) -> bytes:
    return encoded(json.dumps(rows(table), ensure_ascii=False, indent=draw.choice([None, 1])))


def json_object(draw: Random, table: pa.Table) -> bytes:
    content: Any = {"rows": rows(table)}
    if draw.random() < 0.5:
        content = {
            name: {str(number): plain(entry) for number, entry in enumerate(column)}
            for name, column in zip(table.column_names, values(table), strict=True)
        }
    return encoded(json.dumps(content, ensure_ascii=False))


def strange_json(draw: Random, table: pa.Table) -> bytes:
    return draw.choice(
        [b"{", b"[", b"[]", b"{}", b"[1]", b'"a"', b"[" * 100_000, b'{"id":' * 50_000, b"null", b'{"id": 1e999}\n', b"{'id': 1}"]
    )


def no_table(draw: Random, table: pa.Table) -> bytes:
    """What lies where a table should."""
    sheet = io.BytesIO()
    with zipfile.ZipFile(sheet, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    vectors = io.BytesIO()
    np.save(vectors, np.zeros((3, 2), np.float32))
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
    page = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form></form></body></html>\n"
    return draw.choice(
        [
            *(pointer, page, sheet.getvalue(), vectors.getvalue(), b"", b"\xef\xbb\xbf", b"\n\n", b"\0" * 64, b"PAR1"),
            *(b"PAR1PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"ORC" + b"\1" * 90),
            *(b"\x89PNG\r\n\x1a\n", b"%PDF-1.4\n", b"PARE" * 9, b"\xff\xfei\0d\0", b"id", b"id\n", b"id,\n", b",\n,\n"),
            *(b"---\nlicense: mit\n---\n", b"\x80\x04K\x01."),
        ]
    )


TEXTS = ("comma", "tabs", "semicolons", "spreadsheet", "decimal_comma")  # formats whose ids have no type of their own
SIMPLE = Option("parquet", simple_parquet, same=True, must=True)
FORMATS = (
    *options(parquet, empty_row_group, must=True),
    *options(arrow_file, arrow_stream, same=True),
    *options(comma, tabs, semicolons, spreadsheet, decimal_comma, lines, escaped_lines, array, same=True),
    *options(encrypted, encrypted_plain_footer, refused=True),
    *options(pipes, ragged, first_line_lost, no_row_group, json_object, strange_json, no_table),
)

# What happens to bytes: (draw, bytes) -> bytes.


def gzipped(draw: Random, content: bytes) -> bytes:
    return gzip.compress(content)


def bzipped(draw: Random, content: bytes) -> bytes:
    return bz2.compress(content)


def zstandard(draw: Random, content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


def xz(draw: Random, content: bytes) -> bytes:
    return lzma.compress(content)


def broken_gzip(draw: Random, content: bytes) -> bytes:
    return gzip.compress(content)[: -draw.randrange(1, 20)]


def truncated(draw: Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def flipped(draw: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 3, 30])):
        if changed:
            changed[draw.randrange(len(changed))] = draw.choice([0, 255, draw.randrange(256)])
    return bytes(changed)


def flipped_end(draw: Random, content: bytes) -> bytes:
    """Where Parquet and Arrow keep what they say of themselves."""
    half = len(content) // 2
    return content[:half] + flipped(draw, content[half:])


def head_lost(draw: Random, content: bytes) -> bytes:
    return content[draw.randrange(1, 40) :]


def tail(draw: Random, content: bytes) -> bytes:
    return content + draw.choice([b"\0", b"\0" * 100, b"\xff\n", b"PAR1", b"{", b'"'])


def marked(draw: Random, content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def nul(draw: Random, content: bytes) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + b"\0" + content[place:]


def utf_16(draw: Random, content: bytes) -> bytes:
    return content.decode("latin-1").encode("utf-16")


def latin_1(draw: Random, content: bytes) -> bytes:
    return content.replace(b"r-0", b"r\xe9-0").replace(b"a", b"\xe4", 3)


WHOLE = Option("whole", lambda draw, content: content, same=True, must=True)
DAMAGES = (
    *options(gzipped, bzipped, zstandard, xz, same=True),
    *options(broken_gzip, truncated, flipped, flipped_end, head_lost, tail, marked, nul, utf_16, latin_1),
)


def ending(draw: Random, format: str) -> str:
    """The ending of a file in a format."""
    known = {"arrow_file": ".arrow", "arrow_stream": ".arrow", "lines": ".jsonl", "escaped_lines": ".jsonl"}
    known |= dict.fromkeys(("array", "json_object", "strange_json"), ".json") | {
        "tabs": ".tsv",
        "no_table": draw.choice([".parquet", ".csv"]),
    }
    known |= dict.fromkeys(("comma", "semicolons", "spreadsheet", "decimal_comma", "pipes", "ragged", "first_line_lost"), ".csv")
    return known.get(format, ".parquet")

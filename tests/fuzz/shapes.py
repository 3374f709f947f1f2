"""What stands in tables from elsewhere: types, names, values and metadata.

Each is (draw, table) -> table, or None where it does not apply.
"""

from __future__ import annotations

import datetime
import decimal
import json
import unicodedata
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from fuzz.writers import Option, options, values

TEXTS = (
    *(b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"a\xc3"),  # no UTF-8
    *("\x1b[2J\x1b[31mred", "a\rerror: forged", "a\nerror: forged", "bell\a", "\x9b31m", "a\0b", "\u202egnp.exe", "\u2028line"),
    *("=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1", " =1", "\t=1", "\ufeff=1", "'=1", "''", "'"),
    *("", " ", "a ", " a", "\xa0a", "A", "a,b", 'a"b', "a;b", "a\tb", "a=b", "default", "nan", "NaN", "None", "null", "NA", "true", "-1"),
    *(
        *("0", "-0", "007", "1.0", "1e3", "0x8", "9223372036854775808", "1_000", "\u0661", "[bold]", "[/]", "<script>"),
        *("{}", '["ant"]', "../x"),
    ),
    *("x" * 100_000, "\U0001f600" * 3000, "e\u0301", "\xe9", "C:\\a", "http://a/b?c=%20", "%00", "%2e%2e", "p:ant", "annotator:kim"),
)


def is_text(type_: pa.DataType) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or type_ == pa.string_view()


def is_matrix(type_: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_) or pa.types.is_large_list(type_)


def replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def texts(entries: list[Any]) -> pa.Array:
    """A string column of texts and of bytes that are no UTF-8."""
    raw = [entry.encode("utf-8", "surrogateescape") if isinstance(entry, str) else entry for entry in entries]
    return pa.array(raw, pa.binary()).view(pa.string())


def first(table: pa.Table) -> str:
    return str(table.column_names[0])


def matrix(table: pa.Table) -> str | None:
    return next((field.name for field in table.schema if is_matrix(field.type) and pa.types.is_floating(field.type.value_type)), None)


# Nothing of what it says is changed.


def reordered(draw: Random, table: pa.Table) -> pa.Table:
    names = list(table.column_names)
    draw.shuffle(names)
    return table.select(names)


def shuffled(draw: Random, table: pa.Table) -> pa.Table:
    order = list(range(table.num_rows))
    draw.shuffle(order)
    return table.take(pa.array(order, pa.int64()))


def payload(draw: Random, table: pa.Table) -> pa.Table:
    """Columns that mean nothing to altool, some of one name."""
    count = table.num_rows
    extra = [
        ("note", pa.array(["x"] * count)),
        ("note", pa.array([{"a": [1]}] * count)),
        ("", pa.array([None] * count, pa.null())),
        ("blob", pa.array([b"\xff"] * count)),
        ("when", pa.array([datetime.datetime(2024, 1, 1)] * count)),
        ("map", pa.array([[("a", 1)]] * count, pa.map_(pa.string(), pa.int64()))),
        ("a.b\n[red]", pa.array([decimal.Decimal("1.5")] * count)),
        ("half", pa.array(np.zeros(count, np.float16))),
    ]
    for name, column in draw.sample(extra, draw.randrange(1, 5)):
        table = table.append_column(name, column)
    return table


def ids_as_written_elsewhere(draw: Random, table: pa.Table) -> pa.Table:
    """Large, dictionary and narrow types of the same ids."""
    name = first(table)
    column = table.column(name).combine_chunks()
    if draw.random() < 0.3:
        return replaced(table, name, column.dictionary_encode())
    numbers = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.uint64()]
    return replaced(table, name, column.cast(pa.large_string() if is_text(column.type) else draw.choice(numbers)))


def views(draw: Random, table: pa.Table) -> pa.Table | None:
    name = first(table)
    column = table.column(name).combine_chunks()
    if not is_text(column.type):
        return None
    column = column.cast(pa.string_view())
    if draw.random() < 0.5:
        column = pa.DictionaryArray.from_arrays(pa.array(range(len(column)), pa.uint32()), column)
    return replaced(table, name, column)


def other_lists(draw: Random, table: pa.Table) -> pa.Table | None:
    name = matrix(table)
    if name is None:
        return None
    size, value = len(table.column(name)[0]), draw.choice([pa.float32(), pa.float64()])
    kind = draw.choice([pa.list_(value), pa.large_list(value), pa.list_(value, size)])
    return replaced(table, name, pa.array(table.column(name).to_pylist(), kind))


def large_texts(draw: Random, table: pa.Table) -> pa.Table | None:
    found = [field.name for field in table.schema if is_text(field.type)][1:]
    for name in found:
        table = replaced(table, name, table.column(name).cast(draw.choice([pa.large_string(), pa.dictionary(pa.int16(), pa.string())])))
    return table if found else None


SAME = options(reordered, shuffled, ids_as_written_elsewhere, other_lists, large_texts, must=True)
SAME += options(payload, views, same=True)

# Ids.


def id_type(draw: Random, table: pa.Table) -> pa.Table:
    count = table.num_rows
    numbers = range(1, count + 1)
    day = datetime.date(2024, 1, 1)
    made: list[Callable[[], pa.Array]] = [
        lambda: pa.array([float(n) for n in numbers]),
        lambda: pa.array([n / 2 for n in numbers]),
        lambda: pa.array([decimal.Decimal(n) for n in numbers], pa.decimal128(20, 0)),
        lambda: pa.array([decimal.Decimal(n) / 4 for n in numbers], pa.decimal128(20, 2)),
        lambda: pa.array([uuid.UUID(int=n).bytes for n in numbers], pa.uuid()),
        lambda: pa.array([b"\xff%d" % n for n in numbers]),
        lambda: pa.array([b"%08d" % n for n in numbers], pa.binary(8)),
        lambda: pa.array([n % 2 == 0 for n in numbers]),
        lambda: pa.array([datetime.datetime(2024, 1, 1) + datetime.timedelta(n) for n in numbers], pa.timestamp("ns", "Europe/Berlin")),
        lambda: pa.array([day + datetime.timedelta(n) for n in numbers]),
        lambda: pa.array([datetime.timedelta(n) for n in numbers]),
        lambda: pa.array([{"id": str(n)} for n in numbers]),
        lambda: pa.array([[str(n)] for n in numbers]),
        lambda: pa.array([[(str(n), n)] for n in numbers], pa.map_(pa.string(), pa.int64())),
        lambda: pa.nulls(count),
        lambda: pa.array([2**63 + n for n in numbers], pa.uint64()),
        lambda: pa.array([-(2**63) + n for n in numbers], pa.int64()),
        lambda: pa.array([2**63 - n for n in numbers], pa.int64()),
        lambda: pa.array([-n for n in numbers], pa.int64()),
        lambda: pa.array(np.arange(count).astype(np.float16)),
        lambda: pa.array([f"{n:03d}" for n in numbers]),
        lambda: pa.array(numbers, pa.int64()),
    ]
    return replaced(table, first(table), draw.choice(made)())


def twice(draw: Random, table: pa.Table) -> pa.Table:
    """A row that is there again, word for word or with other values."""
    again = table.slice(draw.randrange(max(1, table.num_rows)), 1)
    if draw.random() < 0.5 and table.num_rows > 1:
        again = replaced(table.slice(0, 1), first(table), again.column(0).combine_chunks()[:1]) if again.num_rows else again
    return pa.concat_tables([table, again])


def strange_ids(draw: Random, table: pa.Table) -> pa.Table:
    found = [str(value) for value in values(table.select([first(table)]))[0]]
    for place in draw.sample(range(len(found)), min(len(found), draw.choice([1, 1, 4]))):
        found[place] = draw.choice(TEXTS)
    return replaced(table, first(table), texts(found))


def look_alikes(draw: Random, table: pa.Table) -> pa.Table:
    """Ids that are another one but for what people do not see."""
    found = [str(value) for value in values(table.select([first(table)]))[0]]
    change = draw.choice(
        [
            *(lambda text: text + " ", lambda text: "0" + text, str.upper),
            *(lambda text: unicodedata.normalize("NFD", text + "\xe9"), lambda text: text + ".0"),
            *(lambda text: "-0" if text == "0" else f"+{text}", lambda text: text + "\u200b", lambda text: f"'{text}"),
        ]
    )
    return replaced(table, first(table), pa.array([change(text) for text in found]))


def null_ids(draw: Random, table: pa.Table) -> pa.Table:
    column = table.column(first(table)).to_pylist()
    column[draw.randrange(len(column))] = None
    return replaced(table, first(table), pa.array(column, table.column(0).type))


# The other columns.


def _other(draw: Random, table: pa.Table, wanted: Callable[[pa.DataType], bool]) -> str | None:
    found = [field.name for field in table.schema if wanted(field.type) and table.column_names.count(field.name) == 1]
    found = [name for name in found if name != first(table)] or (found if first(table) != "id" else [])
    return draw.choice(found) if found else None


def strange_matrix(draw: Random, table: pa.Table) -> pa.Table | None:
    name = matrix(table)
    if name is None or table.column_names.count(name) > 1:
        return None
    entries = table.column(name).to_pylist()
    size, place = len(entries[0]), draw.randrange(len(entries))

    def one(value: Any) -> pa.Array:
        entries[place] = value
        return pa.array(entries, pa.list_(pa.float64()))

    def number(value: Any) -> pa.Array:
        return one([value, *entries[place][1:]])

    names = ["ant", "bee", "cat", *(f"c{n}" for n in range(size))][:size]
    made: list[Callable[[], pa.Array]] = [
        lambda: one(None),
        lambda: one([]),
        lambda: one(entries[place][1:]),
        lambda: one([*entries[place], 0.0]),
        *(lambda value=value: number(value) for value in (None, float("nan"), float("inf"), -0.5, 1.0000096, 1e308, 1e-320, 2.0)),
        lambda: pa.array(np.asarray(entries, np.float16).tolist(), pa.list_(pa.float16(), size)),
        lambda: pa.array([[int(100 * v) for v in row] for row in entries], pa.list_(pa.int8(), size)),
        lambda: pa.array([[int(100 * v) for v in row] for row in entries], pa.list_(pa.uint64())),
        lambda: pa.array([[str(v) for v in row] for row in entries]),
        lambda: pa.array([[row] for row in entries]),
        lambda: pa.array([[[v] for v in row] for row in entries]),
        lambda: pa.array([dict(zip(names, row, strict=True)) for row in entries]),
        lambda: pa.array([list(zip(names, row, strict=True)) for row in entries], pa.map_(pa.string(), pa.float64())),
        lambda: pa.array([[{"label": n, "score": v} for n, v in zip(names, row, strict=True)] for row in entries]),
        lambda: pa.array([{"type": 1, "size": None, "indices": None, "values": row} for row in entries]),
        lambda: pa.array([json.dumps(row) for row in entries]),
        lambda: pa.array([row[0] for row in entries]),
        lambda: pa.array([row[:1] for row in entries]),
        lambda: pa.array([[] for _ in entries], pa.list_(pa.float32())),
        lambda: pa.array([[] for _ in entries], pa.list_(pa.float32(), 0)),
        lambda: pa.array([[0.0] * size for _ in entries]),
        lambda: pa.array([[None] * size for _ in entries], pa.list_(pa.float32())),
        lambda: pa.array([[decimal.Decimal(round(v, 3)).quantize(decimal.Decimal("0.001")) for v in row] for row in entries]),
        lambda: pa.array([[v > 0.5 for v in row] for row in entries]),
        lambda: pa.nulls(len(entries)),
        lambda: pa.array([np.asarray(row, np.float32).tobytes() for row in entries]),
    ]
    return replaced(table, name, draw.choice(made)())


def wide(draw: Random, table: pa.Table) -> pa.Table | None:
    """A column per class, by the names that people give them."""
    if "probabilities" not in table.column_names:
        return None
    entries = np.asarray(table.column("probabilities").to_pylist())
    form = draw.choice(["p:{}", "p:{}", "prob_{}", "{}", "p: {}", "P:{}"])
    names = draw.choice([["ant", "bee", "cat"], ["0", "1", "2"], ["ant", "ant", "cat"], ["", "bee", "cat"], ["a,b", "b\nc", "\x1b[2J"]])
    columns = {form.format(name): entries[:, place] for place, name in enumerate(names)}
    kept = table.drop_columns(["probabilities"]).replace_schema_metadata(None)
    for name, column in columns.items():
        kept = kept.append_column(name, pa.array(column))
    return kept


def strange_texts(draw: Random, table: pa.Table) -> pa.Table | None:
    name = _other(draw, table, is_text)
    if name is None:
        return None
    found = values(table.select([name]))[0]
    for place in draw.sample(range(len(found)), min(len(found), draw.choice([1, 2, 8]))):
        found[place] = draw.choice(TEXTS)
    return replaced(table, name, texts(found))


def strange_numbers(draw: Random, table: pa.Table) -> pa.Table | None:
    name = _other(draw, table, lambda type_: pa.types.is_integer(type_) or pa.types.is_floating(type_))
    if name is None:
        return None
    found = [None if value is None else float(value) for value in table.column(name).to_pylist()]
    for place in draw.sample(range(len(found)), min(len(found), draw.choice([1, 3]))):
        found[place] = draw.choice([None, float("nan"), float("inf"), -1.0, -0.0, 0.5, 2.0**31 - 1, 2.0**31, 2.0**62, 1e300, 0.0, 1.0])
    if pa.types.is_integer(table.schema.field(name).type) and all(value is None or float(value).is_integer() for value in found):
        return replaced(
            table,
            name,
            pa.array(
                [None if value is None else min(int(value), 2**63 - 1) for value in found if value != float("inf")]
                + [None] * found.count(float("inf")),
                pa.int64(),
            ),
        )
    return replaced(table, name, pa.array(found))


def other_type(draw: Random, table: pa.Table) -> pa.Table | None:
    """A column of a type that nobody expects there."""
    name = _other(draw, table, lambda type_: True)
    if name is None:
        return None
    count = table.num_rows
    start = datetime.datetime(2024, 1, 1)
    utc = datetime.UTC
    made: list[Callable[[], pa.Array]] = [
        lambda: pa.array(range(-1, count - 1), pa.int64()),
        lambda: pa.array([n % 3 - 1 for n in range(count)], pa.int8()),
        lambda: pa.array([float(n % 3) if n % 4 else None for n in range(count)]),
        lambda: pa.array([n % 2 == 0 for n in range(count)]),
        lambda: pa.array([decimal.Decimal(n) for n in range(count)]),
        lambda: pa.array([["ant"]] * count),
        lambda: pa.array([[]] * count, pa.list_(pa.string())),
        lambda: pa.array([{"value": "ant"}] * count),
        lambda: pa.array([[("ant", 1.0)]] * count, pa.map_(pa.string(), pa.float64())),
        lambda: pa.nulls(count),
        lambda: pa.nulls(count, pa.string()),
        lambda: pa.array([start] * count, pa.timestamp(draw.choice(["s", "ms", "us", "ns"]))),
        lambda: pa.array([start.replace(tzinfo=utc)] * count, pa.timestamp("ms", draw.choice(["UTC", "Europe/Berlin", "+02:00"]))),
        lambda: pa.array([draw.choice([2**63 - 1, -(2**63) + 1, 0])] * count, pa.int64()).cast(pa.timestamp("s", "UTC")),
        lambda: pa.array([start.date()] * count),
        lambda: pa.array([datetime.time(1)] * count),
        lambda: pa.array([1717171717] * count, pa.int64()),
        lambda: pa.array(["2024-01-01 00:00:00"] * count),
        lambda: pa.array([draw.choice(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2024-02-30T00:00:00Z", "4,5"])] * count),
        lambda: pa.array([b"ant"] * count),
        lambda: pa.array([b"\xff\xd8"] * count, pa.large_binary()),
        lambda: pa.array(np.zeros(count, np.float16)),
        lambda: pa.array([2**64 - 1] * count, pa.uint64()),
        lambda: pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int8()), pa.array(["ant"], pa.string_view())),
        lambda: pa.DictionaryArray.from_arrays(pa.array([None] * count, pa.int8()), pa.array(["ant"])),
        lambda: pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'] * count)),
        lambda: pa.RunEndEncodedArray.from_arrays(pa.array([count], pa.int32()), pa.array(["ant"])),
        lambda: pa.UnionArray.from_sparse(pa.array([0] * count, pa.int8()), [pa.array(["ant"] * count)]),
    ]
    return replaced(table, name, draw.choice(made)())


def duplicate_column(draw: Random, table: pa.Table) -> pa.Table:
    name = draw.choice(table.column_names)
    return table.append_column(name, draw.choice([table.column(name), pa.nulls(table.num_rows, pa.string())]))


def lost_column(draw: Random, table: pa.Table) -> pa.Table:
    return table.drop_columns([draw.choice(table.column_names)])


def renamed_column(draw: Random, table: pa.Table) -> pa.Table:
    place = draw.randrange(table.num_columns)
    names = list(table.column_names)
    names[place] = draw.choice(
        [names[place].upper(), names[place] + " ", " " + names[place], "\ufeff" + names[place], "a\x1b[2Jb", "x" * 8192, "", "a\nb", "id"]
    )
    return table.rename_columns(names)


def contract_names(draw: Random, table: pa.Table) -> pa.Table:
    """Columns of other meaning under the contract's optional names."""
    count = table.num_rows
    foreign = [
        ("source", pa.array(["twitter"] * count)),
        ("status", pa.array(["done"] * count)),
        ("round", pa.array(["first"] * count)),
        ("round", pa.array([2**31 - 1] * count, pa.int64())),
        ("round", pa.array([-1] * count, pa.int32())),
        ("fold", pa.array([n % 5 for n in range(count)])),
        ("fold", pa.array([2**40] * count)),
        ("seconds", pa.array(["4,5"] * count)),
        ("labeled_at", pa.array([1717171717] * count)),
        ("labeled_at", pa.array(["yesterday"] * count)),
        ("annotator", pa.array([{"id": 1}] * count)),
        ("suggested_label", pa.array([1.5] * count)),
        ("rank", pa.array(["a"] * count)),
        ("tier", pa.array([1] * count)),
        ("predicted_loss", pa.array(["x"] * count)),
        ("path", pa.array(["../../etc/passwd"] * count)),
        ("image", pa.array([b"no image"] * count)),
        ("text", pa.array([3] * count)),
        ("class", pa.array(["ant"] * count)),
    ]
    name, column = draw.choice(foreign)
    return (
        replaced(table, name, column) if table.column_names.count(name) == 1 and name != first(table) else table.append_column(name, column)
    )


def no_rows(draw: Random, table: pa.Table) -> pa.Table:
    empty = table.slice(0, 0)
    return pa.table({name: pa.nulls(0) for name in dict.fromkeys(table.column_names)}) if draw.random() < 0.3 else empty


def one_row(draw: Random, table: pa.Table) -> pa.Table:
    return table.slice(draw.randrange(table.num_rows), 1)


def no_columns(draw: Random, table: pa.Table) -> pa.Table:
    return table.select([])


def metadata(draw: Random, table: pa.Table) -> pa.Table:
    """Metadata that is no JSON, of another shape, too deep, or somebody else's."""
    ids = [str(value) for value in values(table.select([first(table)]))[0]][:2] if table.num_columns else []
    content = draw.choice(
        [
            *(b"", b"not json", b"null", b"3", b'"ant"', b"{}", b"[]", b"[1, 2, 3]", b'["ant", "ant", "cat"]'),
            *(b'["ant", "bee"]', b'["ant", null, "cat"]', b"[" * 100_000, b'{"a":' * 50_000),
            *(b"\xef\xbb\xbf" + b'["ant", "bee", "cat"]', b"\xff\xfe", b'["ant", "bee", "c\\ud800"]'),
            *(b'[["ant"], "bee", "cat"]', b'["cat", "bee", "ant"]', b'["a\\u001b[2J", "b\\nerror: c", "\\u202e"]'),
            *(b'{"command": 1, "options": [], "inputs": null, "begun": 3}', b'{"begun": {"0": "x"}}'),
            *(b'{"begun": {"a": [1]}}', b"1e999", b"-1", json.dumps({"begun": {"0": ids}}).encode()),
            b'["' + b"x" * 100_000 + b'"]',
        ]
    )
    key = draw.choice(
        [b"altool.classes"] * 4
        + [b"altool.provenance"] * 3
        + [b"altool.kind", b"altool.version", b"pandas", b"huggingface", b"altool.\xff"]
    )
    return table.replace_schema_metadata({**(table.schema.metadata or {}), key: content})


def kind(draw: Random, table: pa.Table) -> pa.Table:
    """A table that says it is of another kind."""
    said = draw.choice(["labels", "predictions", "features", "queries", "metrics", "rejects", "nonsense"])
    return table.replace_schema_metadata({**(table.schema.metadata or {}), "altool.kind": said, "altool.version": "99.0"})


GOOD = Option("good", lambda draw, table: table, same=True, must=True)
SHAPES = SAME + options(
    *(id_type, twice, strange_ids, look_alikes, null_ids, strange_matrix, wide, strange_texts, strange_numbers, other_type),
    *(duplicate_column, lost_column, renamed_column, contract_names, no_rows, one_row, no_columns, metadata, kind),
)

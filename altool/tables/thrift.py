"""Thrift's compact protocol, in which Parquet files describe themselves: just enough to look at a header or a footer.

pyarrow has no way to see a page's header, and of a damaged footer its C++ code may throw where nothing catches, which ends the process:
such bytes are looked at here first. A general thrift library reads by generated classes; this reads any struct, in 60 lines.
"""

from __future__ import annotations

Struct = dict[int, object]


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def struct(data: bytes, at: int) -> tuple[Struct, int]:
    """{field number: value} of a struct, and where it ends. Raises IndexError where `data` ends before it, or holds no such thing."""
    fields: Struct = {}
    number = 0
    while data[at]:
        delta, kind = data[at] >> 4, data[at] & 15
        at += 1
        if delta:
            number += delta
        else:
            number, at = varint(data, at)
            number = number >> 1 ^ -(number & 1)
        fields[number], at = (kind == 1, at) if kind in (1, 2) else _value(data, at, kind)
    return fields, at + 1


def _value(data: bytes, at: int, kind: int) -> tuple[object, int]:
    if kind in (1, 2, 3):  # a truth value of a list, a byte
        return data[at], at + 1
    if kind in (4, 5, 6):  # zigzag integers
        value, at = varint(data, at)
        return value >> 1 ^ -(value & 1), at
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = varint(data, at)
        return data[at : at + length], at + length
    if kind in (9, 10):
        length, inner = data[at] >> 4, data[at] & 15
        at += 1
        if length == 15:
            length, at = varint(data, at)
        if length > len(data) - at:
            raise IndexError("a list that is longer than what holds it")
        entries = []
        for _ in range(length):
            entry, at = _value(data, at, inner)
            entries.append(entry)
        return entries, at
    if kind == 12:
        return struct(data, at)
    raise IndexError("Parquet holds nothing else")

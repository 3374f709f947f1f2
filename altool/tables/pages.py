"""Matrices straight from the pages of a Parquet file, where they lie there as they are in memory.

pyarrow decodes two levels for every number of a list, which costs far more than reading it. Where a fixed-size list of floats is neither
compressed nor encoded, and its levels say that nothing is null, the numbers can be taken from the file as they lie. Whatever is not
exactly so is left to pyarrow.

Why own code where a library exists: on a million rows of 512 float32 this reads eight times as fast as pyarrow (CHANGELOG, 0.1.0), and
reading is the larger part of what `select` and `train` do with features. It can go once pyarrow reads fixed-size lists without a level
for each number. The environment variable ALTOOL_PAGES=pyarrow leaves every page to pyarrow, to compare, and to halve a bug report by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from altool.tables import thrift

HEAD = 4096  # bytes: more than a page's header and the length of its first levels need
DATA_PAGE, DATA_PAGE_V2 = 0, 3  # page types
PLAIN, RLE = 0, 3  # encodings
PHYSICAL = {"FLOAT": (np.float32, pa.float32()), "DOUBLE": (np.float64, pa.float64()), "FIXED_LEN_BYTE_ARRAY": (np.float16, pa.float16())}


@dataclass(frozen=True)
class Plain:
    """A column chunk's numbers: `width` per row, lying at these (offset, count) in the file."""

    dtype: type
    type: pa.DataType
    width: int
    runs: list[tuple[int, int]]

    def rows(self, handle: int, size: int, rows: int) -> Iterator[pa.FixedSizeListArray]:
        """All `size` rows, so many at a time, read from the open file. Raises OSError if the file is shorter than it says."""
        runs = iter(self.runs)
        offset = left = 0
        itemsize = np.dtype(self.dtype).itemsize
        for start in range(0, size, rows):
            numbers: np.ndarray = np.empty(min(rows, size - start) * self.width, self.dtype)
            view = numbers.view(np.uint8).data
            while len(view):
                if not left:
                    offset, left = next(runs)
                take = min(left * itemsize, len(view))
                if os.preadv(handle, [view[:take]], offset) != take:
                    raise OSError("it ends within a page")
                view, offset, left = view[take:], offset + take, left - take // itemsize
            values = pa.Array.from_buffers(self.type, len(numbers), [None, pa.py_buffer(numbers)])
            yield pa.FixedSizeListArray.from_arrays(values, self.width)

    def at(self, handle: int, wanted: np.ndarray) -> pa.FixedSizeListArray | None:
        """The rows at these places alone (int64, increasing), read one by one; None where a page does not end with a row."""
        offsets, sizes = np.array(self.runs, np.int64).reshape(-1, 2).T
        if (sizes % self.width).any():
            return None
        first = np.cumsum(sizes // self.width) - sizes // self.width  # each page's first row
        page = np.searchsorted(first, wanted, side="right") - 1
        numbers: np.ndarray = np.empty((len(wanted), self.width), self.dtype)
        for row, offset in zip(numbers, (offsets[page] + (wanted - first[page]) * numbers[:1].nbytes).tolist(), strict=True):
            if os.preadv(handle, [row.view(np.uint8).data], offset) != row.nbytes:
                raise OSError("it ends within a page")
        values = pa.Array.from_buffers(self.type, numbers.size, [None, pa.py_buffer(numbers)])
        return pa.FixedSizeListArray.from_arrays(values, self.width)


def plain(handle: int, metadata: pq.FileMetaData, group: int, column: str, type_: pa.DataType) -> Plain | None:
    """Where the numbers of a column of this Arrow type lie in a row group; None if they do not lie there as they are in memory."""
    if os.environ.get("ALTOOL_PAGES") == "pyarrow":
        return None
    rows = metadata.row_group(group)
    leaves = [index for index in range(rows.num_columns) if rows.column(index).path_in_schema.split(".")[0] == column]
    if len(leaves) != 1 or not pa.types.is_fixed_size_list(type_):
        return None
    chunk, leaf = rows.column(leaves[0]), metadata.schema.column(leaves[0])
    dtype, value_type = PHYSICAL.get(chunk.physical_type, (None, None))
    count = rows.num_rows * type_.list_size
    if (
        dtype is None
        or value_type != type_.value_type
        or chunk.compression != "UNCOMPRESSED"
        or chunk.has_dictionary_page
        or chunk.num_values != count
        or leaf.max_repetition_level != 1
        or leaf.max_definition_level > 3
    ):
        return None
    runs = _runs(handle, chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size, leaf.max_definition_level, dtype)
    if runs is None or sum(size for _, size in runs) != count:
        return None
    return Plain(dtype, value_type, type_.list_size, runs)


def _runs(handle: int, start: int, end: int, highest: int, dtype: type) -> list[tuple[int, int]] | None:
    """(offset, count) of the numbers of each page between two places of the file; None if a page is not plain, or holds nulls."""
    runs = []
    while start < end:
        head = os.pread(handle, HEAD, start)
        try:
            header, size = thrift.struct(head, 0)
        except IndexError:
            return None  # longer than what was read, or no header
        body, length = start + size, header.get(3)
        first, second = header.get(5), header.get(8)
        if header.get(1) == DATA_PAGE and isinstance(first, dict) and (first.get(2), first.get(3), first.get(4)) == (PLAIN, RLE, RLE):
            count, at = first.get(1), body
            for _ in range(2):  # repetition, then definition levels, each behind its length in four bytes
                levels, at = at + 4, at + 4 + int.from_bytes(os.pread(handle, 4, at), "little")
        elif header.get(1) == DATA_PAGE_V2 and isinstance(second, dict) and second.get(4) == PLAIN and second.get(2) == 0:
            count, levels = second.get(1), body + second.get(6, 0)
            at = levels + second.get(5, 0)
        else:
            return None
        if not isinstance(count, int) or not isinstance(length, int) or at + count * np.dtype(dtype).itemsize != body + length:
            return None
        if os.pread(handle, at - levels, levels) != _varint_bytes(count << 1) + bytes([highest]):
            return None  # not one run in which all are there
        runs.append((at, count))
        start = body + length
    return runs


def _varint_bytes(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])

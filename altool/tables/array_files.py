"""Arrays that lie in files without ids: NumPy's .npy and .npz, and safetensors."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from altool.errors import InputError

ARRAYS = b"arrays"  # in a table's metadata: it is of such a file
NUMPY = b"\x93NUMPY"
ZIP = b"PK\x03\x04"
HEADER = 8  # bytes of a safetensors file that hold the length of its header
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1"}


def may_be(head: bytes) -> bool:
    """May a file that begins so be one of arrays?"""
    safetensors = head[HEADER : HEADER + 2] == b'{"' and 2 <= int.from_bytes(head[:HEADER], "little") < 1 << 28
    return safetensors or head.startswith((NUMPY, ZIP))


def is_arrays(content: bytes) -> bool:
    """Is a file that may be one of arrays such a file? A ZIP archive is where it holds nothing else."""
    if not content.startswith(ZIP):
        return True
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return bool(archive.namelist()) and all(name.endswith(".npy") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def table(where: str, content: bytes) -> pa.Table:
    """A file of arrays as a table: a column of lists (fixed_size_list) per matrix and one of values per vector, called as they are in the
    file, `array` where they have no name; a single number is that of all rows. Nothing of the file is run.

    Raises InputError, which begins with `where`, for a damaged file, other arrays, and arrays of other lengths.
    """
    try:
        if content.startswith(NUMPY):
            found: Mapping[str, np.ndarray] = {"array": np.load(io.BytesIO(content), allow_pickle=False)}
        elif content.startswith(ZIP):
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                found = {name: archive[name] for name in archive.files}
        else:
            found = _safetensors(content)
        rows = max((len(array) for array in found.values() if array.ndim), default=0)  # of which a single number is each one's
        columns = {name: _column(array if array.ndim else np.full(rows, array)) for name, array in found.items()}
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, pa.ArrowException) as error:
        raise InputError(f"{where}: its arrays cannot be read ({error})", "write matrices of numbers, a row per item") from error
    if len({len(column) for column in columns.values()}) != 1:
        lengths = ", ".join(f"{name}: {len(column):,}" for name, column in columns.items())
        raise InputError(f"{where}: its arrays have other lengths ({lengths})", "write one file with a row per item")
    return pa.table(columns).replace_schema_metadata({ARRAYS: b""})


def _column(array: np.ndarray) -> pa.Array:
    if array.dtype.kind == "V":
        raise ValueError(f"type {array.dtype}, as NumPy stores bfloat16: write float32 or safetensors")
    if array.ndim == 2 and array.shape[1]:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).reshape(-1)), array.shape[1])
    if array.ndim != 1:
        raise ValueError(f"an array of shape {array.shape}")
    return pa.array(array.tolist() if array.dtype.kind in "US" else array)


def _safetensors(content: bytes) -> dict[str, np.ndarray]:
    """The arrays by name; bfloat16 as float32, which holds it exactly."""
    start = HEADER + int.from_bytes(content[:HEADER], "little")
    found = {}
    for name, entry in json.loads(content[HEADER:start]).items():
        if name == "__metadata__":
            continue
        low, high = entry["data_offsets"]
        array = np.frombuffer(content[start + low : start + high], TYPES[entry["dtype"]])
        if entry["dtype"] == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        found[name] = array.reshape(entry["shape"])
    return found

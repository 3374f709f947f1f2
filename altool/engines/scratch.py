"""Arrays within a bound of memory: those that do not fit lie in a file without a name, and their pages come and go."""

from __future__ import annotations

import mmap
import re
import tempfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from altool.errors import UsageError

UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
RESERVE = 448 << 20  # for the program itself, reading and the kernels' working sets


def parse_size(text: str) -> int:
    """Bytes of `4GiB`, `800 MB` or a plain number. Raises UsageError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not found or found[2].upper() not in UNITS:
        raise UsageError(f"--memory: expected a size, found {text!r}", "give for example --memory 4GiB")
    return int(float(found[1]) * UNITS[found[2].upper()])


def available() -> int:
    """Bytes that this machine can give without swapping; a part of that leaves room for others."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 4 << 30


class Scratch:
    """Hands out arrays: in memory as long as `limit` bytes (less what the rest of the program needs) allow, then in mapped files.

    The files lie in the folder for temporary files (TMPDIR) and are deleted as they are made: nothing is left, however the run ends.
    """

    def __init__(self, limit: int) -> None:
        self.left = limit - RESERVE

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An array of this shape, its content undefined (zeros in a file)."""
        size = prod(shape) * np.dtype(dtype).itemsize
        if size <= self.left or not size:
            self.left -= size
            return np.empty(shape, dtype)
        with tempfile.TemporaryFile(prefix="altool-") as file:
            file.truncate(size)
            mapping = mmap.mmap(file.fileno(), size)
        return np.ndarray(shape, dtype, mapping)


def release(array: Any, part: slice) -> None:
    """Let go of the memory pages that hold the rows `part` if `array` is a whole mapped file; they are read again when needed."""
    mapping = getattr(array, "base", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        size = array.strides[0]
        start = part.start * size // mmap.PAGESIZE * mmap.PAGESIZE
        mapping.madvise(mmap.MADV_DONTNEED, start, part.stop * size - start)

"""Arrays in memory while it lasts, then in files that leave nothing behind."""

from __future__ import annotations

import mmap
import os

import numpy as np
import pytest

from altool.engines.scratch import RESERVE, Scratch, parse_size, release
from altool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"), [("4GiB", 4 << 30), ("1.5 gib", 3 << 29), ("800MB", 800_000_000), ("123", 123), (" 2 KiB ", 2048), ("0", 0)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "4 gigs", "-1GiB", "1e9", "four"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="--memory"):
        parse_size(text)


def test_what_fits_is_in_memory_and_the_rest_in_a_file(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    scratch = Scratch(RESERVE + 5000)
    small, large = scratch.empty((10, 100), np.float32), scratch.empty((10, 100), np.float16)
    assert small.base is None
    assert isinstance(large.base, mmap.mmap)
    assert large.shape == (10, 100)
    assert large.dtype == np.float16
    assert scratch.empty((0, 4), np.float32).shape == (0, 4)
    large[:] = np.arange(1000).reshape(10, 100)
    release(large, slice(3, 7))
    release(small, slice(0, 10))
    assert np.array_equal(large, np.arange(1000).reshape(10, 100))
    assert os.listdir(str(tmp_path)) == []

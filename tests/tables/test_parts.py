"""Part files: what one process leaves of its rows, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from altool.errors import InputError
from altool.tables import parts


def test_what_is_appended_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "t" / parts.name(1, 3)
    digests = np.arange(80, dtype=np.uint8).reshape(5, 16)
    values = np.arange(10, dtype=np.float16).reshape(5, 2)
    with parts.writer(path, "k", {"command": "embed", "width": 2}, 1, 3, 4096) as append:
        append(pa.array(["a", "b", "c"]), digests[:3], values[:3], [None, "null", None])
        append(pa.chunked_array([["d"], ["e"]]), digests[3:], values[3:])
        assert not path.exists()
    found = parts.part(path)
    assert (found.key, found.facts, found.number, found.of, found.first) == ("k", {"command": "embed", "width": 2}, 1, 3, 4096)
    assert found.rows == 5
    assert found.column("id").to_pylist() == ["a", "b", "c", "d", "e"]
    assert found.column("reason").to_pylist() == [None, "null", None, None, None]
    blocks = list(found.blocks())
    assert [len(one.ids) for one in blocks] == [3, 2]
    assert np.array_equal(np.concatenate([one.digests for one in blocks]), digests)
    both = np.concatenate([one.values for one in blocks])
    assert np.array_equal(both, values)
    assert both.dtype == np.float16
    assert parts.stored(tmp_path / "t") == [path]
    assert parts.stored(tmp_path / "none") == []


def test_checksums_and_no_rows(tmp_path: Path) -> None:
    with parts.writer(tmp_path / parts.name(0, 1), "k", {}, 0, 1, 0) as append:
        append(pa.array([], pa.int64()), np.zeros(0, np.uint32), np.zeros((0, 3), np.float32))
    found = parts.part(tmp_path / parts.name(0, 1))
    assert found.rows == 0
    assert found.column("id").type == pa.int64()
    (block,) = found.blocks()
    assert block.values.shape == (0, 3)
    assert block.digests.dtype == np.uint32


def test_a_part_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / parts.name(0, 2)
    with pytest.raises(ValueError, match="disk"):
        _write_half(path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"half")
    with pytest.raises(InputError, match="cannot be read as a part"):
        parts.part(path)
    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, pa.schema([("id", pa.int64())])):
        pass  # somebody else's
    with pytest.raises(InputError, match="cannot be read as a part"):
        parts.part(path)


def _write_half(path: Path) -> None:
    with parts.writer(path, "k", {}, 0, 2, 0) as append:
        append(pa.array([1]), np.zeros(1, np.uint32), np.zeros((1, 3), np.float32))
        raise ValueError("disk")

"""Shards of a run that may be killed: what is kept, what fits, and that two runs do not share a target."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from altool.errors import UsageError
from altool.tables import shards

IDS = pa.chunked_array([pa.array(["a", "b"]), pa.array(["c", "d", "e"])])
DIGESTS = np.arange(5 * 16, dtype=np.uint8).reshape(5, 16)


def stored(target: Path, key: str = "run", size: int = 2, ids: pa.ChunkedArray = IDS) -> tuple[set[int], list[int]]:
    """The numbers of the shards that are there, and those of them that fit."""
    with shards.beside(target) as store:
        found = store.begin(key, ids, size)
        return found, [number for number in found if store.fits(number, DIGESTS[number * size : number * size + size])]


def fill(target: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), shards.beside(target) as store:
        store.begin("run", IDS, 2)
        assert len(store) == 3
        for number in (0, 2):
            rows = DIGESTS[number * 2 : number * 2 + 2]
            store.write(number, rows, np.full((len(rows), 3), number, np.float16), [None] * (len(rows) - 1) + ["broken"])
        raise KeyboardInterrupt


def test_shards_survive_an_interrupted_run(tmp_path: Path) -> None:
    fill(tmp_path / "f.parquet")
    assert stored(tmp_path / "f.parquet") == ({0, 2}, [0, 2])
    with shards.beside(tmp_path / "f.parquet") as store:
        store.begin("run", IDS, 2)
        shard = store.read(2)
        assert shard.vectors.dtype == np.float16
        assert shard.vectors.tolist() == [[2, 2, 2]]
        np.testing.assert_array_equal(shard.digests, DIGESTS[4:])
        assert shard.reasons.to_pylist() == ["broken"]
        store.remove()
    assert list(tmp_path.iterdir()) == []


def test_shards_of_another_run_or_input_are_not_taken(tmp_path: Path) -> None:
    target = tmp_path / "f.parquet"
    fill(target)
    assert stored(target, ids=pa.chunked_array([["a", "b", "c", "d", "x"]])) == ({0, 2}, [0])
    DIGESTS[0, 0] += 1
    assert stored(target) == ({0, 2}, [2])
    DIGESTS[0, 0] -= 1
    (tmp_path / ".f.parquet.partial" / "shard-000001.arrow").write_bytes(b"ARROW1 cut off")
    assert stored(target) == ({0, 2}, [0, 2])
    assert stored(target, key="other") == (set(), [])
    assert list(tmp_path.iterdir()) == []  # nothing to go on with


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with shards.beside(tmp_path / "f.parquet"):
        with pytest.raises(UsageError, match="is being written by another run"), shards.beside(tmp_path / "f.parquet"):
            pass
        with shards.beside(tmp_path / "g.parquet"):
            pass
    with shards.beside(tmp_path / "f.parquet"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_others_put_into_the_hidden_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / ".f.parquet.partial"
    with shards.partial(tmp_path / "f.parquet"):
        (folder / "shard-000000.arrow").touch()
        (folder / "mine").touch()
        shards.clear(folder)
    assert [path.name for path in folder.iterdir()] == ["mine"]

"""Wanted rows come in id order, whatever the files; every row is checked and counts in the fingerprint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import features, write

from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.tables.arrays import read_index, read_matrices
from altool.tables.read import Reader, Source

ROWS = 1000


def matrix(dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, 5)).astype(dtype)


def opened(path: Path) -> Source:
    reader = Reader()
    source = reader.open(str(path), "features")
    reader.match_ids()
    return source


@pytest.mark.parametrize("limit", [0, 1 << 40], ids=["file", "memory"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_any_layout_gives_the_same_arrays(tmp_path: Path, dtype: type, limit: int) -> None:
    table = features(matrix(dtype))
    write(table, tmp_path / "one.parquet")
    shuffle = np.random.default_rng(1).permutation(ROWS)
    for number, part in enumerate(np.array_split(shuffle, 7)):
        write(table.take(pa.array(part)), tmp_path / "many" / f"{number}.parquet", row_group_size=33)
    wanted = [np.arange(3, ROWS, 2), np.array([0, 2, 500]), np.arange(ROWS), np.empty(0, np.int64)]
    prints = set()
    for name in ("one.parquet", "many"):
        source = opened(tmp_path / name)
        arrays, print_, _ = read_matrices(source, "features", read_index(source), wanted, Scratch(limit), threads=2)
        prints.add(print_)
        for array, rows in zip(arrays, wanted, strict=True):
            assert array.dtype == dtype
            assert np.array_equal(array, matrix(dtype)[rows])
    assert len(prints) == 1


def test_faults_are_found_in_rows_that_nobody_wants(tmp_path: Path) -> None:
    rows = matrix()
    rows[[7, 900]] = np.nan
    write(features(rows), tmp_path / "f.parquet", row_group_size=100)
    source = opened(tmp_path / "f.parquet")
    with pytest.raises(InputError, match=r"2 rows with NaN or infinity \(ids row-0007, row-0900\)"):
        read_matrices(source, "features", read_index(source), [np.array([1])], Scratch(1 << 40))


def test_rows_of_other_widths_are_refused(tmp_path: Path) -> None:
    write(features(matrix()), tmp_path / "f" / "a.parquet")
    write(features(np.ones((3, 4), np.float32), ["x", "y", "z"]), tmp_path / "f" / "b.parquet")
    source = opened(tmp_path / "f")
    with pytest.raises(InputError, match="rows hold"):
        read_matrices(source, "features", read_index(source), [np.array([1])], Scratch(1 << 40), threads=2)
    source = opened(tmp_path / "f" / "a.parquet")
    with pytest.raises(InputError, match="rows hold 5 numbers, not 6"):
        read_matrices(source, "features", read_index(source), [np.array([1])], Scratch(1 << 40), width=6)

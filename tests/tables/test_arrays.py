"""Wanted rows come in id order, whatever the files; every row is checked and counts in the fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import features, write

from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.tables.arrays import read_index, read_matrices, read_some
from altool.tables.read import Reader, Source
from altool.tables.source import Piece

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


@pytest.mark.parametrize("pages", ["", "pyarrow"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_some_rows_are_those_of_the_whole(
    tmp_path: Path, dtype: type, compression: str, pages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTOOL_PAGES", pages)
    draw = np.random.default_rng(1)
    shuffle = draw.permutation(ROWS)
    write(features(matrix(dtype)), tmp_path / "one.parquet", compression=compression, data_page_size=256, use_dictionary=False)
    for number, part in enumerate(np.array_split(shuffle, 3)):
        path = tmp_path / "many" / f"{number}.parquet"
        write(features(matrix(dtype)).take(pa.array(part)), path, row_group_size=101, compression=compression, use_dictionary=False)
    for wanted in (draw.permutation(ROWS)[:7], draw.permutation(ROWS)[:600], np.arange(ROWS), np.empty(0, np.int64)):
        sums = []
        for name in ("one.parquet", "many"):
            source = opened(tmp_path / name)
            rows, checksums = read_some(source, "features", read_index(source), wanted, threads=2)
            sums.append(checksums)
            if len(wanted):
                assert rows.dtype == dtype
                assert np.array_equal(rows, matrix(dtype)[wanted])
        assert np.array_equal(*sums)


def test_faults_of_some_rows_are_those_that_are_read(tmp_path: Path) -> None:
    rows = matrix()
    rows[[7, 900]] = np.nan
    write(features(rows), tmp_path / "f.parquet", row_group_size=100)
    source = opened(tmp_path / "f.parquet")
    read_some(source, "features", read_index(source), np.array([1, 500]))
    for wanted in (np.array([1, 7, 950]), np.arange(50)):
        with pytest.raises(InputError, match=r"1 row with NaN or infinity \(ids row-0007\)"):
            read_some(source, "features", read_index(source), wanted)


def test_some_rows_of_other_widths_are_refused(tmp_path: Path) -> None:
    write(features(matrix()[:500]), tmp_path / "f" / "1.parquet")
    write(
        features(matrix()[500:, :4]).set_column(0, "id", pa.array([f"row-{row:04d}" for row in range(500, 1000)])),
        tmp_path / "f" / "2.parquet",
    )
    source = opened(tmp_path / "f")
    with pytest.raises(InputError, match="rows hold"):
        read_some(source, "features", read_index(source), np.array([3, 999]))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_no_more_is_read_than_some_rows_need(tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(features(matrix()), tmp_path / "f.parquet", row_group_size=100, compression=compression, use_dictionary=False)
    source = opened(tmp_path / "f.parquet")
    index = read_index(source)
    whole: list[int] = []
    raw = Source._raw

    def counted(self: Source, piece: Piece, wanted: Sequence[list[str]], **options: Any) -> Any:
        whole.append(piece.group)
        return raw(self, piece, wanted, **options)

    monkeypatch.setattr(Source, "_raw", counted)
    read_some(source, "features", index, np.array([250, 251, 720]), threads=1)
    assert whole == ([] if compression == "none" else [2, 7])  # where the numbers lie as they are, not even these row groups

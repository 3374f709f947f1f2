"""Matrices straight from a file's pages are what pyarrow reads; what is not plain is left to pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.errors import InputError
from altool.tables import pages, source
from altool.tables.read import Reader

PLAIN = {"compression": "NONE", "use_dictionary": False}


def table(rows: int, width: int, type_: Any, seed: int = 0) -> pa.Table:
    matrix = np.random.default_rng(seed).normal(size=(rows, width)).astype(type_)
    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), width)
    return pa.table({"id": [f"row-{row:05d}" for row in range(rows)], "features": column})


def scanned(path: Path, columns: tuple[str, ...] = ("id", "features")) -> pa.Table:
    reader = Reader()
    source = reader.open(str(path), "features")
    reader.match_ids()
    return source.read(list(columns))


def directly(path: Path) -> int:
    """How many row groups' features are taken straight from the file."""
    metadata = pq.read_metadata(path)
    type_ = pq.read_schema(path).field("features").type
    with open(path, "rb") as handle:
        found = [pages.plain(handle.fileno(), metadata, group, "features", type_) for group in range(metadata.num_row_groups)]
    return sum(part is not None for part in found)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 30),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.sampled_from([64, 1000, 1 << 20]),
    st.integers(1, 500),
    st.sampled_from(["1.0", "2.0"]),
    st.booleans(),
)
def test_the_same_as_pyarrow(rows: int, width: int, type_: Any, page: int, group: int, version: str, stored: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.parquet"
        given_table = table(rows, width, type_)
        options = {"data_page_size": page, "row_group_size": group, "data_page_version": version, "write_page_checksum": stored}
        pq.write_table(given_table, path, **PLAIN, **options, store_schema=True, write_statistics=stored)
        assert directly(path) == pq.read_metadata(path).num_row_groups
        with mock.patch.object(source, "BATCH_BYTES", 256), mock.patch.object(source, "BATCH_ROWS", (3, 50)):
            expected = (
                given_table
                if type_ is not np.float64
                else pa.table(  # vectors are float32
                    {"id": given_table["id"], "features": given_table["features"].cast(pa.list_(pa.float32(), width))}
                )
            )
            assert scanned(path).equals(expected)
            assert scanned(path, ("features",)).equals(expected.select(["features"]))


@pytest.mark.parametrize(
    "options", [{"compression": "snappy"}, {"compression": "NONE", "use_byte_stream_split": ["features.list.element"]}, {}]
)
def test_what_is_not_plain_is_left_to_pyarrow(tmp_path: Path, options: dict[str, Any]) -> None:
    given_table = table(300, 4, np.float32)
    pq.write_table(given_table, tmp_path / "f.parquet", **{"use_dictionary": not options, **options})
    assert directly(tmp_path / "f.parquet") == 0
    assert scanned(tmp_path / "f.parquet").equals(given_table)


def test_nulls_are_left_to_pyarrow_and_refused(tmp_path: Path) -> None:
    values = table(300, 4, np.float32).column("features").to_pylist()
    for faulty in (None, [1.0, None, 2.0, 3.0]):
        rows = [*values[:250], faulty, *values[251:]]
        column = pa.array(rows, pa.list_(pa.float32(), 4))
        try:
            pq.write_table(pa.table({"id": list(range(300)), "features": column}), tmp_path / "f.parquet", row_group_size=100, **PLAIN)
        except pa.ArrowNotImplementedError:
            pytest.skip("this pyarrow reads such a column, but does not write one")
        assert directly(tmp_path / "f.parquet") == 2
        with pytest.raises(InputError, match=r"1 row (without a list|with a null number)"):
            scanned(tmp_path / "f.parquet")


def test_plain_lists_are_left_to_pyarrow(tmp_path: Path) -> None:
    column = pa.array(table(300, 4, np.float32).column("features").to_pylist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"id": list(range(300)), "features": column}), tmp_path / "f.parquet", **PLAIN)
    assert directly(tmp_path / "f.parquet") == 0
    assert scanned(tmp_path / "f.parquet").num_rows == 300


def test_damage_is_an_error_or_left_to_pyarrow(tmp_path: Path) -> None:
    """Any byte of a header may be wrong: no crash, and no numbers other than pyarrow's."""
    given_table = table(50, 4, np.float32)
    path = tmp_path / "f.parquet"
    pq.write_table(given_table, path, **PLAIN)
    whole = path.read_bytes()
    metadata = pq.read_metadata(path)
    chunk = metadata.row_group(0).column(1)
    type_ = given_table.schema.field("features").type
    for place in range(chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size - 50 * 4 * 4):
        for value in (0, 255, whole[place] ^ 1):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            with open(path, "rb") as handle:
                found = pages.plain(handle.fileno(), metadata, 0, "features", type_)
                if found is not None:
                    (rows,) = found.rows(handle.fileno(), 50, 50)
                    assert rows.equals(given_table.column("features").combine_chunks())
    path.write_bytes(whole[: chunk.data_page_offset + 600])
    with open(path, "rb") as handle:
        found = pages.plain(handle.fileno(), metadata, 0, "features", type_)
        assert found is not None
        with pytest.raises(OSError, match="ends within a page"):
            list(found.rows(handle.fileno(), 50, 50))


def test_pyarrow_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows, and none of them directly."""
    pq.write_table(table(50, 4, np.float32), tmp_path / "f.parquet", **PLAIN)
    whole = scanned(tmp_path / "f.parquet")
    assert directly(tmp_path / "f.parquet")
    monkeypatch.setenv("ALTOOL_PAGES", "pyarrow")
    assert not directly(tmp_path / "f.parquet")
    assert scanned(tmp_path / "f.parquet").equals(whole)

"""`Source.stream`: what is in flight is bounded by bytes, whatever a file says of its sizes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.tables.fragments import BATCH_BYTES
from altool.tables.read import Reader


def streamed(path: Path, column: str) -> list[pa.Array]:
    reader = Reader()
    source = reader.open(str(path), "items")
    reader.match_ids()
    return [batch.column(0) for batch in source.stream([column])]


@pytest.mark.slow
def test_a_value_that_all_rows_share_is_not_written_out_for_each(tmp_path: Path) -> None:
    """The file holds it once: its sizes say 3 KiB a row."""
    picture = bytes(range(256)) * 4096
    pq.write_table(pa.table({"id": range(300), "image": [picture] * 300}), tmp_path / "items.parquet", row_group_size=300)
    found = streamed(tmp_path / "items.parquet", "image")
    assert [len(array) for array in found] == [4] * 75
    assert all(value.as_py() == picture for array in found for value in array)


def test_large_values_come_few_at_a_time(tmp_path: Path) -> None:
    pictures = [bytes([row]) * (1 << 20) for row in range(12)]
    options = {"use_dictionary": False, "data_page_size": 1 << 20, "write_batch_size": 1}
    pq.write_table(pa.table({"id": range(12), "image": pictures}), tmp_path / "items.parquet", **options)
    found = streamed(tmp_path / "items.parquet", "image")
    assert max(len(array) for array in found) <= 4
    assert [value.as_py() for array in found for value in array] == pictures


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.sampled_from([0, 1, 1 << 20, 3 << 20, 5 << 20]), min_size=1, max_size=40), st.booleans(), st.integers(1, 40))
def test_every_value_in_order(sizes: list[int | None], dictionary: bool, group: int) -> None:
    texts = [None if size is None else "x" * size for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "items.parquet")
        table = pa.table({"id": range(len(texts)), "text": pa.array(texts, pa.string())})
        pq.write_table(table, path, row_group_size=group, use_dictionary=dictionary, compression="zstd")
        found = streamed(path, "text")
    assert [value.as_py() for array in found for value in array] == texts
    if dictionary:
        assert all(len(array) == 1 or sum(len(value.as_py() or "") for value in array) <= BATCH_BYTES for array in found)

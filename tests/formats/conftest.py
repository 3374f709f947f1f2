"""A folder with a round's queries, and items of that pool."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import queries

IDS = ["r-1", "r-2", "r-3", "r-4", "r-5"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    queries(tmp_path, IDS, ["positive", "negative"])
    texts = [f"made-up sentence {number}" for number in range(1, 6)]
    paths = ["a/1.jpg", "a/2.jpg", "b/2.jpg", "b/x 4.jpg", "5.jpg"]
    pq.write_table(pa.table({"id": IDS, "text": texts}), tmp_path / "texts.parquet")
    pq.write_table(pa.table({"id": IDS, "path": paths}), tmp_path / "pictures.parquet")
    return tmp_path

"""The best of a table's rows, kept while it is streamed, against a sort of all; and excerpts of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import probabilities
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.console import Console
from altool.errors import InputError
from altool.tables import best
from altool.tables.best import Best
from altool.tables.read import Reader
from altool.tables.source import Source


@settings(max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.uuids()), max_size=9), max_size=6), st.integers(1, 12))
def test_the_best_are_the_first_of_all_in_order(blocks: list[list[tuple[int, object]]], size: int) -> None:
    found, place = Best(size, pa.array([], pa.string())), 0
    rows = []
    for block in blocks:
        rows += [(-score, str(name), place + number) for number, (score, name) in enumerate(block)]
        part = Best(size, pa.array([], pa.string()))
        scores = np.array([score for score, _ in block], np.float32)
        part.add(pa.array([str(name) for _, name in block], pa.string()), place + np.arange(len(block)), scores)
        found.merge(part)
        place += len(block)
    kept = sorted(zip((-found.scores).tolist(), found.ids.to_pylist(), found.places.tolist(), strict=True))
    assert kept == sorted(rows)[:size]
    assert found.rows == len(rows)
    assert (found.low, found.high) == ((-max(rows)[0], -min(rows)[0]) if rows else (np.inf, -np.inf))


def test_ids_are_proven_unique_where_parts_rise_and_lie_apart() -> None:
    assert best.apart([("d", "f", True), ("a", "c", True)])
    assert not best.apart([("a", "c", True), ("c", "d", True)])
    assert not best.apart([("a", "c", False)])


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Source, np.ndarray, list[str]]:
    """Predictions in two files, the first of float32 and the second of float64, their numbers and their ids."""
    matrix, ids = probabilities(40), [f"{(number * 7) % 40:02d}" for number in range(40)]
    for number, type_ in enumerate((np.float32, np.float64)):
        part = slice(20 * number, 20 * number + 20)
        values = pa.FixedSizeListArray.from_arrays(pa.array(matrix[part].astype(type_).ravel()), 3)
        table = pa.table({"id": ids[part], "probabilities": values}).replace_schema_metadata({"altool.classes": '["a", "b", "c"]'})
        pq.write_table(table, tmp_path / f"part-{number}.parquet", row_group_size=8)
    return Reader(None, None, Console(silent=True)).open(str(tmp_path), "predictions"), matrix, ids


def test_an_excerpt_has_these_rows_and_says_what_the_table_says(opened: tuple[Source, np.ndarray, list[str]]) -> None:
    source, matrix, ids = opened
    places = np.array([33, 2, 19, 20])
    found = best.excerpt(source, ["probabilities"], pa.array([ids[place] for place in places]), places)
    rows = {row["id"]: row["probabilities"] for batch in found.stream(["id", "probabilities"]) for row in batch.to_pylist()}
    assert rows == {ids[place]: matrix[place].tolist() for place in places}
    assert found.classes == source.classes
    assert (found.name, found.num_rows) == (source.name, 4)
    assert not found.is_half("probabilities")


def test_ids_are_found_where_they_are(opened: tuple[Source, np.ndarray, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    source, _, ids = opened
    monkeypatch.setattr(best, "ROWS", 5)
    assert best.find(source, pa.array(["07", "none", ids[39]])).tolist() == [1, -1, 39]


def test_an_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "a"], "features": [[1.0], [2.0], [3.0]]}), tmp_path / "f.parquet")
    source = Reader(None, None, Console(silent=True)).open(str(tmp_path / "f.parquet"), "features")
    with pytest.raises(InputError, match="1 duplicate id"):
        best.find(source, pa.array(["b"]))

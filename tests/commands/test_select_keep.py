"""`select --keep`: somebody else's columns, under their own names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import probabilities, write

pytestmark = pytest.mark.slow

ROWS = 50
READ = ("--columns", "id=item_id,probabilities=probs", "--classes", "a,b,c", "--strategy", "margin", "--budget", 5)


def export(folder: Path, **more: Any) -> Path:
    matrix = probabilities(ROWS)
    table = {"item_id": [f"x{row}" for row in range(ROWS)], "probs": list(matrix), "score": np.arange(ROWS, dtype=float)}
    table |= {"text": [f"text, {row}" for row in range(ROWS)], "meta": [{"page": row} for row in range(ROWS)], **more}
    return write(pa.table(table), folder / "export.parquet", row_group_size=7)


def test_columns_are_carried_under_the_tables_own_names(tmp_path: Path, altool: Callable[..., Any]) -> None:
    """Before: the output held id, rank, score, …, and everything else was left to a join."""
    done = altool("select", "--predictions", export(tmp_path), *READ, "--keep", "text,meta", "-o", "-", "--format", "jsonl")
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert [next(iter(row)) for row in rows] == ["item_id"] * 5
    assert all(row["text"] == f"text, {row['item_id'][1:]}" and row["meta"] == {"page": int(row["item_id"][1:])} for row in rows)
    plain = altool("select", "--predictions", tmp_path / "export.parquet", *READ, "-o", "-", "--format", "jsonl")
    assert [json.loads(line)["id"] for line in plain.text.splitlines()] == [row["item_id"] for row in rows]


def test_all_columns_but_matrices_and_those_that_queries_have(tmp_path: Path, altool: Callable[..., Any]) -> None:
    altool("select", "--predictions", export(tmp_path), *READ, "--keep", "*", "-o", "queries.parquet")
    assert pq.read_schema(tmp_path / "queries.parquet").names == ["item_id", "rank", "score", "strategy", "round", "source", "text", "meta"]
    altool("select", "--strategy", "queue", "--queue", "queries.parquet", "--columns", "id=item_id", "--budget", 2, "-o", "next.parquet")


def test_what_cannot_be_carried_is_named(tmp_path: Path, altool: Callable[..., Any]) -> None:
    call = ("select", "--predictions", export(tmp_path), *READ, "-o", "-")
    assert "--keep score: the queries have a column of that name" in altool(*call, "--keep", "score", code=2).said
    assert "no column 'url' (it has item_id, probs, score, text, meta)" in altool(*call, "--keep", "text,url", code=3).said
    assert "--keep: no column is named" in altool(*call, "--keep", ",", code=2).said
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, text in enumerate((["a", "b"], [1, 2])):
        ids = [f"y{number}{row}" for row in range(2)]
        write(pa.table({"item_id": ids, "probs": list(probabilities(2)), "text": text}), folder / f"{number}.parquet")
    said = altool("select", "--predictions", folder, *READ, "-o", "-", "--keep", "text", code=3).said
    assert "columns of --keep have other types in other files" in said


def test_without_candidates_the_columns_are_there_and_empty(tmp_path: Path, altool: Callable[..., Any]) -> None:
    ids = pa.table({"id": [f"x{row}" for row in range(ROWS)]})
    write(ids, tmp_path / "done.parquet")
    altool("select", "--predictions", export(tmp_path), *READ, "--exclude", "done.parquet", "--keep", "text", "-o", "q.parquet", code=4)
    assert pq.read_table(tmp_path / "q.parquet").column_names == ["item_id", "rank", "score", "strategy", "round", "source", "text"]

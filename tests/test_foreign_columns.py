"""Columns of other tools that are not as the contract has them: fields of structs, ids of other types; from the shell."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import write

Altool = Callable[..., Any]

NAMES = ("--classes", "cat,dog")
SHARES = np.linspace(0.05, 0.99, 20)
MATRIX = np.column_stack([SHARES, 1 - SHARES]).tolist()
BEST = np.argsort(np.abs(2 * SHARES - 1))[:3].tolist()  # the rows that margin must choose
UUIDS = [uuid.UUID(int=2**96 + row) for row in range(20)]


def margin(altool: Altool, *arguments: object, code: int = 0) -> Any:
    return altool("select", "--strategy", "margin", "--budget", 3, *arguments, *NAMES, "-o", "-", "--format", "csv", code=code)


def ids(result: Any) -> list[str]:
    return [next(iter(row.values())) for row in csv.DictReader(io.StringIO(result.text))]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([one.bytes for one in UUIDS], pa.uuid()), [str(UUIDS[row]) for row in BEST]),
        (pa.array([one.bytes for one in UUIDS], pa.binary(16)), [str(UUIDS[row]) for row in BEST]),
        (pa.array([Decimal(row) for row in range(20)], pa.decimal128(12, 0)), list(map(str, BEST))),
        (pa.array(range(20), pa.uint64()), list(map(str, BEST))),
    ],
)
def test_ids_of_other_types(altool: Altool, tmp_path: Path, column: pa.Array, expected: list[str]) -> None:
    write(pa.table({"id": column, "probabilities": MATRIX}), tmp_path / "p.parquet")
    assert ids(margin(altool, "--predictions", "p.parquet")) == expected
    (tmp_path / "done.csv").write_text(f"id\n{expected[0]}\n")  # the ids of a CSV file are the same ones
    assert expected[0] not in ids(margin(altool, "--predictions", "p.parquet", "--exclude", "done.csv", "--strict"))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([2**63 + row for row in range(20)], pa.uint64()), "holds uint64, not int64"),
        (pa.array([Decimal(f"{row}.5") for row in range(20)], pa.decimal128(12, 1)), "ids are decimal128(12, 1)"),
        (pa.array([UUIDS[0].bytes] * 20, pa.uuid()), str(UUIDS[0])),
    ],
)
def test_ids_that_are_refused(altool: Altool, tmp_path: Path, column: pa.Array, message: str) -> None:
    write(pa.table({"id": column, "probabilities": MATRIX}), tmp_path / "p.parquet")
    assert message in margin(altool, "--predictions", "p.parquet", code=3).said


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_fields_of_structs(altool: Altool, tmp_path: Path, ending: str) -> None:
    table = pa.table({"meta": [{"id": f"r{row}", "n": row} for row in range(20)], "out": [{"probs": {"all": row}} for row in MATRIX]})
    if ending == "jsonl":
        import json

        (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        write(table, tmp_path / "p.parquet")
    named = ("--columns", "id=meta.id,probabilities=out.probs.all")
    done = margin(altool, "--predictions", f"p.{ending}", *named, "--keep", "meta.id")  # the ids keep their name anyway
    assert done.text.splitlines()[0] == "meta.id,rank,score,strategy,round,source"
    assert ids(done) == [f"r{row}" for row in BEST]
    refused = margin(altool, "--predictions", f"p.{ending}", "--columns", "probabilities=out.probs.all", code=3)
    assert "hint: column meta has a field id: --columns id=meta.id" in " ".join(refused.said.split())
    assert "no columns 'id', 'probabilities'" in margin(altool, "--predictions", f"p.{ending}", "--columns", "id=meta.key", code=3).said

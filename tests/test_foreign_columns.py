"""Columns of other tools that are not as the contract has them: fields of structs, ids of other types; from the shell."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import write

pytestmark = pytest.mark.slow

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


VECTORS = np.random.default_rng(2).normal(size=(20, 8)).astype(np.float32)
KEYS = [f"r{row:02d}" for row in range(20)]


def saved(path: Path, kind: str) -> None:
    """Vectors without ids, as NumPy and safetensors write them."""
    from safetensors.numpy import save_file

    if kind == "npy":
        np.save(path, VECTORS)
    elif kind == "npz":
        np.savez(path, emb=VECTORS, ids=np.array(KEYS))
    elif kind == "safetensors":
        save_file({"emb": VECTORS}, path)
    else:  # bfloat16, by hand: the upper half of each float32
        half = (VECTORS.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        entry = {"emb": {"dtype": "BF16", "shape": list(VECTORS.shape), "data_offsets": [0, len(half)]}}
        header = json.dumps(entry).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + half)


def coreset(altool: Altool, *arguments: object, code: int = 0) -> Any:
    return altool("select", "--strategy", "coreset", "--budget", 3, *arguments, "-o", "-", "--format", "csv", code=code)


@pytest.mark.parametrize("kind", ["npy", "npz", "safetensors", "bfloat16"])
def test_arrays_without_ids(altool: Altool, tmp_path: Path, kind: str) -> None:
    saved(tmp_path / f"emb.{kind}", kind)
    vectors = (VECTORS.view(np.uint32) >> 16 << 16).view(np.float32) if kind == "bfloat16" else VECTORS
    write(pa.table({"id": KEYS, "features": vectors.tolist()}), tmp_path / "plain.parquet")
    expected = ids(coreset(altool, "--features", "plain.parquet"))
    (tmp_path / "ids.csv").write_text("id\n" + "".join(f"{key}\n" for key in KEYS))
    write(pa.table({"key": KEYS[:19]}), tmp_path / "few.parquet")
    write(pa.table({"id": KEYS}), tmp_path / "ids.parquet")
    for table in ("ids.csv", "ids.parquet"):
        assert ids(coreset(altool, "--features", f"emb.{kind}", "--ids", table)) == expected
    assert ids(coreset(altool, "--features", f"emb.{kind}", "--id", "row")) == [str(int(key[1:])) for key in expected]
    if kind == "npz":
        assert ids(coreset(altool, "--features", f"emb.{kind}", "--columns", "id=ids")) == expected
    hint = "hint: give the ids of its rows: --ids TABLE, or --ids row for their numbers"
    assert hint in " ".join(coreset(altool, "--features", f"emb.{kind}", code=3).said.split())
    message = coreset(altool, "--features", f"emb.{kind}", "--ids", "few.parquet", "--columns", "id=key", code=3).said
    assert f"features emb.{kind}: it has 20 rows, but ids few.parquet has 19 ids" in message
    assert "--ids has no effect: all tables have ids" in coreset(altool, "--features", "plain.parquet", "--ids", "row", code=2).said


def test_row_numbers_of_files_one_after_another(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"probabilities": MATRIX[:8]}), tmp_path / "p/0.parquet")
    write(pa.table({"probabilities": MATRIX[8:]}), tmp_path / "p/1.parquet")
    assert ids(margin(altool, "--predictions", "p", "--ids", "row")) == list(map(str, BEST))


def test_train_and_score_on_arrays(altool: Altool, tmp_path: Path) -> None:
    saved(tmp_path / "emb.npy", "npy")
    write(pa.table({"id": KEYS}), tmp_path / "ids.parquet")
    write(pa.table({"id": KEYS, "label": ["a" if row[0] > 0 else "b" for row in VECTORS]}), tmp_path / "labels.parquet")
    arrays = ("--features", "emb.npy", "--ids", "ids.parquet")
    altool("train", *arrays, "--labels", "labels.parquet", "-o", "model")
    altool("score", "--model", "model", *arrays, "-o", "p.parquet")
    assert pq.read_table(tmp_path / "p.parquet").column("id").to_pylist() == KEYS


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((3, 2)), "b": np.zeros((4, 2))}, "its arrays have other lengths (a: 3, b: 4)"),
        ({"a": np.zeros((3, 2, 2))}, "an array of shape (3, 2, 2)"),
        ({"a": np.array([{}] * 3, object)}, "its arrays cannot be read"),
        ({"a": np.zeros((3, 2)), "b": np.zeros((3, 2))}, "no columns 'id', 'features' (it has a, b)"),
    ],
)
def test_arrays_that_are_refused(altool: Altool, tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "emb.npz", **arrays)
    assert message in coreset(altool, "--features", "emb.npz", code=3).said

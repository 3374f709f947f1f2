"""One small round through every command, for those who run the fast tests only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import known_truth, write


def test_a_round_of_every_command(altool: Callable[..., Any], tmp_path: Path) -> None:
    known_truth(tmp_path, 60)
    texts = {"id": [f"row-{row:04d}" for row in range(60)], "text": [f"word{row % 3} and more" for row in range(60)]}
    write(pa.table(texts), tmp_path / "items.parquet")
    altool("embed", "--items", "items.parquet", "--backbone", "hashing", "--width", 8, "-o", "hashed.parquet")
    truth = pq.read_table(tmp_path / "truth.parquet").to_pylist()
    rows = "".join(f"{row['id']},{row['label']}\n" for row in truth[:30])
    (tmp_path / "seed.csv").write_text("altool_id,label\n" + rows)
    altool("import-labels", "seed.csv", "--labels", "log", "--items", "f.parquet", "--source", "seed")
    altool("train", "--features", "f.parquet", "--labels", "log", "--folds", 3, "--oof", "oof.parquet", "-o", "model")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    altool("select", "--strategy", "margin", "--budget", 5, "--predictions", "p.parquet", "--labels", "log", "-o", "q.parquet")
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 5
    done = altool("report", "--predictions", "oof.parquet", "--labels", "log", "-o", "report.html", "--json")
    assert json.loads(done.text)["rows"]["measured"] == 30
    plan = ("--strategy", "margin", "--seed-size", 10, "--rounds", 1, "--budget", 5, "--jobs", 1)
    altool("simulate", "--features", "f.parquet", "--labels", "truth.parquet", *plan, "-o", "sim")
    done = altool("report", "--history", "sim", "--json")
    assert [run["name"] for run in json.loads(done.text)["runs"]] == ["margin"]

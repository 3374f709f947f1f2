"""Labels whose ids are in `altool_id`, as sheets have them: every command that reads labels takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 60


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Features of three classes, and the truth twice: with `id`, and with `altool_id` beside an annotation tool's own number."""
    classes = np.arange(ROWS) % 3
    rows = np.eye(3, dtype=np.float32)[classes] + np.random.default_rng(3).normal(scale=0.3, size=(ROWS, 3)).astype(np.float32)
    write(features(rows), tmp_path / "f.parquet")
    truth = [(f"row-{row:04d}", CLASSES[classes[row]]) for row in range(ROWS)]
    (tmp_path / "id.csv").write_text("id,label\n" + "".join(f"{key},{name}\n" for key, name in truth))
    lines = [f"{number},{key},{name}\n" for number, (key, name) in enumerate(truth)]
    (tmp_path / "sheet.csv").write_text("id,altool_id,label\n" + "".join(lines))
    (tmp_path / "some.csv").write_text("altool_id,label,skip\n" + "".join(f"{key},{name},\n" for key, name in truth[:20]))
    return tmp_path


def test_a_simulation(altool: Altool, project: Path) -> None:
    """Before: no column 'id' (it has altool_id, label), of the very file that import-labels takes."""
    common = ("simulate", "--features", "f.parquet", "--strategy", "margin", "--seed-size", 9, "--rounds", 2, "--budget", 5)
    for name in ("id", "sheet"):
        altool(*common, "--labels", f"{name}.csv", "-o", name)
    histories = [sorted((project / name).rglob("history.parquet")) for name in ("id", "sheet")]
    assert [path.read_bytes() for path in histories[0]] == [path.read_bytes() for path in histories[1]]
    held, rest = (project / "sheet.csv").read_text().splitlines()[1:16], (project / "id.csv").read_text().splitlines()[16:]
    (project / "held.csv").write_text("\n".join(["id,altool_id,label", *held]) + "\n")
    (project / "rest.csv").write_text("\n".join(["id,label", *rest]) + "\n")
    altool(*common, "--labels", "rest.csv", "--holdout-labels", "held.csv", "-o", "held")


def test_training_choosing_and_reporting(altool: Altool, project: Path) -> None:
    altool("train", "--features", "f.parquet", "--labels", "some.csv", "-o", "model")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    altool("select", "--strategy", "margin", "--predictions", "p.parquet", "--labels", "some.csv", "--budget", 60, "-o", "q.parquet")
    assert pq.read_table(project / "q.parquet").num_rows == ROWS - 20
    direct = ("--strategy", "direct", "--predictions", "p.parquet", "--budget", 6, "--oracle", "sheet.csv", "--labels", "some.csv")
    altool("select", *direct, "-o", "asked.parquet")
    assert pq.read_table(project / "asked.parquet").num_rows == 6
    lines = (project / "sheet.csv").read_text().splitlines()
    (project / "held.csv").write_text("\n".join([f"{lines[0]},source", *(f"{line},holdout" for line in lines[1:])]) + "\n")
    altool("report", "--predictions", "p.parquet", "--labels", "held.csv", "--metrics-output", "m.parquet")
    support = {row["class"]: row["support"] for row in pq.read_table(project / "m.parquet").to_pylist() if row["metric"] == "f1"}
    assert {name: support[name] for name in CLASSES} == dict.fromkeys(CLASSES, 20)

"""`select --device`, with a device that is none (pretend.py): the same rows as on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, predictions, probabilities, write
from extra import torch
from pretend import pretending

from altool.commands import select
from altool.console import Console
from altool.engines import device
from altool.selection.options import Options

TABLES = {"features": "f.parquet", "predictions": "p.parquet", "labels": "l.parquet"}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    ids = [f"row-{row:04d}" for row in range(400)]
    write(features(draw.normal(size=(400, 8)).astype(np.float32), ids), Path(TABLES["features"]))
    write(predictions(probabilities(400), ids), Path(TABLES["predictions"]))
    write(pa.table({"id": ids[:30], "label": [CLASSES[row % 3] for row in range(30)]}), Path(TABLES["labels"]))


@pytest.mark.parametrize(
    ("strategy", "given"),
    [
        ("badge", TABLES),
        ("coreset", {"features": TABLES["features"], "labels": TABLES["labels"]}),
        ("auto", TABLES),
        ("logdetmi", {**TABLES, "own": {"query_classes": CLASSES[1]}}),
        ("cluster-margin", {**TABLES, "clusters": "c.parquet"}),
    ],
)
def test_the_same_rows_are_chosen(pool: None, monkeypatch: pytest.MonkeyPatch, strategy: str, given: dict[str, Any]) -> None:
    def chosen(name: str) -> list[str]:
        select.run(Options(strategy=strategy, budget=40, output="q.parquet", overwrite=True, device=name, **given), Console(quiet=True))
        return pq.read_table("q.parquet").column("id").to_pylist()

    wanted = chosen("cpu")
    Path("c.parquet").unlink(missing_ok=True)
    put, places = device.put, []
    monkeypatch.setattr(device, "of_choices", lambda name: torch.device("meta"))
    monkeypatch.setattr(device, "_free", lambda place: 8 << 30)
    monkeypatch.setattr(device, "put", lambda arrays, place, what: places.append(what) or put(arrays, place, what))
    with pretending():
        assert chosen("cuda") == wanted
    assert "features" in places

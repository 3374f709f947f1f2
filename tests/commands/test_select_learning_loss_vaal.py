"""`altool select` by what a model's loss ranker and discriminator wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import predictions, probabilities, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]


def table(vaal: str | None = None) -> pa.Table:
    values = np.random.default_rng(3).random(50).astype(np.float32)
    found = predictions(probabilities(50)).append_column("predicted_loss", pa.array(values))
    found = found.append_column("labeled_probability", pa.array(1 - values))
    origin = {"command": "score", "options": {"vaal": vaal}} if vaal else {}
    return found.replace_schema_metadata({**found.schema.metadata, "altool.provenance": json.dumps(origin)})


def select(strategy: str, *more: object) -> tuple[object, ...]:
    return ("select", "--strategy", strategy, "--budget", 5, "--predictions", "p.parquet", "-o", "q.parquet", "--overwrite", *more)


def test_they_order_by_their_columns_within_a_subset(altool: Altool, tmp_path: Path) -> None:
    values = np.random.default_rng(3).random(50).astype(np.float32)
    write(table(), tmp_path / "p.parquet")
    expected = [f"row-{row:04d}" for row in np.argsort(-values)[:5]]
    for strategy in ("learning-loss", "ta-vaal"):
        altool(*select(strategy, "--subset-factor", 0))
        queries = pq.read_table(tmp_path / "q.parquet")
        assert queries.column("id").to_pylist() == expected
        assert set(queries.column("strategy").to_pylist()) == {strategy}
    altool(*select("learning-loss", "--subset-factor", 2))
    subset = pq.read_table(tmp_path / "q.parquet").column("id").to_pylist()
    assert len(set(subset)) == 5
    assert subset != expected
    assert "--subset-factor has no effect with --strategy margin" in altool(*select("margin", "--subset-factor", 2), code=2).said


def test_a_missing_column_says_who_writes_it(altool: Altool, tmp_path: Path) -> None:
    write(table().drop_columns(["predicted_loss", "labeled_probability"]), tmp_path / "p.parquet")
    assert "altool train --ranker" in altool(*select("learning-loss"), code=3).said
    said = " ".join(altool(*select("vaal"), code=3).said.split())
    assert "no column 'labeled_probability'" in said
    assert "altool score writes it for a model that altool train --vaal vaal" in said


def test_predictions_of_the_other_model_are_refused(altool: Altool, tmp_path: Path) -> None:
    write(table("vaal"), tmp_path / "p.parquet")
    altool(*select("vaal"))
    said = " ".join(altool(*select("ta-vaal"), code=3).said.split())
    assert "its labeled_probability is that of a model trained with --vaal vaal" in said
    assert "train with --vaal ta-vaal" in said

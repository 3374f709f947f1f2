"""Predictions are scanned, checked and fingerprinted once, whatever a strategy and its wrappers take of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, predictions, probabilities, write

from altool.commands import select
from altool.console import Console
from altool.selection.options import Options
from altool.tables import check
from altool.tables.source import Source

ROWS = 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    matrix = probabilities(ROWS)
    shuffled = np.random.default_rng(1).permutation(ROWS)  # not in the order of the ids
    write(predictions(matrix).take(pa.array(shuffled)), tmp_path / "p.parquet", row_group_size=7)
    write(features(np.random.default_rng(2).normal(size=(ROWS, 5)).astype(np.float32)), tmp_path / "f.parquet")
    labels = [CLASSES[row % 3] for row in range(12)]
    write(pa.table({"id": [f"row-{row:04d}" for row in range(0, 24, 2)], "label": labels}), tmp_path / "l.parquet")
    (tmp_path / "t.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n')
    return tmp_path


@pytest.mark.parametrize(
    ("strategy", "own"),
    [("margin", {}), ("badge", {}), ("bait", {}), ("cluster-margin", {}), ("gcmi", {}), ("clarifier", {"clarifier_budgets": "3,3,3"})],
)
def test_predictions_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, own: dict[str, Any]) -> None:
    checked: list[int] = []
    scanned: list[str] = []
    whole = {name: getattr(Source, name) for name in ("scan_rows",)}  # `scan` goes through it

    def spy(name: str) -> Any:
        def scan(self: Source, columns: Any, *given: Any, **named: Any) -> Any:
            scanned.extend(column for column in columns if column == "probabilities")
            return whole[name](self, columns, *given, **named)

        return scan

    def counted(ids: pa.Array, rows: np.ndarray) -> bool:
        checked.append(len(rows))
        return False

    for name in whole:
        monkeypatch.setattr(Source, name, spy(name))
    monkeypatch.setattr(check, "probabilities", counted)
    given = {"predictions": "p.parquet", "features": "f.parquet", "labels": "l.parquet", "targets": "t.toml"}
    budget = None if own else 9
    options = Options(strategy=strategy, budget=budget, output="q.parquet", own=own, target_aware=True, suggest=True, **given)  # type: ignore[arg-type]
    select.run(options, Console(quiet=True))
    assert scanned == ["probabilities"]
    assert sum(checked) == ROWS
    assert len(pq.read_table("q.parquet")) == 9


def test_what_is_chosen_does_not_depend_on_how_it_is_read(folder: Path) -> None:
    """The suggestions of a strategy that is given the matrix are those that streaming the table gives."""
    given = {"predictions": "p.parquet", "features": "f.parquet", "labels": "l.parquet", "suggest": True, "budget": 48}
    for strategy in ("badge", "coreset"):
        select.run(Options(strategy=strategy, output=f"{strategy}.parquet", **given), Console(quiet=True))  # type: ignore[arg-type]
    columns = ["id", "suggested_label", "suggested_probability"]
    found = [pq.read_table(f"{strategy}.parquet").select(columns).sort_by("id") for strategy in ("badge", "coreset")]
    assert found[0].equals(found[1])
    matrix = probabilities(ROWS)
    rows = [int(id_[-4:]) for id_ in found[0].column("id").to_pylist()]
    assert found[0].column("suggested_label").to_pylist() == [CLASSES[code] for code in matrix[rows].argmax(axis=1)]

"""With --json, the warnings of a run that ends in an error are in the object that holds the error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import predictions, probabilities, write


@pytest.fixture
def everything_labeled(tmp_path: Path) -> Path:
    """Four predictions; labels of all of them, and of a row that is not in the pool."""
    write(predictions(probabilities(4)), tmp_path / "p.parquet")
    ids = [*(f"row-{row:04d}" for row in range(4)), "row-9999"]
    write(pa.table({"id": ids, "label": ["ant", "bee", "cat", "ant", "bee"]}), tmp_path / "l.parquet")
    return tmp_path


SELECT = ("select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "--labels", "l.parquet", "--json")


def test_nothing_left(altool: Callable[..., Any], everything_labeled: Path) -> None:
    found = json.loads(altool(*SELECT, "-o", "q.parquet", code=4).text)
    assert found["error"]["type"] == "NothingLeft"
    assert found["warnings"] == ["labels: 1 id not in the pool (ids row-9999)"]


def test_rejected_input(altool: Callable[..., Any], everything_labeled: Path) -> None:
    write(pa.table({"id": ["x"]}), everything_labeled / "x.parquet")
    found = json.loads(altool(*SELECT, "-o", "q.parquet", "--within", "x.parquet", code=3).text)
    assert found["error"]["type"] == "InputError"
    assert found["warnings"] == ["labels: 1 id not in the pool (ids row-9999)"]


def test_an_internal_error(everything_labeled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of a fault of altool's own, after a warning."""
    from altool import cli
    from altool.commands import select

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nothing")

    monkeypatch.setattr(select, "choose", fail)
    monkeypatch.chdir(everything_labeled)
    (everything_labeled / "l.parquet").unlink()
    write(pa.table({"id": ["row-0000", "row-9999"], "label": ["ant", "bee"]}), everything_labeled / "l.parquet")
    monkeypatch.setattr("sys.argv", ["altool", *map(str, SELECT), "-o", "q.parquet"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["error"]["message"] == "internal error: ZeroDivisionError: nothing"
    assert found["warnings"] == ["labels: 1 id not in the pool (ids row-9999)"]

"""`altool score --engine ray` on three nodes, of which one is killed: the bytes of one machine."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from clusters import Machines
from conftest import features, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 60_000


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_three_nodes_of_which_one_dies_give_the_bytes_of_one(altool: Altool, tmp_path: Path, cluster: Machines) -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, ROWS)
    table = features((draw.normal(size=(ROWS, 8)) + truth[:, None]).astype(np.float32), [f"row-{row:06d}" for row in range(ROWS)])
    write(table.take(draw.permutation(ROWS)), tmp_path / "f.parquet", row_group_size=5000)
    labels = {"id": table.column("id")[:60], "label": [("ant", "bee", "cat")[code] for code in truth[:60]]}
    write(pa.table(labels), tmp_path / "l.parquet")
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    score = ("score", "--model", "m", "--features", "f.parquet")
    altool(*score, "-o", "one/")

    def kill() -> None:
        while not list(tmp_path.glob(".many.partial/*.arrow")):
            time.sleep(0.01)
        cluster.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    result = altool(*score, "-o", "many/", "--engine", "ray", "--ray-address", cluster.address, "--json")
    killer.join(30)
    assert json.loads(result.text)["rows"] == ROWS
    assert files(tmp_path / "one") == files(tmp_path / "many")
    assert [path.name for path in tmp_path.glob(".*")] == []

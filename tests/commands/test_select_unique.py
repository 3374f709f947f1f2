"""`altool select --unique` from the shell: what is read, said and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, predictions, write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 60
MARGIN = ("select", "--strategy", "margin", "--predictions", "p.parquet", "-o", "q.parquet", "--json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 groups of three rows with the same vector, texts and, nearly, probabilities; group 0 is labeled by its first row."""
    draw = np.random.default_rng(0)
    groups = np.arange(ROWS) // 3
    probabilities = draw.dirichlet(np.ones(3), 20)[groups].astype(np.float32)
    write(predictions(probabilities), tmp_path / "p.parquet")
    write(features(draw.normal(size=(20, 8))[groups].astype(np.float32)), tmp_path / "f.parquet")
    ids = [f"row-{row:04d}" for row in range(ROWS)]
    write(pa.table({"id": ids, "text": [f"text {group}" for group in groups]}), tmp_path / "i.parquet")
    write(pa.table({"id": ["row-0000"], "label": ["ant"]}), tmp_path / "l.parquet")
    return tmp_path


def chosen(folder: Path) -> list[int]:
    return [int(id_.removeprefix("row-")) // 3 for id_ in pq.read_table(folder / "q.parquet").column("id").to_pylist()]


@pytest.mark.parametrize(
    "told", [("--features", "f.parquet"), ("--items", "i.parquet"), ("--features", "f.parquet", "--items", "i.parquet")]
)
def test_one_of_near_copies(altool: Altool, folder: Path, told: tuple[str, ...]) -> None:
    altool(*MARGIN, "--budget", 12)
    assert len(set(chosen(folder))) == 4
    done = altool(*MARGIN, "--budget", 12, "--unique", *told, "--labels", "l.parquet", "--overwrite")
    groups = chosen(folder)
    assert len(set(groups)) == 12
    assert 0 not in groups
    copies = json.loads(done.text)["copies"]
    assert copies["batch"] in (22, 23, 24)  # of the last group there may be copies behind the batch's end
    assert f"--unique 0.98: {sum(copies.values())} near copies left out: {copies['batch']} of rows chosen before them" in done.said


def test_fewer_than_the_budget(altool: Altool, folder: Path) -> None:
    done = altool(*MARGIN, "--budget", 30, "--unique", "0.9", "--features", "f.parquet", "--labels", "l.parquet")
    assert sorted(chosen(folder)) == list(range(1, 20))
    assert "19 candidates for a budget of 30: all others are near copies" in done.said
    assert "--unique 0.9: 40 near copies left out: 38 of rows chosen before them, 2 of rows labeled" in done.said
    origin = json.loads(pq.read_schema(folder / "q.parquet").metadata[b"altool.provenance"])
    assert origin["options"]["unique"] == 0.9
    assert "unique" in origin["inputs"]


def test_nothing_but_copies_of_labeled_rows(altool: Altool, folder: Path) -> None:
    write(pa.table({"id": ["row-0001", "row-0002"]}), folder / "within.parquet")
    given = ("--features", "f.parquet", "--labels", "l.parquet", "--within", "within.parquet")
    done = altool(*MARGIN, "--budget", 3, "--unique", *given, code=4)
    assert "a near copy of a labeled row" in done.said


def test_pictures_are_told_by_their_bytes(altool: Altool, folder: Path) -> None:
    for name in ("a", "b", "c"):
        (folder / f"{name}.png").write_bytes(b"one" if name != "c" else b"other")
    ids = ["row-0000", "row-0010", "row-0020"]
    write(pa.table({"id": ids, "path": ["a.png", "b.png", "c.png"]}), folder / "paths.parquet")
    write(pa.table({"id": ids}), folder / "within.parquet")
    altool(*MARGIN, "--budget", 3, "--unique", "--items", "paths.parquet", "--within", "within.parquet")
    assert len(chosen(folder)) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "--unique needs --features or --items"),
        (("1.5", "--features", "f.parquet"), "--unique: expected a number above 0 and at most 1, found 1.5"),
        (("--features", "f.parquet", "--strategy", "direct", "--round", "1"), "--unique has no effect with --strategy direct: what it"),
        (("--features", "f.parquet", "--strategy", "random", "--source", "holdout"), "--source holdout: rows of --unique are no random"),
        (("--relabel", "3"), "--unique has no effect with --relabel"),
    ],
)
def test_what_is_refused(altool: Altool, folder: Path, given: tuple[str, ...], said: str) -> None:
    strategy = () if {"--strategy", "--relabel"} & set(given) else ("--strategy", "margin")
    base = ("select", "-o", "q.parquet", "--predictions", "p.parquet", *strategy)
    budget = () if "--relabel" in given else ("--budget", 3)
    assert said in altool(*base, *budget, "--unique", *given, code=2).said

"""`altool check` from the shell: what is planted is found, and nothing else."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, predictions, write
from PIL import Image

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 300
IDS = [f"row-{row:04d}" for row in range(ROWS)]


def found(folder: Path, problem: str) -> dict[str, Any]:
    rows = pq.read_table(folder / "t.parquet").to_pylist()
    return {row["id"]: (row["other_id"], row["reason"]) for row in rows if row["problem"] == problem}


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_vectors(altool: Altool, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    matrix = (draw.normal(size=(ROWS, 6)) * 0.2 + [3, 3, 0, 0, 0, 0] * np.repeat([[1], [-1]], ROWS // 2, axis=0)).astype(np.float32)
    matrix = np.hstack([matrix, draw.normal(size=(ROWS, 30)) * 0.8]).astype(np.float32)
    matrix[5] = matrix[2]  # 2 is held out, 5 is trained on
    matrix[40] = matrix[30] + draw.normal(size=36) * 0.02
    matrix[100] = 0
    matrix[100, 5] = 10  # far from all others
    write(features(matrix, IDS), tmp_path / "f.parquet")
    write(pa.table({"id": IDS[:10], "label": ["ant"] * 10, "source": ["holdout"] * 4 + ["seed"] * 6}), tmp_path / "l.parquet")
    done = altool("check", "--features", "f.parquet", "--labels", "l.parquet", "-o", "t.parquet", "--near", 0.98)
    assert found(tmp_path, "leak") == {IDS[2]: (IDS[5], None)}
    assert found(tmp_path, "near-copy") == {IDS[5]: (IDS[2], None), IDS[40]: (IDS[30], None)}
    assert found(tmp_path, "outlier") == {IDS[100]: (None, None)}
    assert pq.read_table(tmp_path / "t.parquet").column("problem")[0].as_py() == "leak"
    assert "warning: 1 held-out row with a copy that is trained on: what is measured on them is too good" in done.said
    assert "near-copy: 2 rows, vectors nearly those of an earlier row (ids row-0005, row-0040)" in done.said
    origin = json.loads(pq.read_schema(tmp_path / "t.parquet").metadata[b"altool.provenance"])
    assert origin["command"] == "check"
    assert pq.read_schema(tmp_path / "t.parquet").metadata[b"altool.kind"] == b"problems"


def test_texts(altool: Altool, tmp_path: Path) -> None:
    texts = ["one", "two", "one", " \u200b\n", None, "three"]
    write(pa.table({"id": [9, 3, 5, 1, 2, 4], "text": texts}), tmp_path / "i.parquet")
    write(pa.table({"id": [9, 5], "label": ["ant", "ant"], "source": ["seed", "holdout"]}), tmp_path / "l.parquet")
    done = altool("check", "--items", "i.parquet", "--labels", "l.parquet", "-o", "t.parquet", "--json")
    assert found(tmp_path, "exact-copy") == {5: (9, None)}
    assert found(tmp_path, "leak") == {5: (9, None)}
    assert found(tmp_path, "empty") == {1: (None, "blank"), 2: (None, "null")}
    said = json.loads(done.text)
    assert said["problems"]["empty"] == {"rows": 2, "ids": [1, 2]}
    assert said["rows"] == {"items": 6, "labels": 2}


def test_pictures(altool: Altool, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    noise = [png(draw.integers(255, size=(40, 50, 3), dtype=np.uint8)) for _ in range(2)]
    images = {"a": noise[0], "b": png(np.full((20, 30, 3), 7, np.uint8)), "c": b"no image", "d": noise[0], "e": noise[1]}
    write(pa.table({"id": list(images), "image": list(images.values())}), tmp_path / "i.parquet")
    altool("check", "--items", "i.parquet", "-o", "t.parquet")
    assert found(tmp_path, "constant") == {"b": (None, None)}
    assert found(tmp_path, "unreadable") == {"c": (None, "not an image of a known format")}
    assert found(tmp_path, "exact-copy") == {"d": ("a", None)}
    (tmp_path / "folder").mkdir()
    for name, data in images.items():
        (tmp_path / "folder" / f"{name}.png").write_bytes(data)
    altool("check", "--items", "folder", "-o", "t.parquet", "--overwrite")
    assert found(tmp_path, "exact-copy") == {"d.png": ("a.png", None)}


def test_labels(altool: Altool, tmp_path: Path) -> None:
    rows = {
        "a1": ("ant", (0.8, 0.1, 0.1)),
        "a2": ("ant", (0.1, 0.9, 0.0)),
        "b1": ("bee", (0.05, 0.9, 0.05)),
        "c1": ("cat", (0.1, 0.2, 0.7)),
    }
    table = predictions(np.array([p for _, p in rows.values()], np.float32), list(rows))
    write(table.append_column("fold", pa.array([0, 1, 0, 1], pa.int16())), tmp_path / "oof.parquet")
    answers = [(id_, label, "ann") for id_, (label, _) in rows.items()] + [("b1", "cat", "bob"), ("b1", "bee", "cy")]
    names = ("id", "label", "annotator")
    write(pa.table(dict(zip(names, map(list, zip(*answers, strict=True)), strict=True))), tmp_path / "l.parquet")
    altool("check", "--labels", "l.parquet", "--oof", "oof.parquet", "-o", "t.parquet")
    assert found(tmp_path, "label") == {"a2": (None, "labeled ant, predicted bee")}
    assert found(tmp_path, "disagreement") == {"b1": (None, "bee 2 votes, cat 1 vote")}
    scores = {row["problem"]: row["score"] for row in pq.read_table(tmp_path / "t.parquet").to_pylist()}
    assert scores == pytest.approx({"label": 0.8, "disagreement": -1 / 3})


def test_nothing_is_wrong(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": ["a", "b"], "text": ["one", "two"]}), tmp_path / "i.parquet")
    assert "0 problems in items 2 -> t.parquet" in altool("check", "--items", "i.parquet", "-o", "t.parquet").said
    assert len(pq.read_table(tmp_path / "t.parquet")) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--items", "i"), "missing --output"),
        (("-o", "t"), "nothing to check"),
        (("-o", "t", "--items", "i", "--oof", "o"), "--oof needs --labels"),
        (("-o", "t", "--labels", "l", "--predictions", "p"), "--predictions needs --oof"),
        (("-o", "t", "--features", "f", "--near", "0"), "--near: expected a number above 0 and at most 1, found 0"),
    ],
)
def test_what_is_refused(altool: Altool, given: tuple[str, ...], said: str) -> None:
    assert said in altool("check", *given, code=2).said

"""`altool show` from the shell: every kind of table, a model, a log, a folder of images."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import features, known_truth, predictions, probabilities, write
from PIL import Image

from altool.tables.schema import KINDS

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]


def shown(altool: Altool, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(altool("show", *arguments, "--json").text)
    return found


def test_predictions_and_queries_with_items(altool: Altool, tmp_path: Path) -> None:
    write(predictions(probabilities(30)), tmp_path / "p.parquet")
    ids = [f"row-{row:04d}" for row in range(30)]
    write(pa.table({"id": ids, "text": [f"text of {id_}" for id_ in ids]}), tmp_path / "i.parquet")
    altool("select", "--strategy", "margin", "--budget", 12, "--predictions", "p.parquet", "-o", "q.parquet")
    facts = shown(altool, "q.parquet", "--items", "i.parquet")
    assert (facts["kind"], facts["rows"], len(facts["first"])) == ("queries", 12, 10)
    assert all(row["item"] == f"text of {row['id']}" for row in facts["first"])
    assert facts["provenance"][0]["options"]["strategy"] == "margin"
    assert facts["columns"]["rank"] == "int32"
    assert facts["classes"] == ["ant", "bee", "cat"]
    text = altool("show", "q.parquet", "--items", "i.parquet", COLUMNS="200").text
    assert "q.parquet: queries, 12 rows" in text
    assert "made by: altool select, seed 0: " in text
    assert "text of row-" in text


def test_vectors_are_shown_in_short(altool: Altool, tmp_path: Path) -> None:
    write(features(np.arange(24, dtype=np.float32).reshape(3, 8)), tmp_path / "f.parquet")
    facts = shown(altool, "f.parquet")
    assert facts["kind"] == "features (not altool's)"
    assert facts["first"][0]["features"] == "[0, 1, 2, 3, … 8]"


def test_a_folder_of_images(altool: Altool, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    stream = io.BytesIO()
    Image.new("RGB", (31, 17)).save(stream, "PNG")
    (tmp_path / "images" / "a.png").write_bytes(stream.getvalue())
    (tmp_path / "images" / "b.png").write_bytes(b"none")
    facts = shown(altool, "images")
    assert facts["kind"] == "images"
    assert [row["size"] for row in facts["first"]] == ["31 x 17", "not an image of a known format"]
    write(pa.table({"id": [1], "image": [stream.getvalue()]}), tmp_path / "i.parquet")
    assert shown(altool, "i.parquet")["first"] == [{"id": 1, "image": f"{len(stream.getvalue())} bytes", "size": "31 x 17"}]


def test_a_model_and_a_log(altool: Altool, tmp_path: Path) -> None:
    known_truth(tmp_path, 40)
    altool("train", "--features", "f.parquet", "--labels", "truth.parquet", "-o", "m")
    facts = shown(altool, "m")
    assert (facts["kind"], facts["classifier"], facts["classes"]) == ("model", "logistic", ["ant", "bee", "cat"])
    assert "m: model" in altool("show", "m").text
    (tmp_path / "answers.csv").write_text("altool_id,label\nrow-0001,ant\n")
    assert shown(altool, "answers.csv")["kind"] == "labels (not altool's)"
    altool("import-labels", "answers.csv", "--labels", "log", "--from", "csv", "--allow-new-classes")
    assert shown(altool, "log")["kind"] == "labels"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_by_its_metadata(altool: Altool, tmp_path: Path, kind: str) -> None:
    texts = {name: pa.array(["a"]) for name in KINDS[kind].required}
    write(pa.table(texts).replace_schema_metadata({"altool.kind": kind}), tmp_path / "t.parquet")
    assert shown(altool, "t.parquet")["kind"] == kind


def test_what_it_holds_is_shown_and_never_obeyed(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": ["\x1b[31mred", "[bold]b[/bold]"], "te\x1bxt": ["\u202eabc", "line\nend"]}), tmp_path / "t.parquet")
    text = altool("show", "t.parquet").text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]b[/bold]" in text
    assert "line\\nend" in text


def test_what_is_no_table(altool: Altool, tmp_path: Path) -> None:
    assert "nowhere: no such file or folder" in altool("show", "nowhere", code=3).said
    (tmp_path / "t.csv").write_text("id,label\na,ant\n")
    assert shown(altool, "t.csv")["kind"] == "labels (not altool's)"

"""Pictures that annotators' tools can open: `select --image-url`, data URIs, and a warning for paths that no browser opens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow

GIF = b"GIF89a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"id": ["a", "b c"], "path": ["photos/1 ü.jpg", None], "image": [None, GIF]}), tmp_path / "mixed.parquet")
    pq.write_table(pa.table({"id": ["a", "b"], "path": ["photos/1.jpg", "https://host/2.jpg"]}), tmp_path / "paths.parquet")
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["t", "u"]}), tmp_path / "texts.parquet")
    return tmp_path


def select(altool: Callable[..., Any], folder: Path, items: str, *words: str, code: int = 0) -> Any:
    given = ["--items", folder / f"{items}.parquet", "--strategy", "random", "--budget", "2", "--classes", "x,y"]
    return altool("select", *given, *words, "-o", folder / "q.parquet", "--overwrite", code=code)


def images(folder: Path) -> dict[str, str]:
    return {task["data"]["altool_id"]: task["data"]["image"] for task in json.loads((folder / "t.json").read_text())}


def test_a_prefix_goes_before_the_path_else_the_id(altool: Callable[..., Any], folder: Path) -> None:
    export = ("--export", f"label-studio={folder / 't.json'}")
    select(altool, folder, "mixed", *export, "--image-url", "/data/local-files/?d=")
    assert images(folder) == {"a": "/data/local-files/?d=photos/1%20%C3%BC.jpg", "b c": "/data/local-files/?d=b%20c"}
    done = select(altool, folder, "paths", *export, "--image-url", "https://mine/")
    assert images(folder) == {"a": "https://mine/photos/1.jpg", "b": "https://host/2.jpg"}
    assert "browser" not in done.said


def test_bytes_are_data_and_paths_that_no_browser_opens_are_warned_of(altool: Callable[..., Any], folder: Path) -> None:
    done = select(altool, folder, "mixed", "--export", f"label-studio={folder / 't.json'}")
    assert images(folder) == {"a": "photos/1 ü.jpg", "b c": "data:image/gif;base64,R0lGODlh"}
    assert "warning: --export label-studio: a browser cannot open 1 path (photos/1 ü.jpg)" in done.said
    assert "--image-url PREFIX" in done.said
    assert "browser" not in select(altool, folder, "paths", "--export", f"csv={folder / 't.csv'}").said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image-url", "https://h/"], "--image-url has no effect without --export"),
        (["--image-url", "https://h/", "--export", "csv=t.csv"], "--image-url has no effect with --export csv"),
    ],
)
def test_where_it_has_no_effect(altool: Callable[..., Any], folder: Path, words: list[str], said: str) -> None:
    assert said in select(altool, folder, "texts", *words, code=2).said


def test_the_path_of_a_sheet_stays_that_of_the_item(altool: Callable[..., Any], folder: Path) -> None:
    exports = ("--export", f"csv={folder / 't.csv'}", "--export", f"argilla={folder / 'a.json'}")
    select(altool, folder, "paths", *exports, "--image-url", "https://mine/")
    assert ",photos/1.jpg," in (folder / "t.csv").read_text()
    assert {record["fields"]["image"] for record in json.loads((folder / "a.json").read_text())} == {
        "https://mine/photos/1.jpg",
        "https://host/2.jpg",
    }

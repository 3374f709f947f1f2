"""`altool compare DIR… --settings` from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.tables.schema import KINDS

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
TYPES = KINDS["history"].columns


def history(folder: Path, run: str, repeat: int, values: list[float], classes: tuple[str, ...]) -> None:
    rows: list[dict[str, Any]] = []
    for number, value in enumerate(values):
        total = 10 * 2**number
        facts = {"run": run, "repeat": repeat, "round": number, "total": total, "value": value, "labels": total}
        rows += [facts | {"metric": "macro_f1"}, *(facts | {"class": name, "metric": "f1", "labels": 5} for name in classes)]
    path = folder / "runs" / f"{run}-{repeat}" / "history.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(list(TYPES.items()))), path)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, classes in (("texts", ("a", "b")), ("images", ("x", "y", "z"))):
        for repeat in (0, 1, 2):
            for run, gain in (("random", 0.0), ("a strategy with a name that is far longer than forty characters", 0.1)):
                history(tmp_path / name, run, repeat, [0.2, 0.4 + gain, 0.6 + gain + repeat / 100], classes)
    return tmp_path


def test_folders_of_different_data_sets(altool: Altool, folders: Path) -> None:
    result = altool("compare", "texts", "images", "--settings", "--area", "log", "--summary-output", "s.parquet")
    assert "macro-F1, 2 runs in 2 settings, against random" in result.text
    rows = pq.read_table(folders / "s.parquet").to_pylist()
    means = [row for row in rows if row["quantity"] == "area_difference" and row["setting"] is None]
    assert [(row["run"][:10], round(row["value"], 6), row["repeats"]) for row in means] == [("a strategy", 7.5, 2)]
    found = json.loads(altool("compare", "texts", "images", "--settings", "--json").text)
    assert sorted(found["outcomes"]) == ["images", "texts"]
    said = altool("compare", "texts", "images", code=3).said
    assert "folders of different data sets: add --settings" in said


def test_names_come_in_full(altool: Altool, folders: Path) -> None:
    for arguments in (("compare", "texts"), ("compare", "texts", "images", "--settings")):
        words = altool(*arguments).text.split()
        assert "…" not in " ".join(words)
        assert "characters" in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--level", 0.5), "--level has no effect with --settings"),
        (("-o", "p.html"), "--output has no effect with --settings"),
        (("--tail-share", 0.5), "--tail-share has no effect with --settings"),
        (("--cost-verify", 1, "--cost-answer", 2), "--cost-verify or --cost-answer has no effect with --settings"),
    ],
)
def test_refused(altool: Altool, folders: Path, arguments: tuple[Any, ...], said: str) -> None:
    assert said in altool("compare", "texts", "images", "--settings", *arguments, code=2).said


def test_a_folder_without_a_baseline(altool: Altool, folders: Path) -> None:
    for repeat in (0, 1, 2):
        (folders / "images" / "runs" / f"random-{repeat}" / "history.parquet").unlink()
    assert "--settings needs a baseline in every folder" in altool("compare", "texts", "images", "--settings", code=2).said

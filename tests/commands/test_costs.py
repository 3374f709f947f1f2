"""Suggestions and seconds go out to an annotation tool and come back, whatever the export, and the costs are measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import predictions, write

from altool.commands import import_labels, report, select
from altool.console import Console
from altool.errors import UsageError
from altool.tables import label_log
from altool.tables.read import Reader

CLASSES = ("ant", "bee", "cat")
AT = "2026-11-04T18:50:53.017134Z"


def run_here(command: Any, **options: Any) -> dict[str, Any]:
    """A command in this process; its summary."""
    summaries: list[dict[str, Any]] = []
    console = Console(json_output=True)
    console.result = lambda summary, line: summaries.append(summary)  # type: ignore[method-assign]
    command.run(command.Options(**options), console)
    return json.loads(json.dumps(summaries[0], allow_nan=False))  # type: ignore[no-any-return]


def log(folder: str) -> dict[str, dict[str, Any]]:
    reader = Reader()
    source = reader.open(folder, "labels")
    reader.match_ids()
    return {row["id"]: row for row in label_log.read(source).to_pylist()}


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Twelve tasks for Label Studio, as select writes them, with suggestions."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    matrix = rng.dirichlet(np.ones(3), 12).astype(np.float32)
    write(predictions(matrix), tmp_path / "p.parquet")
    ids = [f"row-{number:04d}" for number in range(12)]
    write(pa.table({"id": ids, "text": [f"text, {number} \u201equoted\u201c" for number in range(12)]}), tmp_path / "items.parquet")
    options = {"strategy": "margin", "budget": 12, "predictions": "p.parquet", "suggest": True, "round": 3}
    run_here(select, **options, items="items.parquet", export=["label-studio=tasks.json"], output="q.parquet")
    return json.loads(Path("tasks.json").read_text())  # type: ignore[no-any-return]


def answered(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The project's full export: 6 suggestions accepted in 2 s each, 3 changed in 8 s, one skipped, two not done yet."""
    exported = []
    for number, task in enumerate(tasks):
        (shown,) = task["predictions"]
        suggested = shown["result"][0]["value"]["choices"][0]
        kind = "prediction" if number < 6 else "prediction-changed"
        label = suggested if number < 6 else CLASSES[(CLASSES.index(suggested) + 1) % 3]
        choice = {**shown["result"][0], "id": f"x{number}", "origin": kind, "value": {"choices": [label]}}
        annotation = {
            "id": 100 + number,
            "completed_by": {"id": 1, "email": "a@x.com"},
            "was_cancelled": number == 9,
            "ground_truth": False,
            "lead_time": 2.0 if number < 6 else 8.0,
            "created_at": AT,
            "updated_at": AT,
            "parent_prediction": shown.get("id"),
            "last_action": "submitted",
            "result": [] if number == 9 else [choice],
        }
        exported.append(
            {
                "id": 7000 + number,
                "data": task["data"],
                "agreement": 100.0,
                "drafts": [],
                "file_upload": "d06c405d-x.json",
                "predictions": [{**shown, "id": 500 + number}],
                "annotations": [annotation] if number < 10 else [],
            }
        )
    return exported


def minimal(full: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """JSON_MIN of the same project, which loses predictions and cancelled annotations."""
    rows = []
    for task in full:
        done = [annotation for annotation in task["annotations"] if not annotation["was_cancelled"]]
        for annotation in done:
            rows.append(
                {
                    **task["data"],
                    "id": task["id"],
                    "label": annotation["result"][0]["value"]["choices"][0],
                    "annotator": "a@x.com",
                    "annotation_id": annotation["id"],
                    "created_at": AT,
                    "updated_at": AT,
                    "lead_time": annotation["lead_time"],
                }
            )
        if not task["annotations"]:
            rows.append({**task["data"], "id": task["id"], "annotation_id": None})
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, sorted({key for row in rows for key in row}), quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


@pytest.mark.parametrize("queries", [None, ["q.parquet"]])
@pytest.mark.parametrize("form", ["full", "storage", "minimal", "csv"])
def test_a_round_trip_loses_nothing(tasks: list[dict[str, Any]], form: str, queries: list[str] | None) -> None:
    full = answered(tasks)
    if form == "storage":  # one file per annotation
        for task in full:
            for annotation in task["annotations"]:
                nested = {**annotation, "task": {key: task[key] for key in ("id", "data")}}
                write_text(Path("export") / f"{annotation['id']}.json", json.dumps(nested))
    else:
        content = {"full": full, "minimal": minimal(full), "csv": minimal(full)}[form]
        write_text(Path("export"), as_csv(content) if form == "csv" else json.dumps(content))
    found = run_here(import_labels, exports=["export"], labels="log", queries=queries, source=None if queries else "exploit")
    skips = int(form in ("full", "storage"))
    assert (found["imported"], found["skipped"], found["refused"]) == (9 + skips, skips, {})
    rows = log("log")
    for number, task in enumerate(full[: 9 + skips]):
        data, (annotation,) = task["data"], task["annotations"]
        row = rows[data["altool_id"]]
        assert row["suggested_label"] == data["altool_suggestion"] == task["predictions"][0]["result"][0]["value"]["choices"][0]
        assert row["seconds"] == annotation["lead_time"]
        assert (row["label"] == row["suggested_label"], row["status"]) == (number < 6, "skipped" if number == 9 else "labeled")
        assert (row["round"], row["annotator"], row["labeled_at"].isoformat()[:19]) == (3, "a@x.com", AT[:19])

    write(predictions(np.full((12, 3), 1 / 3, np.float32)).append_column("fold", pa.array([0] * 12, pa.int16())), Path("oof.parquet"))
    measured = run_here(report, predictions="oof.parquet", labels="log", evaluate_on="all", queries=queries)["cost"]
    assert measured["prices"] == {"verified": 2, "corrected": 8, "scratch": 8}
    (round_,) = measured["rounds"]
    assert (round_["verified"], round_["corrected"], round_["scratch"]) == (6, 3, skips)
    assert round_["cost"] == measured["total"] == 6 * 2 + (3 + skips) * 8
    whole = next(one for one in measured["acceptance"] if one["tier"] is None and one["class_"] is None)
    assert (whole["suggested"], whole["accepted"]) == (9, 6)


def write_text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_the_sheet_brings_them_back(tasks: list[dict[str, Any]]) -> None:
    """A spreadsheet of altool's own, with a column of seconds."""
    run_here(
        select,
        strategy="queue",
        queue="q.parquet",
        budget=12,
        output="again.parquet",
        items="items.parquet",
        export=["csv=sheet.csv"],
        round=3,
        predictions="p.parquet",
        suggest=True,
    )
    rows = list(csv.DictReader(io.StringIO(Path("sheet.csv").read_text())))
    for row in rows:
        row |= {"label": row["suggestion"], "seconds": "1.5"}
    write_text(Path("done.csv"), as_csv(rows))
    assert run_here(import_labels, exports=["done.csv"], labels="log", source="exploit")["imported"] == 12
    assert {(row["suggested_label"] == row["label"], row["seconds"]) for row in log("log").values()} == {(True, 1.5)}


def test_the_report_shows_them(tasks: list[dict[str, Any]], altool: Callable[..., Any]) -> None:
    """In the terminal and on the page, by prices that are given; each tier by itself, the machine's labels apart."""
    tiers = ["hard"] * 6 + ["intermediate"] * 3 + ["easy"] * 3
    queries = pq.read_table("q.parquet")
    sources = ["exploit"] * 10 + ["auto"] * 2
    queries = queries.set_column(queries.column_names.index("source"), "source", pa.array(sources)).append_column("tier", pa.array(tiers))
    write(queries, Path("q.parquet"))
    write_text(Path("export"), json.dumps(answered(tasks)))
    run_here(import_labels, exports=["export"], labels="log", queries=["q.parquet"])
    assert run_here(import_labels, auto="q.parquet", labels="log")["sources"] == {"auto": 2}
    matrix = np.full((12, 3), 1 / 3, np.float32)
    write(predictions(matrix).append_column("fold", pa.array([0] * 12, pa.int16())), Path("oof.parquet"))
    common = ("report", "--predictions", "oof.parquet", "--labels", "log", "--evaluate-on", "all", "--queries", "q.parquet")
    done = altool(*common, "--cost-verify", 1, "--cost-answer", 4, "-o", "page.html")
    lines = [" ".join(line.split()) for line in done.text.splitlines()]
    start = lines.index("what the labels cost")
    assert lines[start + 2] == "round verified corrected from scratch auto free cost"
    assert lines[start + 4 : start + 6] == ["3 6 3 1 2 0 22", "all 6 3 1 2 0 22"]
    assert "an answer costs: verified 1, corrected 4, from scratch 4 (given); seed and holdout are free" in lines
    assert {"all 9 6 0.667 0.354–0.879", "tier hard 6 6 1.000 0.610–1.000", "tier intermediate 3 0 0.000 0.000–0.561"} <= set(lines)
    assert {"all 2 (6) 8 (3) 8 (1) 4.0", "annotator a@x.com 2 (6) 8 (3) 8 (1) 4.0"} <= set(lines)
    text = Path("page.html").read_text()
    assert "What the labels cost" in text
    assert "tier hard, " in text
    assert "12 of 12" not in text
    with pytest.raises(UsageError, match="--cost-verify and --cost-answer go together"):
        run_here(report, predictions="oof.parquet", labels="log", cost_verify=1.0)

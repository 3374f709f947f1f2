"""Argilla: records of its SDK in all shapes, and each response's own status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import imported, log_rows, said

from altool.errors import InputError
from altool.labels import registry
from altool.labels.exchange import Task


def nested(id_: str, *responses: dict[str, Any], **values: Any) -> dict[str, Any]:
    suggestion = {"label": {"value": "negative", "score": 0.6, "agent": "altool-r0"}}
    base = {"id": id_, "fields": {"text": "t"}, "metadata": {}, "suggestions": suggestion, "responses": {"label": list(responses)}}
    return {**base, "vectors": {}, "_server_id": "s", **values}


def response(value: Any, status: str | None = "submitted", user: str = "u1") -> dict[str, Any]:
    return {"value": value, "user_id": user, **({} if status is None else {"status": status})}


def test_a_row_per_response_by_its_status(folder: Path) -> None:
    records = [
        nested("r-1", response("positive"), response("negative", user="u2")),
        nested("r-2", response("positive", "discarded")),
        nested("r-3", response("positive", "draft")),
        nested("r-4", response(["positive", "negative"])),
        nested("r-5", response("positive", "approved")),
    ]
    (folder / "e.json").write_text(json.dumps(records))
    summary = imported(folder, "e.json")
    assert (summary["imported"], summary["skipped"], summary["unlabeled"]) == (3, 1, 1)
    assert summary["refused"] == {"several classes": 1, "a verdict that is none of the tool's": 1}
    found = sorted((row["id"], row["label"], row["annotator"], row["suggested_label"]) for row in log_rows(folder) if row["label"])
    assert found == [("r-1", "negative", "u2", "negative"), ("r-1", "positive", "u1", "negative")]


def test_without_statuses_only_the_one_response_of_a_completed_record_counts(folder: Path) -> None:
    records = [
        nested("r-1", response("positive", None), status="completed"),
        nested("r-2", response("positive", None), status="pending"),
        nested("r-3", response("positive", None), response("positive", None, "u2"), status="completed"),
        nested("r-4", response("positive", None)),
    ]
    (folder / "e.json").write_text(json.dumps(records))
    assert imported(folder, "e.json")["refused"] == {"a response without a status": 4}
    assert set(said(folder)) == {"r-1"}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_flat(folder: Path, form: str) -> None:
    def flat(id_: str, values: list[str], statuses: list[str]) -> dict[str, Any]:
        users = [f"u{number}" for number in range(len(values))]
        shown = {"id": id_, "status": "completed", "text": "t", "label.suggestion": "negative", "label.suggestion.agent": "altool-r0"}
        return {**shown, "label.responses": values, "label.responses.users": users, "label.responses.status": statuses}

    records = [flat("r-1", ["positive"], ["submitted"]), flat("r-2", ["positive"], ["discarded"]), flat("r-3", [], [])]
    if form == "jsonl":
        (folder / "e").write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        pq.write_table(pa.Table.from_pylist(records), folder / "e")
    summary = imported(folder, "e")
    assert (summary["imported"], summary["skipped"], summary["unlabeled"]) == (2, 1, 1)
    assert said(folder) == {"r-1": ("positive", "u0", "explore"), "r-2": (None, "u0", "explore")}


def test_a_feedback_dataset(folder: Path) -> None:
    records = [
        {"text": "t", "label": [response("positive", user="u1")], "label-suggestion": "negative", "label-suggestion-metadata": {},
         "external_id": "r-1", "metadata": "{}"},
        {"text": "t", "label": [response("positive", "draft")], "label-suggestion": None, "label-suggestion-metadata": {},
         "external_id": "r-2", "metadata": "{}"},
    ]  # fmt: skip
    (folder / "e").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert (imported(folder, "e")["unlabeled"], said(folder)) == (1, {"r-1": ("positive", "u1", "explore")})


def test_version_1(folder: Path) -> None:
    def record(id_: str, annotation: str | None, status: str) -> dict[str, Any]:
        base = {"id": id_, "inputs": {"text": "t"}, "prediction": [["negative", 0.9]], "prediction_agent": "m", "event_timestamp": "2023"}
        return {**base, "annotation": annotation, "annotation_agent": "kim", "status": status, "metadata": {}}

    records = [record("r-1", "positive", "Validated"), record("r-2", None, "Default"), record("r-3", None, "Discarded")]
    (folder / "e.json").write_text(json.dumps([*records, record("r-4", "positive", "Default")]))
    summary = imported(folder, "e.json")
    assert (summary["skipped"], summary["unlabeled"]) == (1, 2)
    assert said(folder) == {"r-1": ("positive", "kim", "explore"), "r-3": (None, None, "explore")}
    assert log_rows(folder)[0]["suggested_label"] == "negative"


def test_which_question_holds_the_label(folder: Path) -> None:
    both = {"topic": [response("x")], "mood": [response("positive")]}
    (folder / "e.json").write_text(json.dumps([nested("r-1", suggestions={}) | {"responses": both}]))
    with pytest.raises(InputError, match="no question 'label' \\(it has topic, mood\\)"):
        imported(folder, "e.json")
    assert imported(folder, "e.json", columns="label=mood")["classes"] == {"positive": 1}


def test_what_goes_out() -> None:
    task = Task("r-1", 1, 2, text="größe", suggested_label="positive", suggested_probability=0.62)
    (record,) = json.loads(registry.export("argilla", [task], ["positive"])[""])
    assert record == {
        "id": "r-1", "fields": {"text": "größe"}, "metadata": {"altool_id": "r-1", "altool_round": 2, "altool_rank": 1},
        "suggestions": {"label": {"value": "positive", "agent": "altool-r2", "score": 0.62}}, "responses": {}, "vectors": {},
    }  # fmt: skip

"""Labelbox's NDJSON, version 2 of its export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports import imported, log_rows, said

from altool.errors import InputError


def label(*answers: dict[str, Any], skipped: bool = False, by: str = "kim@example.org") -> dict[str, Any]:
    return {
        "label_kind": "Default",
        "label_details": {"created_at": "2024-05-01T10:00:00.000+00:00", "created_by": by},
        "performance_details": {"seconds_to_create": 7, "skipped": skipped},
        "annotations": {"objects": [], "classifications": list(answers), "relationships": []},
    }


def radio(name: str, question: str = "label") -> dict[str, Any]:
    return {"name": question, "value": "a_slug", "radio_answer": {"name": name, "value": "slug_of_it", "classifications": []}}


def line(id_: str, *labels: dict[str, Any], status: str = "DONE", **data: Any) -> str:
    row = {"id": "clx", "global_key": id_, "external_id": f"{id_}.txt", "row_data": "https://h/1.jpg", **data}
    project = {"name": "p", "labels": list(labels), "project_details": {"workflow_status": status}}
    return json.dumps({"data_row": row, "metadata_fields": [], "projects": {"cly": project}}) + "\n"


def test_labels_skips_and_reviews(folder: Path) -> None:
    content = line("r-1", label(radio("positive"))) + line("r-2", label(radio("negative")), status="REWORK") + line("r-4")
    (folder / "e.ndjson").write_text(content + line("r-3", label(skipped=True)))
    summary = imported(folder, "e.ndjson")
    assert (summary["skipped"], summary["rejected"], summary["unlabeled"]) == (1, 1, 1)
    assert said(folder) == {"r-1": ("positive", "kim@example.org", "explore"), "r-3": (None, "kim@example.org", "explore")}
    row = log_rows(folder)[0]
    assert (row["seconds"], str(row["labeled_at"])) == (7, "2024-05-01 10:00:00+00:00")


def test_a_checklist_may_hold_one(folder: Path) -> None:
    def checked(*names: str) -> dict[str, Any]:
        return {"name": "label", "checklist_answers": [{"name": name} for name in names]}

    (folder / "e").write_text(line("r-1", label(checked("positive"))) + line("r-2", label(checked("positive", "negative"))))
    assert (imported(folder, "e")["refused"], set(said(folder))) == ({"several classes": 1}, {"r-1"})


def test_which_question_and_which_key(folder: Path) -> None:
    (folder / "e").write_text(line("x", label(radio("positive", "mood"), radio("x", "topic")), external_id="r-1"))
    with pytest.raises(InputError, match="no question 'label' \\(it has mood, topic\\)"):
        imported(folder, "e")
    assert imported(folder, "e", columns="label=mood", id_col="external_id")["imported"] == 1


def test_metadata_may_hold_the_id_and_the_address_the_picture(folder: Path) -> None:
    record = json.loads(line("x", label(radio("positive"))))
    record["metadata_fields"] = [{"schema_name": "altool_id", "value": "r-2"}]
    (folder / "e").write_text(json.dumps(record) + "\n")
    assert (imported(folder, "e")["imported"], set(said(folder))) == (1, {"r-2"})
    assert imported(folder, "e", match="path", items=str(folder / "pictures.parquet"))["imported"] == 1
    assert {row["id"] for row in log_rows(folder)} == {"r-2", "r-1"}


def test_its_old_versions_are_refused_by_name(folder: Path) -> None:
    (folder / "e.csv").write_text("DataRow ID,Label,altool_id\nx,positive,r-1\n")
    with pytest.raises(InputError, match="Labelbox"):
        imported(folder, "e.csv")

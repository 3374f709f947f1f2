"""What each format says of an answer: one file of each tool's shape with an answer of each kind that it has.

A cell is how the answer is read: `label`, `skip`, `open` (not done), `machine` (source auto), or the reason why it is none.
Recognition, writing and reading back are tested by tests/conformance/test_formats.py for every format alike.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from sheets import xlsx

from altool.conformance.formats import opened
from altool.labels import registry
from altool.labels.exchange import NO_STATUS, NO_VERDICT, REJECTED, REVIEWED, SEVERAL, UNPAID, Naming

pytestmark = pytest.mark.slow


def lines(*records: Any) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def studio(number: int, *choices: str, **values: Any) -> dict[str, Any]:
    result = [{"type": "choices", "from_name": "label", "to_name": "text", "value": {"choices": list(choices)}}] if choices else []
    done = {"completed_by": 1, "was_cancelled": False, "result": result, **values}
    return {"id": number, "data": {"text": "t", "altool_id": f"r-{number}"}, "annotations": [done]}


def prodigy(number: int, answer: str | None) -> dict[str, Any]:
    return {"text": "t", "altool_id": f"r-{number}", "label": "ant", "answer": answer, "_task_hash": 1, "_input_hash": 2}


def argilla(number: int, status: str | None, value: Any = "ant") -> dict[str, Any]:
    response = {"value": value, "user_id": "u", **({} if status is None else {"status": status})}
    return {"id": f"r-{number}", "fields": {}, "metadata": {}, "suggestions": {}, "responses": {"label": [response]}}


def argilla_1(number: int, status: str, annotation: str | None = "ant") -> dict[str, Any]:
    return {"id": f"r-{number}", "inputs": {}, "prediction": None, "annotation": annotation, "status": status}


def manifest(number: int, human: str = "yes", **values: Any) -> dict[str, Any]:
    facts = {"class-name": "ant", "human-annotated": human, **values}
    return {"source": "t", "altool_id": f"r-{number}", **({} if "failure-reason" in values else {"label": 0}), "label-metadata": facts}


def labelbox(number: int, *names: str, skipped: bool = False, status: str = "DONE", labels: int = 1) -> dict[str, Any]:
    answer = {"name": "label", "checklist_answers": [{"name": name} for name in names]}
    label = {"performance_details": {"skipped": skipped}, "annotations": {"classifications": [answer] if names else []}}
    project = {"labels": [label] * labels, "project_details": {"workflow_status": status}}
    return {"data_row": {"global_key": f"r-{number}"}, "projects": {"p": project}}


def cvat(*tags: str) -> bytes:
    images = "".join(f'<image id="{n}" name="r-{n}.jpg">{tag}</image>' for n, tag in enumerate(tags, 1))
    return f"<?xml version='1.0'?><annotations>{images}</annotations>".encode()


def folders(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return out.getvalue()


def doccano(number: int, label: Any) -> dict[str, Any]:
    return {"id": number, "altool_id": f"r-{number}", "text": "t", "label": label, "Comments": []}


MTURK = "HITId,WorkerId,AssignmentStatus,Input.altool_id,Answer.label\n"
SHEET = "altool_id,label,skip,source\nr-1,ant,,\nr-2,,x,\nr-3,,,\nr-4,ant,,auto\n"
KINDS: list[dict[str, str]] = [{"label": "ant"}, {"status": "skipped"}, {}, {"label": "ant", "source": "auto"}]
PLAIN = [{"id": f"r-{number}", **row} for number, row in enumerate(KINDS, 1)]
TAGS = ["<tag label='ant' source='manual'/>", "<tag label='ant' source='auto'/>", "", "<box label='ant'/>", "<tag label='ant'/>"]
REVIEW = {"reviews": [{"accepted": False, "created_at": "2024"}]}
BOTH = ["ant", "bee"]
NAMES = ["id", "label", "status", "source"]

HEARD: dict[str, tuple[str, bytes, list[str]]] = {
    "label-studio": (
        "label-studio",
        json.dumps([studio(1, "ant"), studio(2, was_cancelled=True), studio(3), studio(4, "ant", **REVIEW), studio(5, *BOTH)]).encode(),
        ["label", "skip", "open", REVIEWED, SEVERAL],
    ),
    "a page of Label Studio's API": (
        "label-studio",
        json.dumps({"total": 2, "tasks": [studio(1, "ant"), studio(2, was_cancelled=True)]}).encode(),
        ["label", "skip"],
    ),
    "prodigy": (
        "prodigy",
        lines(prodigy(1, "accept"), prodigy(2, "ignore"), prodigy(3, None), prodigy(4, "reject"), prodigy(5, "maybe")),
        ["label", "skip", "open", REJECTED, NO_VERDICT],
    ),
    "doccano": ("doccano", lines(doccano(1, ["ant"]), doccano(2, []), doccano(3, BOTH)), ["label", "open", SEVERAL]),
    "argilla": (
        "argilla",
        lines(argilla(1, "submitted"), argilla(2, "discarded"), argilla(3, "draft"), argilla(4, None), argilla(5, "submitted", BOTH)),
        ["label", "skip", "open", NO_STATUS, SEVERAL],
    ),
    "argilla 1": (
        "argilla",
        json.dumps([argilla_1(1, "Validated"), argilla_1(2, "Discarded"), argilla_1(3, "Default"), argilla_1(4, "Other")]).encode(),
        ["label", "skip", "open", NO_VERDICT],
    ),
    "ground-truth": (
        "ground-truth",
        lines(manifest(1), manifest(2, "no"), manifest(3, **{"failure-reason": "expired"}), {"source": "t", "altool_id": "r-4"}),
        ["label", "machine", "labeling failed", "open"],
    ),
    "mturk": (
        "mturk",
        f"{MTURK}H,W,Approved,r-1,ant\nH,W,Submitted,r-2,ant\nH,W,Rejected,r-3,ant\nH,W,Approved,r-4,\nH,W,Odd,r-5,ant\n".encode(),
        ["label", "label", UNPAID, "open", NO_VERDICT],
    ),
    "cvat": (
        "cvat",
        cvat(*TAGS),
        ["label", "machine", "open", "open", "label"],
    ),
    "labelbox": (
        "labelbox",
        lines(labelbox(1, "ant"), labelbox(2, skipped=True), labelbox(3, labels=0), labelbox(4, "a", status="REWORK"), labelbox(5, *BOTH)),
        ["label", "skip", "open", REVIEWED, SEVERAL],
    ),
    "fiftyone": (
        "fiftyone",
        json.dumps(
            {"classes": BOTH, "labels": {"r-1": 0, "r-2": {"label": "ant", "confidence": 0.9}, "r-3": None, "r-4": [0, 1]}}
        ).encode(),
        ["label", "machine", "open", SEVERAL],
    ),
    "roboflow": ("roboflow", b"filename, ant, bee\nr-1.jpg, 1, 0\nr-2.jpg, 0, 0\nr-3.jpg, 1, 1\n", ["label", "open", SEVERAL]),
    "folders": ("folders", folders("ant/r-1.jpg", "bee/r-2.jpg", "no_label/r-3.jpg"), ["label", "label", "open"]),
    "csv": ("csv", SHEET.encode(), ["label", "skip", "open", "machine"]),
    "jsonl": ("jsonl", lines(*PLAIN), ["label", "skip", "open", "machine"]),
    "xlsx": ("xlsx", xlsx([NAMES, *([row.get(name) for name in NAMES] for row in PLAIN)]), ["label", "skip", "open", "machine"]),
}  # fmt: skip


def heard(row: dict[str, Any]) -> str:
    if row["reason"] is not None:
        return str(row["reason"])
    if row["status"] == "skipped":
        return "skip"
    return "open" if row["label"] is None else "machine" if row["source"] == "auto" else "label"


@pytest.mark.parametrize("shape", HEARD)
def test_every_kind_of_answer(shape: str) -> None:
    name, content, expected = HEARD[shape]
    export = opened(content)
    assert next(form.name for form in registry.ordered() if form.recognizes(export)) == name
    found = registry.read(export, "auto", Naming({})).table.to_pylist()
    assert [heard(row) for row in found] == expected
    assert [str(row["id"]) for row in found] == [f"r-{number}" for number in range(1, len(expected) + 1)]


def test_no_format_is_left_out() -> None:
    assert {name for name, _, _ in HEARD.values()} >= set(registry.FORMATS.own) - {
        "parquet",
        "html",
    }  # the page is pressed in test_html_browser.py

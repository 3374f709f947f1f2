"""Every format keeps what formats promise; and a format that does not is found out."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sheets import xlsx

from altool.conformance.formats import CHECKS, Case, Said, Tool, tasks
from altool.labels import registry
from altool.tables.write import cell, csv_line

pytestmark = pytest.mark.slow


def _cannot(said: Sequence[Said], *whats: str) -> None:
    """What a tool cannot say."""
    if any(one.what in whats for one in said):
        raise ValueError


def _sheet(rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["id", "label"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def filled_sheet(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "rejected")
    rows = {row["altool_rank"]: row for row in csv.DictReader(io.StringIO((written or b"").decode(), newline=""))}
    marks = {"labeled": lambda one: {"label": one.label}, "skipped": lambda one: {"skip": "x"}, "open": lambda one: {}}
    return _sheet([{**rows[str(one.task.rank)], **marks[one.what](one)} for one in said])


def _rows(said: Sequence[Said]) -> list[dict[str, Any]]:
    _cannot(said, "rejected")
    status = {"labeled": "labeled", "skipped": "skipped", "open": None}
    return [
        {
            "id": one.task.id,
            "label": one.label if one.what == "labeled" else None,
            "status": status[one.what],
            "altool_round": one.task.round,
            "altool_rank": one.task.rank,
        }
        for one in said
    ]


def lines(said: Sequence[Said], written: bytes | None) -> bytes:
    return "\n".join(map(json.dumps, _rows(said))).encode()


def parquet(said: Sequence[Said], written: bytes | None) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_rows(said), None if said else pa.schema({"id": pa.string(), "label": pa.string()})), out)
    return out.getvalue()


def label_studio(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "rejected")
    done: list[dict[str, Any]] = []
    by_id = {task["data"]["altool_id"]: task for task in json.loads(written or b"[]")}
    for number, one in enumerate(said):
        result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [one.label]}}]
        answer = {"completed_by": number, "was_cancelled": one.what == "skipped", "result": result if one.what == "labeled" else []}
        done.append({**by_id[one.task.id], "id": number, "annotations": [] if one.what == "open" else [answer]})
    return json.dumps(done).encode()


def prodigy(said: Sequence[Said], written: bytes | None) -> bytes:
    answer = {"labeled": "accept", "skipped": "ignore", "rejected": "reject", "open": None}
    records = [
        {
            "_task_hash": 1,
            "_input_hash": 2,
            "text": one.task.text,
            "label": one.label,
            "answer": answer[one.what],
            "meta": {"altool_id": one.task.id, "altool_round": one.task.round, "altool_rank": one.task.rank},
        }
        for one in said
    ]
    return "\n".join(map(json.dumps, records)).encode()


def ground_truth(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped", "rejected")
    records = [
        {
            "source": one.task.text,
            "altool_id": one.task.id,
            "altool_round": one.task.round,
            "altool_rank": one.task.rank,
            **({"pets": 0} if one.what == "labeled" else {}),
            "pets-metadata": {"class-name": one.label, "human-annotated": "yes"} if one.what == "labeled" else {},
        }
        for one in said
    ]
    return "\n".join(map(json.dumps, records)).encode()


def mturk(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped")
    return _sheet(
        [
            {
                "HITId": number,
                "WorkerId": f"W{number}",
                "AssignmentStatus": "Rejected" if one.what == "rejected" else "Approved",
                "Input.altool_id": one.task.id,
                "Input.altool_round": one.task.round,
                "Input.text": one.task.text,
                "Answer.label": "" if one.what == "open" else one.label,
            }
            for number, one in enumerate(said)
        ]
    )


def labeling_page(said: Sequence[Said], written: bytes | None) -> bytes:
    """What the page's script downloads; tests/formats/test_html_browser.py presses its keys."""
    _cannot(said, "rejected")
    (content,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', (written or b"").decode(), re.DOTALL)
    page = json.loads(content)
    by_id = {row["id"]: row for row in page["rows"]}
    lines = [csv_line(page["columns"])]
    for one in said:
        row = by_id[str(one.task.id)]
        label, status = {"labeled": (one.label, "labeled"), "skipped": (None, "skipped"), "open": (None, None)}[one.what]
        values = [row["id"], row["round"], row["rank"], label, status, "1.5", "2026-11-29T20:00:00.000Z", "kim"]
        lines.append(csv_line(map(cell, values)))
    return "".join(lines).encode()


def doccano(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped", "rejected")
    by_id = {line["altool_id"]: line for line in map(json.loads, (written or b"").splitlines())}
    labels = [[one.label] if one.what == "labeled" else [] for one in said]
    records = [{"id": 7, **by_id[one.task.id], "label": label, "Comments": []} for one, label in zip(said, labels, strict=True)]
    return "\n".join(map(json.dumps, records)).encode()


def argilla(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "rejected")
    status = {"labeled": "submitted", "skipped": "discarded", "open": "draft"}
    by_id = {record["id"]: record for record in json.loads(written or b"[]")}
    return json.dumps(
        [
            {
                **by_id[str(one.task.id)],
                "responses": {"label": [{"value": one.label, "user_id": f"u{number}", "status": status[one.what]}]},
                "_server_id": "s",
            }
            for number, one in enumerate(said)
        ]
    ).encode()


def _file_name(id_: Any) -> str:
    """A picture that is named by an id; some cannot be."""
    if set(str(id_)) & set("/\n\t") or str(id_) != str(id_).strip():
        raise ValueError
    return f"{id_}.jpg"


def cvat(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped", "rejected")
    root = ElementTree.Element("annotations")
    for number, one in enumerate(said):
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": _file_name(one.task.id)})
        if one.what == "labeled":
            ElementTree.SubElement(image, "tag", {"label": one.label, "source": "manual"})
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def labelbox(said: Sequence[Said], written: bytes | None) -> bytes:
    records = []
    for number, one in enumerate(said):
        answer = {"name": "label", "radio_answer": {"name": one.label, "value": "slug"}}
        label = {
            "label_details": {"created_by": f"{number}@example.org", "created_at": "2024-05-01T10:00:00.000+00:00"},
            "performance_details": {"seconds_to_create": 3, "skipped": one.what == "skipped"},
            "annotations": {"objects": [], "classifications": [answer] if one.what in ("labeled", "rejected") else []},
        }
        project = {"labels": [] if one.what == "open" else [label]}
        project |= {"project_details": {"workflow_status": "REWORK" if one.what == "rejected" else "DONE"}}
        data = {"id": "c", "global_key": str(one.task.id), "row_data": one.task.text}
        records.append({"data_row": data, "metadata_fields": [], "projects": {"p": project}})
    return "\n".join(map(json.dumps, records)).encode()


def fiftyone(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped", "rejected")
    if len({str(one.task.id) for one in said}) < len(said):
        raise ValueError
    classes = sorted({one.label for one in said})
    labels = {str(one.task.id): classes.index(one.label) if one.what == "labeled" else None for one in said}
    return json.dumps({"classes": classes, "labels": labels}).encode()


def roboflow(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped", "rejected")
    if any(one.label != one.label.strip() or one.label == "" for one in said):
        raise ValueError
    classes = sorted({"ant", "bee", *(one.label for one in said)})
    bits = [[int(one.what == "labeled" and one.label == name) for name in classes] for one in said]
    rows = [dict(zip(["filename", *classes], [_file_name(one.task.id), *row], strict=True)) for one, row in zip(said, bits, strict=True)]
    return _sheet(rows or [{"filename": "", "ant": "", "bee": ""}])


def folders(said: Sequence[Said], written: bytes | None) -> bytes:
    _cannot(said, "skipped", "rejected")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for one in said:
            name = one.label if one.what == "labeled" else "no_label"
            if "/" in name:
                raise ValueError
            archive.writestr(f"{name}/{_file_name(one.task.id)}", b"")
    return out.getvalue()


def workbook(said: Sequence[Said], written: bytes | None) -> bytes:
    rows = _rows(said)
    names = list(rows[0]) if rows else ["id", "label"]
    return xlsx([names, *([row[name] for name in names] for row in rows)])


TOOLS: dict[str, Tool] = {
    "argilla": argilla,
    "cvat": cvat,
    "doccano": doccano,
    "fiftyone": fiftyone,
    "folders": folders,
    "labelbox": labelbox,
    "roboflow": roboflow,
    "xlsx": workbook,
    "csv": filled_sheet,
    "jsonl": lines,
    "parquet": parquet,
    "label-studio": label_studio,
    "prodigy": prodigy,
    "ground-truth": ground_truth,
    "mturk": mturk,
    "html": labeling_page,
}


def case(name: str) -> Case:
    said = [Said(task) for task in tasks(["one", "two"])]
    others = {other: Case(registry.FORMATS.load(other), tool).export(said) for other, tool in TOOLS.items()}
    return Case(registry.FORMATS.load(name), TOOLS[name], others)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", registry.FORMATS.own)
def test_every_format(name: str, check: str) -> None:
    CHECKS[check](case(name))


def test_an_export_is_taken_for_what_it_is() -> None:
    from altool.conformance.formats import opened

    for name, content in case("csv").others.items():
        assert next(form for form in registry.ordered() if form.recognizes(opened(content))).name == name


def _relabeled(found: Any) -> Any:
    table = found.table
    place = table.column_names.index("label")
    filled = pa.compute.fill_null(table.column("label"), "ant")
    return replace(
        found,
        table=table.set_column(place, "label", filled).set_column(
            table.column_names.index("reason"), "reason", pa.nulls(len(table), pa.string())
        ),
    )


@pytest.mark.parametrize(
    ("check", "fault"),
    [
        ("known_by_content", lambda form: replace(form, recognizes=lambda export: False)),
        ("no_other", lambda form: replace(form, recognizes=lambda export: True)),
        ("no_other", lambda form: replace(form, recognizes=lambda export: "_task_hash" in export.records[0])),  # a table has no records
        ("answers_come_back", lambda form: replace(form, read=lambda export, naming: _upper(form.read(export, naming)))),
        ("no_answer_no_label", lambda form: replace(form, read=lambda export, naming: _relabeled(form.read(export, naming)))),
        ("same_bytes", lambda form: replace(form, write=lambda asked, classes: {"": b"", ".more": b""})),
    ],
)
def test_a_fault_is_found(check: str, fault: Callable[[Any], Any]) -> None:
    good = case("prodigy")
    with pytest.raises(AssertionError):
        CHECKS[check](replace(good, record=fault(good.record), others={}))


def _upper(found: Any) -> Any:
    table = found.table
    place = table.column_names.index("label")
    return replace(found, table=table.set_column(place, "label", pa.compute.utf8_upper(table.column("label"))))

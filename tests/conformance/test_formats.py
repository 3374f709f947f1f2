"""Every format keeps what formats promise; and a format that does not is found out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.conformance.formats import CHECKS, Case, Said, Tool, tasks
from altool.labels import registry
from altool.tables.write import cell, csv_line


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


TOOLS: dict[str, Tool] = {
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

"""The record's own word: accepted, rejected, skipped, failed, labeled by a machine; heard, or the file is refused by its tool's name."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import imported, log_rows, queries, rejects, said

from altool.errors import InputError
from altool.labels import archives

IDS = ["r-1", "r-2", "r-3", "r-4"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    queries(tmp_path, IDS, ["positive", "negative"])
    return tmp_path


def lines(path: Path, *records: Any) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def prodigy(id_: str, answer: str | None, **values: Any) -> dict[str, Any]:
    marks = {"_task_hash": 1, "_input_hash": 2, "_session_id": "set-kim", "_timestamp": 1714557600}
    return {"text": "t", "altool_id": id_, "label": "positive", "answer": answer, **marks, **values}


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_prodigys_binary_answers(folder: Path, form: str) -> None:
    records = [prodigy("r-1", "accept"), prodigy("r-2", "reject"), prodigy("r-3", "ignore"), prodigy("r-4", None)]
    if form == "jsonl":
        lines(folder / "e", *records)
    elif form == "csv":
        rows = [[str(value if value is not None else "") for value in record.values()] for record in records]
        (folder / "e").write_text("\n".join(",".join(row) for row in [list(records[0]), *rows]) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(records), folder / "e")
    summary = imported(folder, "e")
    assert (summary["imported"], summary["skipped"], summary["rejected"], summary["unlabeled"]) == (2, 1, 1, 1)
    assert said(folder) == {"r-1": ("positive", "set-kim", "explore"), "r-3": (None, "set-kim", "explore")}
    assert str(log_rows(folder)[0]["labeled_at"]) == "2024-05-01 10:00:00+00:00"
    assert rejects(folder) == [("r-2", "positive", "rejected by the annotator")]
    assert imported(folder, "e")["known"] == 2


def test_prodigys_choices_and_ids_in_meta(folder: Path) -> None:
    base = {"_task_hash": 1, "_input_hash": 2, "_annotator_id": "kim", "options": [{"id": "positive"}, {"id": "negative"}]}
    lines(
        folder / "e",
        {**base, "meta": {"altool_id": "r-1"}, "accept": ["negative"], "answer": "accept"},
        {**base, "meta": {"altool_id": "r-2"}, "accept": [], "answer": "accept"},
        {**base, "meta": {"altool_id": "r-3"}, "accept": ["positive", "negative"], "answer": "accept"},
        {**base, "meta": {"altool_id": "r-4"}, "accept": ["positive"], "answer": "maybe"},
    )
    summary = imported(folder, "e")
    assert said(folder) == {"r-1": ("negative", "kim", "explore")}
    assert summary["refused"] == {"several classes": 1, "a verdict that is none of the tool's": 1}
    assert summary["unlabeled"] == 1


def test_answers_that_lost_their_hashes_are_prodigys_all_the_same(folder: Path) -> None:
    lines(folder / "e", {"id": "r-1", "altool_id": "r-1", "label": "positive", "answer": "reject"})
    assert (imported(folder, "e")["rejected"], (folder / "log").exists()) == (1, True)


def test_prodigys_hashes_are_no_ids(folder: Path) -> None:
    record = prodigy("r-1", "accept")
    del record["altool_id"]
    lines(folder / "e", {**record, "id": 3})
    with pytest.raises(InputError, match="no record has 'altool_id'"):
        imported(folder, "e")


def task(id_: str, **annotation: Any) -> dict[str, Any]:
    chosen = [{"from_name": "label", "type": "choices", "value": {"choices": [annotation.pop("label", "positive")]}}]
    return {"data": {"altool_id": id_}, "annotations": [{"completed_by": 1, "result": chosen, **annotation}]}


def review(accepted: bool, day: int, **values: Any) -> dict[str, Any]:
    return {"accepted": accepted, "created_at": f"2024-05-0{day}T10:00:00Z", **values}


def test_the_last_review_decides(folder: Path) -> None:
    mended = [{"from_name": "label", "type": "choices", "value": {"choices": ["negative"]}}]
    tasks = [
        task("r-1", reviews=[review(True, 3), review(False, 2)]),
        task("r-2", reviews=[review(True, 2), review(False, 3)]),
        task("r-3", reviews=[review(True, 2, result=mended)]),
        task("r-4", last_action="rejected"),
    ]
    (folder / "e").write_text(json.dumps(tasks))
    assert imported(folder, "e")["rejected"] == 2
    assert {id_: label for id_, (label, _, _) in said(folder).items()} == {"r-1": "positive", "r-3": "negative"}
    assert rejects(folder) == [("r-2", "positive", "rejected in review"), ("r-4", "positive", "rejected in review")]


MTURK = (
    "HITId,WorkerId,AssignmentStatus,SubmitTime,WorkTimeInSeconds,Input.altool_id,Answer.category.label\n"
    "H1,W1,Approved,Tue Oct 20 10:02:00 PDT 2020,31,r-1,positive\n"
    "H1,W2,Rejected,Tue Oct 20 10:02:10 PDT 2020,4,r-1,negative\n"
    "H2,W2,Submitted,Tue Oct 20 10:03:10 PDT 2020,3,r-2,negative\n"
    "H2,W3,Odd,Tue Oct 20 10:03:10 PDT 2020,3,r-2,negative\n"
)


@pytest.mark.parametrize("columns", [None, "id=Input.altool_id,label=Answer.category.label,annotator=WorkerId,status=AssignmentStatus"])
def test_rejected_assignments_are_no_votes(folder: Path, columns: str | None) -> None:
    (folder / "e").write_text(MTURK)
    summary = imported(folder, "e", columns=columns)
    assert (summary["rejected"], summary["refused"]) == (1, {"a verdict that is none of the tool's": 1})
    assert {(row["id"], row["label"], row["annotator"]) for row in log_rows(folder)} == {
        ("r-1", "positive", "W1"),
        ("r-2", "negative", "W2"),
    }


def test_where_says_which_rows_count(folder: Path) -> None:
    (folder / "e").write_text(MTURK)
    assert (imported(folder, "e", where=["AssignmentStatus=Approved"])["left_out"], set(said(folder))) == (3, {"r-1"})
    both = imported(folder, "e", where=["AssignmentStatus=Approved", "AssignmentStatus=Submitted", "HITId=H2"])
    assert (both["left_out"], both["imported"]) == (3, 1)
    none = imported(folder, "e", where=["AssignmentStatus=approved"])
    assert (none["left_out"], none["warnings"]) == (4, ["--where AssignmentStatus=approved: none of 4 rows matches"])
    with pytest.raises(InputError, match="no column 'Status'"):
        imported(folder, "e", where=["Status=Approved"])


@pytest.mark.parametrize("value", ["Approved", "done", "submitted", "discarded", "draft"])
def test_a_status_of_another_tool_is_refused_with_both_ways_on(folder: Path, value: str) -> None:
    (folder / "e").write_text(f"altool_id,status,label\nr-1,{value},positive\n")
    with pytest.raises(InputError, match=rf"column 'status': 1 row with another value than labeled, skipped \({value}; ids r-1\)") as error:
        imported(folder, "e")
    assert "--columns status=" in error.value.hint
    assert "--where" in error.value.hint
    assert imported(folder, "e", columns="status=")["imported"] == 1


def manifest(**values: Any) -> dict[str, Any]:
    return {"type": "groundtruth/text-classification", "human-annotated": "yes", "creation-date": "2020-10-18T22:18:13.527256", **values}


def test_ground_truths_names_makers_and_failures(folder: Path) -> None:
    lines(
        folder / "e",
        {"source": "a text", "altool_id": "r-1", "mood": 0, "mood-metadata": manifest(**{"class-name": "positive"})},
        {"source": "b", "altool_id": "r-2", "mood": "1", "mood-metadata": manifest(**{"class-name": "negative", "human-annotated": "no"})},
        {"source": "c", "altool_id": "r-3", "mood-metadata": {"failure-reason": "ClientError"}},
        {"source": "d", "altool_id": "r-4", "mood": 1, "mood-metadata": manifest()},
        {"source": "e", "altool_id": "r-4"},
    )
    summary = imported(folder, "e")
    assert said(folder) == {"r-1": ("positive", None, "explore"), "r-2": ("negative", None, "auto")}
    assert (summary["failed"], summary["unlabeled"], summary["refused"]) == (1, 1, {"label is no text": 1})
    assert str(log_rows(folder)[0]["labeled_at"]) == "2020-10-18 22:18:13.527256+00:00"


REFUSED = {
    "Pascal VOC's XML": "<annotation><object><name>positive</name></object></annotation>",
    "an HTML page": "<!DOCTYPE html><html><body>Sign in</body></html>",
    "fastText's lines": "__label__positive Great price.\n",
    "Labelbox (of an old version)'s export": '{"data_row": {"id": "x"}, "altool_id": "r-1", "label": "positive"}\n',
    "doccano (of numbers of classes)'s export": '{"text": "a", "annotations": [{"label": 5, "user": 1}], "meta": {}, "label": "5"}\n',
    "FiftyOne's export": '{"samples": [{"filepath": "r-1.jpg", "ground_truth": {"label": "positive"}}]}',
    "one JSON object keyed by ids": json.dumps({f"r-{number}": "positive" for number in range(20_000)}),
    "COCO's export": '{"images": [], "annotations": [], "categories": []}',
    "VGG Image Annotator's export": "filename,file_size,file_attributes,region_count,altool_id,label\nr.png,1,{},0,r-1,positive\n",
    "V7 Darwin's export": '{"version": "2.0", "item": {"name": "r-1"}, "annotations": []}',
    "Toloka's export": "INPUT:altool_id\tOUTPUT:label\tASSIGNMENT:status\nr-1\tpositive\tREJECTED\n",
    "a page of its API": '{"tasks": [], "total": 0}',
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_altool_does_not_read_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / "e").write_text(REFUSED[name])
    with pytest.raises(InputError) as error:
        imported(folder, "e")
    assert name in error.value.message
    assert error.value.hint
    assert len(error.value.message) + len(error.value.hint) < 500
    assert not (folder / "log").exists()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        *(
            ("xl/workbook.xml", "xl/workbook.xml: it is not complete XML"),
            ("content.xml", "OpenDocument"),
            ("kim.jsonl", "e/kim.jsonl is neither"),
        ),
        *(("../kim.jsonl", "leads out of it"), ("/kim.jsonl", "leads out of it"), ("a\\..\\kim.jsonl", "leads out of it")),
        *(("C:/kim.jsonl", "leads out of it"), ("README.md", "without files of answers"), (".DS_Store", "without files of answers")),
    ],
)
def test_archives_that_are_refused(folder: Path, member: str, message: str) -> None:
    with zipfile.ZipFile(folder / "e", "w") as archive:
        archive.writestr(member, "\0x")
    with pytest.raises(InputError, match=message):
        imported(folder, "e")


def test_an_archive_is_unpacked_up_to_a_size_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1 << 20)
    with zipfile.ZipFile(folder / "e.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", prodigy_line("r-1") + " " * (1 << 21))
    with pytest.raises(InputError, match="its files have more than"):
        imported(folder, "e.zip")


def test_an_archive_within_an_archive_and_one_with_a_password(folder: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.jsonl", prodigy_line("r-1"))
    with zipfile.ZipFile(folder / "e.zip", "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
    with pytest.raises(InputError, match="an archive within an archive"):
        imported(folder, "e.zip")
    content = bytearray(inner.getvalue())
    content[6] |= 1  # the flag of a password, in the file's own header and in the list
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (folder / "e.zip").write_bytes(bytes(content))
    with pytest.raises(InputError, match="cannot be unpacked"):
        imported(folder, "e.zip")


def prodigy_line(id_: str) -> str:
    return json.dumps(prodigy(id_, "accept")) + "\n"


def test_one_hot_columns_are_no_annotators(folder: Path) -> None:
    (folder / "e").write_text("altool_id,negative,positive\nr-1,0,1\nr-2,1,0\n")
    for options in ({}, {"annotator_columns": "negative,positive"}):
        with pytest.raises(InputError, match="one column of 0 and 1 per class"):
            imported(folder, "e", **options)


def test_whoever_says_what_counts_may_have_a_tools_table(folder: Path) -> None:
    (folder / "e").write_text("INPUT:altool_id\tOUTPUT:label\tASSIGNMENT:status\nr-1\tpositive\tREJECTED\nr-2\tnegative\tAPPROVED\n")
    options = {"columns": "id=INPUT:altool_id,label=OUTPUT:label", "where": ["ASSIGNMENT:status=APPROVED"]}
    assert (imported(folder, "e", **options)["left_out"], set(said(folder))) == (1, {"r-2"})


def test_a_column_that_takes_answers_back_is_told(folder: Path) -> None:
    (folder / "e.csv").write_text("altool_id,label,review\nr-1,positive,accepted\nr-2,positive,Rejected\n")
    told = f"export {folder / 'e.csv'}, column 'review': some rows are Rejected, and count all the same; "
    told += "take the rows that count: --where review=VALUE"
    assert imported(folder, "e.csv")["warnings"] == [told]
    assert imported(folder, "e.csv", where=["review=accepted"])["warnings"] == []


def test_what_the_requester_rejects_in_the_sheet(folder: Path) -> None:
    (folder / "e.csv").write_text(
        "HITId,WorkerId,AssignmentStatus,Input.altool_id,Answer.label,Approve,Reject\n"
        "H1,W1,Submitted,r-1,positive,x,\nH2,W1,Submitted,r-2,positive,,too fast\n"
    )
    assert (imported(folder, "e.csv")["rejected"], set(said(folder))) == (1, {"r-1"})


def test_the_machines_label_is_nobodys_answer_whatever_the_source(folder: Path) -> None:
    facts = {"class-name": "positive"}
    lines(
        folder / "e",
        {"altool_id": "r-1", "label": 0, "label-metadata": manifest(**facts)},
        {"altool_id": "r-2", "label": 0, "label-metadata": manifest(**facts, **{"human-annotated": "no"})},
    )
    imported(folder, "e", source="holdout")
    assert {id_: source for id_, (_, _, source) in said(folder).items()} == {"r-1": "holdout", "r-2": "auto"}

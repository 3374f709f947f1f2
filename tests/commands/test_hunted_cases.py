"""Files that once became wrong labels without a word (A), or were refused without a way on (B), each as it is read today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from imports import counted, imported, queries

from altool.errors import InputError

pytestmark = pytest.mark.slow

IDS = [f"r-{number:02d}" for number in range(1, 13)]
CLASSES = ["positive", "negative", "neutral"]


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def prodigy(number: int, label: str, answer: str) -> dict[str, Any]:
    return {"text": "t", "altool_id": f"r-{number:02d}", "label": label, "answer": answer, "_input_hash": -1, "_task_hash": -2}


def studio(result: str, **values: Any) -> dict[str, Any]:
    choice = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [result]}}
    return {"id": 1, "data": {"text": "t", "altool_id": "r-01"}, "annotations": [{"id": 101, "result": [choice], **values}]}


MTURK = "HITId,WorkerId,AssignmentStatus,Input.altool_id,Answer.label\nH1,W1,Approved,r-01,positive\nH1,W2,Rejected,r-01,negative\n"
FAILED = {"failure-reason": "ClientError"}
MANIFEST = {"label": 0, "label-metadata": {"class-name": "positive", "human-annotated": "yes"}}
CELLS = 'altool_id,annotation_id,annotator,label\nr-01,1,k,positive\nr-02,2,k,"[""positive"",""negative""]"\nr-03,3,k,"[{""rating"":4}]"\n'
VOTES = {"kim": "positive", "lee": "negative", "mo": "negative"}
ADDRESS, NUMBER = {"completed_by": {"id": 1, "email": "kim@example.org"}}, 1
ANNOTATED = {"updated_at": "2024-05-01T10:00:00Z", "lead_time": 4.2}
MINIMAL = {"text": "t", "altool_id": "r-01", "id": 1, "label": "positive", "annotator": NUMBER, "annotation_id": 101, **ANNOTATED}
UMLAUT = "altool_id;label;annotator\nr-01;positive;J\u00f6rg\n"
SHORT = "altool_id,label,comment\r\nr-01,positive,x\r\nr-02,negative\r\n"
COMMA = 'altool_id,label\nr-01,"Home, garden"\n'
TIMES = "altool_id,label,labeled_at,seconds\nr-01,positive,2024-05-01 10:00:00,3\nr-02,negative,2024-05-01T10:00:00Z,4\n"

# The files, imported one after another (or at once, where one entry has several); options; what the last summary says; what counts.
Case = tuple[list[dict[str, str]], dict[str, Any], dict[str, Any], dict[str, str]]
READ: dict[str, Case] = {
    "A1": (
        [{"e": lines(prodigy(1, "positive", "accept"), prodigy(2, "positive", "reject"), prodigy(3, "negative", "ignore"))}],
        {},
        {"imported": 2, "skipped": 1, "rejected": 1},
        {"r-01": "positive"},
    ),
    "A2": ([{"e": json.dumps([studio("positive", reviews=[{"accepted": False}])])}], {}, {"imported": 0, "rejected": 1}, {}),
    "A3": ([{"e.csv": MTURK}], {}, {"imported": 1, "rejected": 1}, {"r-01": "positive"}),
    "A4": (
        [{"e": lines({"source-ref": "s3://b/1.jpg", "altool_id": "r-01", **MANIFEST}, {"altool_id": "r-02", "label-metadata": FAILED})}],
        {},
        {"imported": 1, "failed": 1, "sources": {"explore": 1}},
        {"r-01": "positive"},
    ),
    "A5": (
        [{"e.csv": "altool_id,label\nr-01,positive\nr-02,positive \nr-03,\u00a0negative\n"}],
        {"trim": True},
        {"imported": 3},
        {"r-01": "positive", "r-02": "positive", "r-03": "negative"},
    ),
    "A6": ([{"e.csv": CELLS}], {}, {"imported": 1, "refused": {"several classes": 1, "label is no text": 1}}, {"r-01": "positive"}),
    "A7": (
        [{"e.csv": "altool_id,altool_round,altool_rank,label\nr-10,0,11,positive\nr-05,0,5,positive\n"}],
        {},
        {"imported": 1, "refused": {"the id is not that of its rank and round": 1}},
        {"r-05": "positive"},
    ),
    "A9": (
        [{"a.json": json.dumps([studio("positive", **ADDRESS, **ANNOTATED)])}, {"b.json": json.dumps([MINIMAL])}],
        {},
        {"imported": 0, "known": 1},
        {"r-01": "positive"},
    ),
    "A10": ([{"e.csv": "altool_id,label\nr-01,no\nr-02,unsure\n"}], {"skip_value": ["no", "unsure"]}, {"skipped": 2}, {}),
    "A11": (
        [{"a.csv": "altool_id,altool_round,label\nr-01,0,positive\n"}, {"b.csv": "altool_id,altool_round,label\nr-01,0,\n"}],
        {"withdraw": True},
        {"gone": 1, "withdrawn": 1},
        {},
    ),
    "A12": (
        [{f"{who}.csv": f"altool_id,label\nr-01,{label}\n" for who, label in VOTES.items()}],
        {"annotator": "file"},
        {"imported": 3, "disagreements": 1},
        {"r-01": "negative"},
    ),
    "B1": ([{"e.csv": UMLAUT}], {"encoding": "cp1252"}, {"imported": 1}, {"r-01": "positive"}),
    "B2": (
        [{"e.csv": "altool_id,altool_round,altool_rank,label\n4,0,4,positive\n"}],
        {"match": "rank"},
        {"imported": 1},
        {"r-04": "positive"},
    ),
    "B3": (
        [{"e.csv": "altool_id,source,status,label\nr-01,twitter,done,positive\n"}],
        {"columns": "source=,status="},
        {"sources": {"explore": 1}},
        {"r-01": "positive"},
    ),
    "B4": (
        [{"e": lines(*({"id": "r-01", "altool_id": f"r-0{n}", "label": CLASSES[:n]} for n in (0, 1, 2)))}],
        {},
        {"imported": 1, "unlabeled": 1, "refused": {"several classes": 1}},
        {"r-01": "positive"},
    ),
    "B5 short": ([{"e.csv": SHORT}], {}, {"imported": 2}, {"r-01": "positive", "r-02": "negative"}),
    "B5 unnamed": ([{"e.csv": "altool_id,label,,\nr-01,positive,,\n"}], {}, {"imported": 1}, {"r-01": "positive"}),
    "B5 sep": ([{"e.csv": "sep=;\naltool_id;label\nr-01;positive\n"}], {}, {"imported": 1}, {"r-01": "positive"}),
    "B6": ([{"e.csv": TIMES}], {"time_zone": "Europe/Berlin"}, {"imported": 2}, {"r-01": "positive", "r-02": "negative"}),
    "B7": ([{"e.csv": COMMA}], {"label_map": ["Home, garden=positive"]}, {"imported": 1}, {"r-01": "positive"}),
    "B8": (
        [{"e": '{"altool_id":"r-01","label":"posi\\ud83dtive"}\n{"altool_id":"r-02","label":"negative"}\n'}],
        {},
        {"imported": 1, "refused": {"half a character": 1}},
        {"r-02": "negative"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_it_is_read_for_what_it_says(tmp_path: Path, case: str) -> None:
    rounds, options, expected, labels = READ[case]
    queries(tmp_path, IDS, CLASSES)
    for files in rounds:
        for name, text in files.items():
            (tmp_path / name).write_bytes(text.encode(options.get("encoding", "utf-8")))
        summary = imported(tmp_path, *files, **options)
    assert {name: summary[name] for name in expected} == expected
    assert {id_: label for id_, label in counted(tmp_path).items() if label} == labels if (tmp_path / "log").exists() else not labels


REFUSED = {
    "A8": (b"id,text,label,Comments\n3,Made-up sentence 24,positive,\n", "no record has 'altool_id'", "--id-col"),
    "B1": (UMLAUT.encode("cp1252"), "not UTF-8 \\(probably Windows-1252", "--encoding cp1252"),
    "B2": (b"altool_id,altool_round,altool_rank,label\n4,0,4,positive\n", "the id is not that of its rank", "--match rank"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_a_way_on(tmp_path: Path, case: str) -> None:
    content, message, hint = REFUSED[case]
    queries(tmp_path, IDS, CLASSES)
    (tmp_path / "e.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        imported(tmp_path, "e.csv")
    assert hint in error.value.hint
    assert not (tmp_path / "log").exists()

"""Exports of every format, broken in every way: each record is accounted for, and no label is in the log that its record does not give."""

from __future__ import annotations

import csv
import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import imported, log_rows, queries

from altool.errors import InputError, UsageError

IDS = [f"r-{number}" for number in range(8)]
CLASSES = ["cat", "dog", "Home, garden"]
ROUNDS = int(os.environ.get("ALTOOL_MUTATIONS", "12"))  # of each format
STRANGE: tuple[Any, ...] = (
    *(None, "", " ", "?", 0, 1, -1, 1.5, True, [], {}, [[]], [None], "cat", "r-1", "Cat ", "cat\u00a0", "\ud83d", "a" * 5000),
    *(["cat"], ["cat", "dog"], {"choices": ["dog"]}, '["dog"]', '[{"rating": 4}]', "2024-01-01T00:00:00Z", 10**30, "rejected", "skipped"),
)
Record = dict[str, Any]


def plain(id_: str, draw: random.Random) -> Record:
    label, annotator = draw.choice([*CLASSES, None]), draw.choice(["kim", "lee", None])
    marks = {"seconds": draw.choice([None, 1.5]), "skip": draw.choice([None, None, "x"])}
    return {"altool_id": id_, "altool_round": 0, "text": f"text {id_}", "label": label, "annotator": annotator, **marks}


def prodigy(id_: str, draw: random.Random) -> Record:
    answer = draw.choice(["accept", "reject", "ignore"])
    return {
        "text": "t",
        "altool_id": id_,
        "label": draw.choice(CLASSES),
        "answer": answer,
        "_task_hash": 1,
        "_input_hash": 2,
        "_session_id": "kim",
    }


def ground_truth(id_: str, draw: random.Random) -> Record:
    facts = {"class-name": draw.choice(CLASSES), "human-annotated": draw.choice(["yes", "no"]), "creation-date": "2020-10-18T22:18:13.5"}
    facts = draw.choice([facts, facts, {"failure-reason": "expired"}])
    return {"source-ref": "s3://b", "altool_id": id_, "label": draw.randrange(3), "label-metadata": facts}


def mturk(id_: str, draw: random.Random) -> Record:
    status = draw.choice(["Approved", "Submitted", "Rejected"])
    return {"HITId": "h", "WorkerId": "w", "AssignmentStatus": status, "Input.altool_id": id_, "Answer.label": draw.choice(CLASSES)}


def minimal(id_: str, draw: random.Random) -> Record:
    made = {"annotation_id": 1, "annotator": 1, "updated_at": "2024-01-01T00:00:00Z", "lead_time": 1.0}
    return {"id": 1, "altool_id": id_, "label": draw.choice([*CLASSES, {"choices": CLASSES[:2]}]), **draw.choice([made, {}])}


def full(id_: str, draw: random.Random) -> Record:
    def annotation() -> Record:
        chosen = [{"from_name": "label", "type": "choices", "value": {"choices": draw.sample(CLASSES, draw.choice([1, 1, 0, 2]))}}]
        reviews = draw.choice([[], [], [{"accepted": False, "created_at": "2024-01-01"}]])
        return {"completed_by": draw.randrange(3), "was_cancelled": draw.random() < 0.1, "result": chosen, "reviews": reviews}

    return {"id": 1, "data": {"altool_id": id_, "text": "t"}, "annotations": [annotation() for _ in range(draw.randrange(3))]}


MAKERS = {"plain": plain, "prodigy": prodigy, "ground-truth": ground_truth, "mturk": mturk, "minimal": minimal, "full": full}
WRITERS = ("jsonl", "json", "csv", "parquet")
REJECTED = {"answer": ("reject",), "AssignmentStatus": ("Rejected",)}


def mutate(value: Any, draw: random.Random, top: bool = True) -> Any:
    """The value with something in it changed, lost, doubled or in another place."""
    if isinstance(value, dict) and value:
        key = draw.choice(list(value))
        if isinstance(value[key], dict | list) and draw.random() < 0.6:
            return {**value, key: mutate(value[key], draw, False)}
        change = draw.randrange(4)
        if change == 0:
            return {name: held for name, held in value.items() if name != key}
        if change == 1:
            return {**value, key: draw.choice(list(value.values()))}
        return {**value, key: draw.choice(STRANGE)}
    if isinstance(value, list) and value:
        place = draw.randrange(len(value))
        return [*value[:place], *draw.choice([[], [mutate(value[place], draw, False)], [value[place]] * 2]), *value[place + 1 :]]
    return value if top else draw.choice(STRANGE)


def text_of(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def write(path: Path, form: str, records: list[Record]) -> list[Record] | None:
    """The records as they can be read back; None where the format does not hold them."""
    if form in ("jsonl", "json"):
        path.write_text("\n".join(map(json.dumps, records)) if form == "jsonl" else json.dumps(records))
        return records
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [{name: text_of(record.get(name)) for name in names} for record in records]
    try:
        if form == "csv":
            stream = io.StringIO(newline="")
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)
            path.write_bytes(stream.getvalue().encode())
        else:
            pq.write_table(pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names])), path)
    except UnicodeEncodeError:
        return None
    return rows


def texts(value: Any) -> set[str]:
    """Every text, number and truth value that a record holds, also inside of texts that are JSON."""
    if isinstance(value, dict):
        return set().union(*map(texts, value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*map(texts, value)) if value else set()
    found = {value} if isinstance(value, str) else {json.dumps(value)}
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            found |= texts(json.loads(value))
        except ValueError:
            pass
    return found


def answers(record: Record) -> int:
    """How many records of an export a task counts as: one per annotation, one without any."""
    held = record.get("annotations")
    return max(1, len(held)) if isinstance(record.get("data"), dict) and isinstance(held, list) else 1


def check(folder: Path, draw: random.Random, maker: Callable[[str, random.Random], Record], form: str, **options: Any) -> bool:
    """Import one mutated export; was it taken?"""
    records = [maker(id_, draw) for id_ in IDS]
    for _ in range(draw.randrange(4)):
        place = draw.randrange(len(records))
        records = draw.choice([mutate(records, draw), [*records[:place], mutate(records[place], draw), *records[place + 1 :]]])
        records = [record for record in records if isinstance(record, dict)]
        if not records:
            return False
    shown = write(folder / "e", form, records)
    if shown is None:
        return False
    try:
        summary = imported(folder, "e", **options)  # its counts add up
    except (InputError, UsageError) as error:
        assert error.message
        assert len(error.message) < 2000
        return False
    assert summary["records"] == sum(map(answers, shown))
    for row in log_rows(folder):
        if row["label"] is None:
            continue
        own = [record for record in shown if row["id"] in texts(record)]
        assert any(row["label"] in texts(record) for record in own), (row, own)
        assert row["label"][:1] not in ("[", "{"), row
        for name, verdicts in REJECTED.items():
            assert any(record.get(name) not in verdicts for record in own if row["label"] in texts(record)), (row, own)
    return True


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", MAKERS)
def test_every_record_is_accounted_for(tmp_path: Path, name: str, form: str) -> None:
    draw = random.Random(f"{name} {form}")
    taken = 0
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        queries(folder, IDS, CLASSES if number % 2 else None)
        taken += check(folder, draw, MAKERS[name], form, columns="label=Answer.label" if name == "mturk" and number % 3 == 0 else None)
    assert taken > ROUNDS // 3 or (name, form) in {("full", "csv"), ("full", "parquet")}  # these have no such form

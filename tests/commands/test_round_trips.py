"""Out to each tool and back: select writes its file, the tool answers, and the log is what was said, row by row.

Of 200 rows each, 1 % are skipped, rejected, answered twice and corrected, in so far as the tool can say so.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import counted, imported, log_rows

pytestmark = pytest.mark.slow

ROWS, EACH = 200, 2
CLASSES = ["ant", "größe, B", 'say "no"']
EARLY, LATE = "2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z"

Answer = dict[str, Any]  # id, label, what (labeled, skipped, rejected), time


def lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.decode().split("\n") if line]


def as_lines(records: list[Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def as_csv(written: bytes, answers: list[Answer]) -> bytes:
    rows = {row["altool_id"]: row for row in csv.DictReader(io.StringIO(written.decode(), newline=""))}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*next(iter(rows.values())), "labeled_at"])
    writer.writeheader()
    for said in answers:
        label = {"label": said["label"]} if said["what"] == "labeled" else {"skip": "x"}
        writer.writerow({**rows[said["id"]], **label, "annotator": "kim", "labeled_at": said["time"]})
    return out.getvalue().encode()


def label_studio(written: bytes, answers: list[Answer]) -> bytes:
    tasks = {task["data"]["altool_id"]: task for task in json.loads(written)}
    done: dict[str, list[Any]] = {}
    for said in answers:
        result = [{"type": "choices", "from_name": "label", "to_name": "text", "value": {"choices": [said["label"]]}}]
        one = {"completed_by": 1, "updated_at": said["time"], "was_cancelled": said["what"] == "skipped", "result": result}
        one |= {"reviews": [{"accepted": False, "created_at": LATE}]} if said["what"] == "rejected" else {}
        done.setdefault(said["id"], []).append(one)
    return json.dumps([{**tasks[id_], "id": number, "annotations": given} for number, (id_, given) in enumerate(done.items())]).encode()


def prodigy(written: bytes, answers: list[Answer]) -> bytes:
    tasks = {task["altool_id"]: task for task in lines(written)}
    word = {"labeled": "accept", "skipped": "ignore", "rejected": "reject"}
    seconds = {EARLY: 1714557600, LATE: 1714644000}
    marks = {"_input_hash": 1, "_task_hash": 2, "_view_id": "choice", "_annotator_id": "kim"}
    return as_lines(
        [
            {**tasks[said["id"]], "accept": [said["label"]], "answer": word[said["what"]], "_timestamp": seconds[said["time"]], **marks}
            for said in answers
        ]
    )


def doccano(written: bytes, answers: list[Answer]) -> bytes:
    tasks = {task["altool_id"]: task for task in lines(written)}
    return as_lines(
        [
            {"id": number, **tasks[said["id"]], "label": [said["label"]] if said["what"] == "labeled" else [], "Comments": []}
            for number, said in enumerate(answers)
        ]
    )


def argilla(written: bytes, answers: list[Answer]) -> bytes:
    records = {record["id"]: record for record in json.loads(written)}
    status = {"labeled": "submitted", "skipped": "discarded", "rejected": "draft"}
    return json.dumps(
        [
            {**records[said["id"]], "responses": {"label": [{"value": said["label"], "user_id": "u", "status": status[said["what"]]}]}}
            for said in answers
        ]
    ).encode()


def ground_truth(written: bytes, answers: list[Answer]) -> bytes:
    tasks = {task["altool_id"]: task for task in lines(written)}
    base = {"confidence": 0.9, "type": "groundtruth/text-classification", "human-annotated": "yes"}
    found = []
    for said in answers:
        facts = {**base, "class-name": said["label"], "creation-date": said["time"][:-1]}
        found.append({**tasks[said["id"]], "mood": CLASSES.index(said["label"]), "mood-metadata": facts})
        if said["what"] != "labeled":
            del found[-1]["mood"]
            found[-1]["mood-metadata"] = {"failure-reason": "ClientError"}
    return as_lines(found)


def cvat(written: bytes, answers: list[Answer]) -> bytes:
    """The pictures lie on a server under their ids; CVAT keeps the end of their addresses."""
    names = written.decode().splitlines()
    root = ElementTree.Element("annotations")
    for said in answers:
        (name,) = (name for name in names if name.endswith(f"/{said['id']}.jpg"))
        image = ElementTree.SubElement(root, "image", {"name": name.rpartition("/")[2]})
        if said["what"] == "labeled":
            ElementTree.SubElement(image, "tag", {"label": said["label"], "source": "manual"})
    return ElementTree.tostring(root, "utf-8")


# The tool; whether it says when an answer was given (and so which of two counts), and which words it has beside a label.
TOOLS: dict[str, tuple[Callable[[bytes, list[Answer]], bytes], bool, tuple[str, ...]]] = {
    "csv": (as_csv, True, ("skipped",)),
    "label-studio": (label_studio, True, ("skipped", "rejected")),
    "prodigy": (prodigy, True, ("skipped", "rejected")),
    "doccano": (doccano, False, ()),
    "argilla": (argilla, False, ("skipped",)),
    "ground-truth": (ground_truth, True, ("failed",)),
    "cvat": (cvat, False, ()),
}


def test_every_tool_that_is_written_is_tried() -> None:
    from altool.labels import registry

    written = {name for name, form in registry.FORMATS.every().items() if form.write}
    assert written - {"html"} == set(TOOLS)  # the labeling page is tried in a browser


@pytest.mark.parametrize("tool", TOOLS)
def test_the_log_is_what_was_said(tool: str, tmp_path: Path, altool: Callable[..., Any]) -> None:
    answer, timed, words = TOOLS[tool]
    draw = Random(f"round trip {tool}")
    ids = [f"r-{number:04d}" for number in draw.sample(range(10_000), ROWS)]
    shown = {"path": [f"{id_}.jpg" for id_ in ids]} if tool == "cvat" else {"text": [f'größe, {id_}\n"=1+1"' for id_ in ids]}
    pq.write_table(pa.table({"id": ids, **shown}), tmp_path / "items.parquet")
    matrix = np.random.default_rng(0).dirichlet(np.ones(3), ROWS).astype(np.float32)
    probabilities = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), 3)
    table = pa.table({"id": ids, "probabilities": probabilities}).replace_schema_metadata({"altool.classes": json.dumps(CLASSES)})
    pq.write_table(table, tmp_path / "p.parquet")
    words_ = ["select", "--predictions", tmp_path / "p.parquet", "--items", tmp_path / "items.parquet", "--strategy", "margin"]
    words_ += ["--budget", ROWS, "--suggest", "--export", f"{tool}={tmp_path / 'todo'}", "-o", tmp_path / "q.parquet"]
    words_ += ["--image-url", "https://host/pictures/"] if tool == "cvat" else []
    altool(*words_)

    queue = draw.sample(ids, ROWS)
    changed = {word: [queue.pop() for _ in range(EACH)] for word in ("skipped", "rejected", "doubled", "corrected", "open")}
    truth = {id_: draw.choice(CLASSES) for id_ in ids}
    answers = [{"id": id_, "label": truth[id_], "what": "labeled", "time": EARLY} for id_ in [*queue, *changed["doubled"] * 2]]
    none: dict[str, list[Answer]] = {}
    for word in ("skipped", "rejected"):
        none[word] = [{"id": id_, "label": truth[id_], "what": word, "time": EARLY} for id_ in changed[word]]
    answers += [*none["skipped"], *none["rejected"]] if tool != "csv" else none["skipped"]
    if timed:
        others = {id_: CLASSES[CLASSES.index(truth[id_]) - 1] for id_ in changed["corrected"]}
        wrong = [{"id": id_, "label": label, "what": "labeled", "time": EARLY} for id_, label in others.items()]
        answers += [*wrong, *({**said, "label": truth[said["id"]], "time": LATE} for said in wrong)]
    draw.shuffle(answers)
    (tmp_path / "back").write_bytes(answer((tmp_path / "todo").read_bytes(), answers))

    expected = {id_: truth[id_] for id_ in (*queue, *changed["doubled"], *(changed["corrected"] if timed else ()))}
    items = {} if tool in ("label-studio", "csv") else {"items": str(tmp_path / "items.parquet")}
    summary = imported(tmp_path, "back", **items)
    assert {id_: label for id_, label in counted(tmp_path).items() if label is not None} == expected
    assert summary["refused"] == {}
    assert summary["skipped"] == (EACH if "skipped" in words else 0)
    assert summary["rejected"] == (EACH if "rejected" in words else 0)
    assert summary["failed"] == (2 * EACH if "failed" in words else 0)
    assert summary["known"] == EACH
    by_id = dict(zip(*(pq.read_table(tmp_path / "q.parquet").column(name).to_pylist() for name in ("id", "suggested_label")), strict=True))
    assert all(row["suggested_label"] == by_id[row["id"]] and row["source"] == "exploit" for row in log_rows(tmp_path))
    assert imported(tmp_path, "back", **items)["imported"] == 0

"""What annotation tools export, spoiled as people and tools spoil it; and what such a file says, read without any of altool's code.

Shapes after the tools' own documentation and fixtures (Label Studio, Prodigy, doccano, Argilla, Ground Truth, MTurk, CVAT, Labelbox,
FiftyOne, Roboflow); every text is made up.
"""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
from fuzz import writers
from fuzz.world import NAMES
from sheets import xlsx

Record = dict[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Said:
    """One answer as an annotation tool has it."""

    number: int
    id: str | int
    label: str | None
    annotator: str
    time: str


def answers(draw: Random, ids: list[Any]) -> list[Said]:
    """Of some ids of the pool, some of them twice."""
    found = []
    for number, id_ in enumerate(draw.sample(ids, 8) + draw.sample(ids, 2)):
        label = draw.choice([*NAMES, *NAMES, *NAMES, None])
        found.append(Said(number, id_, label, draw.choice(["kim", "lee"]), f"2024-05-{number + 1:02d}T10:00:00Z"))
    return found


# The tools: each makes a record of an answer.


def plain(said: Said) -> Record:
    times = {"annotator": said.annotator, "labeled_at": said.time, "seconds": 2.5, "comment": ""}
    return {"altool_id": said.id, "text": f"text {said.number}", "label": said.label, **times}


def sheet(said: Said) -> Record:
    """What `select --export csv` wrote, filled in."""
    asked = {"altool_id": said.id, "altool_round": 1, "altool_rank": said.number + 1, "suggestion": NAMES[0], "tier": None}
    return {**asked, "label": said.label, "annotator": said.annotator, "comment": None}


def own_id(said: Said) -> Record:
    return {"id": said.id, "label": said.label, "annotator": said.annotator, "status": "labeled" if said.label else None, "round": 1}


def per_annotator(said: Said) -> Record:
    return {"altool_id": said.id, "annotator:kim": said.label, "annotator:lee": said.label if said.number % 2 else NAMES[0]}


def studio(said: Said) -> Record:
    result = {"id": "x", "type": "choices", "origin": "manual", "from_name": "label", "to_name": "text", "value": {"choices": [said.label]}}
    done = {"id": 100 + said.number, "completed_by": {"id": 1, "email": said.annotator}, "was_cancelled": False, "lead_time": 2.5}
    done |= {"updated_at": said.time, "created_at": said.time, "last_action": "submitted", "result": [result] if said.label else []}
    return {
        "id": said.number,
        "data": {"text": "a", "altool_id": said.id, "altool_round": 1},
        "annotations": [done],
        "predictions": [],
        "drafts": [],
    }


def studio_min(said: Said) -> Record:
    record = {"text": "a", "altool_id": said.id, "id": said.number, "annotator": 1, "annotation_id": 100 + said.number, "lead_time": 2.5}
    return record | {"created_at": said.time, "updated_at": said.time} | ({"label": said.label} if said.label else {})


def studio_storage(said: Said) -> Record:
    task = studio(said)
    (done,) = task.pop("annotations")
    return {**done, "task": task}


def prodigy_binary(said: Said) -> Record:
    hashes = {"_input_hash": -said.number, "_task_hash": said.number, "_session_id": f"ds-{said.annotator}", "_timestamp": 1714557600}
    return {"text": "a", "altool_id": said.id, "label": said.label or NAMES[0], "answer": "accept" if said.label else "ignore", **hashes}


def prodigy_choice(said: Said) -> Record:
    record = prodigy_binary(said)
    record.pop("label")
    return {
        **record,
        "options": [{"id": name, "text": name} for name in NAMES],
        "accept": [said.label] if said.label else [],
        "_view_id": "choice",
    }


def doccano(said: Said) -> Record:
    return {"id": said.number, "text": "a", "altool_id": said.id, "label": [said.label] if said.label else [], "Comments": []}


def argilla(said: Said) -> Record:
    response = [{"value": said.label, "user_id": "5f1c", "status": "submitted"}] if said.label else []
    return {"id": said.id, "fields": {"text": "a"}, "metadata": {}, "suggestions": {}, "responses": {"label": response}, "_server_id": "s"}


def argilla_flat(said: Said) -> Record:
    record = {"id": said.id, "status": "completed", "text": "a", "label.suggestion": NAMES[0]}
    return {**record, "label.responses": [said.label], "label.responses.users": ["5f1c"], "label.responses.status": ["submitted"]}


def ground_truth(said: Said) -> Record:
    number = NAMES.index(said.label) if said.label else 0
    made = {
        "class-name": said.label,
        "confidence": 0.9,
        "type": "groundtruth/text-classification",
        "human-annotated": "yes",
        "creation-date": said.time[:-1],
    }
    made = made if said.label else {"failure-reason": "ClientError", "type": "groundtruth/text-classification"}
    return {"source": "a", "altool_id": said.id, **({"label": number} if said.label else {}), "label-metadata": made}


def mturk(said: Said) -> Record:
    record = {"HITId": f"H{said.number}", "WorkerId": said.annotator, "AssignmentStatus": "Approved" if said.number % 3 else "Rejected"}
    return {**record, "SubmitTime": "Tue Oct 20 10:02:00 PDT 2020", "WorkTimeInSeconds": 31, "altool_id": said.id, "label": said.label}


def argilla_first(said: Said) -> Record:
    record = {"id": said.id, "inputs": {"text": "a"}, "prediction": [[NAMES[0], 0.9]], "annotation": said.label, "metadata": {}}
    return {**record, "annotation_agent": said.annotator, "status": "Validated" if said.label else "Default"}


def labelbox(said: Said) -> Record:
    made = {"classifications": [{"name": "label", "radio_answer": {"name": said.label, "value": "slug"}}] if said.label else []}
    label = {"annotations": made, "performance_details": {"skipped": False, "seconds_to_create": 3}}
    label |= {"label_details": {"created_by": said.annotator, "created_at": said.time}}
    project = {"labels": [label], "project_details": {"workflow_status": "DONE"}}
    return {"data_row": {"id": "c", "external_id": str(said.id)}, "projects": {"p": project}}


def picture(said: Said) -> Record:
    return {"altool_id": said.id, "label": said.label, "source": "manual"}


def roboflow(said: Said) -> Record:
    return {"filename": f"{said.id}.jpg", **{f" {name}": int(name == said.label) for name in NAMES}}


def cvat(draw: Random, records: list[Any]) -> bytes:
    root = ElementTree.Element("annotations")
    for number, record in enumerate(record for record in records if isinstance(record, dict)):
        image = ElementTree.SubElement(root, "image", {"id": str(number), "name": _file(record.get("altool_id"))})
        if record.get("label") not in (None, ""):
            made = {"label": _shown(record["label"]), "source": _shown(record.get("source"))}
            tag = ElementTree.SubElement(image, "tag", made)
            if draw.random() < 0.2:
                ElementTree.SubElement(tag, "attribute", {"name": "altool_id"}).text = _shown(record.get("altool_id"))
    page = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return draw.choice([page] * 9 + [page.replace(b"<annotations>", b'<!DOCTYPE a [<!ENTITY x "ant">]><annotations>')])


def fiftyone(draw: Random, records: list[Any]) -> bytes:
    known = [record for record in records if isinstance(record, dict) and record.get("altool_id") is not None]
    pairs = {_shown(record["altool_id"]): record.get("label") for record in known}
    numbered = draw.random() < 0.5
    labels = {id_: NAMES.index(label) if numbered and label in NAMES else label for id_, label in pairs.items()}
    return json.dumps({"classes": NAMES, "labels": labels}).encode()


def folders(draw: Random, records: list[Any]) -> bytes:
    """An archive with a picture in the folder of its class."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same picture twice
        for record in records:
            if isinstance(record, dict):
                archive.writestr(f"{_shown(record.get('label')) or 'no_label'}/{_file(record.get('altool_id'))}", b"x")
    return out.getvalue()


def zipped(draw: Random, records: list[Any]) -> bytes:
    """An archive with a file of lines per annotator, and one that is empty."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, who in enumerate(("kim", "lee")):
            archive.writestr(f"{who}.jsonl", as_lines(draw, records[place::2]))
        archive.writestr("unknown.jsonl", "")
    return out.getvalue()


def workbook(draw: Random, records: list[Any]) -> bytes:
    names = _keys(records)
    rows = [[record.get(name) if isinstance(record, dict) else None for name in names] for record in records]
    return xlsx([names, *([_cell(value) for value in row] for row in rows)])


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1e15 and value == value):
        return value
    return UNWRITABLE.sub("?", value if isinstance(value, str) else json.dumps(value)) or None


def _shown(value: Any) -> str:
    return "" if value is None else UNWRITABLE.sub("?", value if isinstance(value, str) else json.dumps(value))


def _file(id_: Any) -> str:
    return f"{_shown(id_)[:200].replace('/', '_')}.jpg"


UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


# Files: (draw, records) -> bytes.


def _keys(records: list[Record]) -> list[str]:
    return list(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))


def _table(records: list[Any], delimiter: str, **settings: Any) -> bytes:
    text = io.StringIO()
    names = _keys(records)
    writer = csv.writer(text, delimiter=delimiter, **{"lineterminator": "\n", **settings})
    writer.writerow(names)
    for record in records:
        row = [record.get(name) for name in names] if isinstance(record, dict) else [record]
        writer.writerow("" if value is None else json.dumps(value) if isinstance(value, list | dict | bool) else value for value in row)
    return text.getvalue().encode("utf-8", "surrogatepass")


def as_csv(draw: Random, records: list[Any]) -> bytes:
    return _table(records, ",", lineterminator=draw.choice(["\n", "\r\n"]), quoting=draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))


def as_semicolons(draw: Random, records: list[Any]) -> bytes:
    return b"\xef\xbb\xbf" + _table(records, ";", lineterminator="\r\n")


def as_tsv(draw: Random, records: list[Any]) -> bytes:
    return _table(records, "\t")


def as_lines(draw: Random, records: list[Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def as_array(draw: Random, records: list[Any]) -> bytes:
    return json.dumps(records, indent=draw.choice([None, 1])).encode()


def _columns(records: list[Any]) -> pa.Table:
    """Where the types of a column differ, as texts."""
    columns = {}
    for name in _keys(records):
        entries = [record.get(name) if isinstance(record, dict) else None for record in records]
        try:
            columns[name] = pa.array(entries)
        except (pa.ArrowException, UnicodeError, OverflowError):
            texts = [entry if entry is None or isinstance(entry, str) else json.dumps(entry) for entry in entries]
            shown = [text if text is None else text.encode("utf-8", "replace") for text in texts]
            columns[name] = pa.array(shown, pa.binary()).cast(pa.string())
    return pa.table(columns)


def as_parquet(draw: Random, records: list[Any]) -> bytes:
    return writers.simple_parquet(draw, _columns(records))


def as_arrow(draw: Random, records: list[Any]) -> bytes:
    return writers.arrow_stream(draw, _columns(records))


FLAT = (as_csv, as_semicolons, as_tsv, as_lines, as_array, as_parquet, as_arrow)
NESTED = (as_lines, as_array)
TOOLS: tuple[tuple[Callable[[Said], Record], tuple[Callable[[Random, list[Any]], bytes], ...]], ...] = (
    (plain, FLAT),
    (sheet, FLAT),
    (own_id, FLAT),
    (per_annotator, FLAT),
    (studio, NESTED),
    (studio_min, (as_array, as_lines, as_csv, as_tsv)),
    (studio_storage, NESTED),
    (prodigy_binary, (as_lines, as_csv, as_parquet)),
    (prodigy_choice, (as_lines, as_parquet)),
    (doccano, (as_lines, as_csv, as_parquet, zipped)),
    (argilla, NESTED),
    (argilla_flat, (as_lines, as_parquet)),
    (ground_truth, (as_lines,)),
    (mturk, (as_csv,)),
    (argilla_first, NESTED),
    (labelbox, (as_lines,)),
    (roboflow, (as_csv,)),
    (picture, (cvat,)),
    (picture, (fiftyone,)),
    (picture, (folders,)),
    (plain, (workbook,)),
    (sheet, (workbook,)),
)

# How records are spoiled: (draw, records), in place. Leaves are found by their key, however deep they lie.

LABELS = ("label", "choices", "accept", "value", "class-name", "annotator:kim", "name", " ant", "label.responses")
IDS = ("altool_id", "id", "external_id", "global_key")
TIMES = ("labeled_at", "updated_at", "created_at", "_timestamp", "creation-date", "SubmitTime")
VERDICTS = {
    "answer": ["reject", "ignore", "accept", "REJECT", None],
    "was_cancelled": [True, "true", 1],
    "reviews": [[{"accepted": False}], [{"accepted": False}, {"accepted": True}], "x"],
    "last_action": ["rejected", "fixed_and_accepted"],
    "status": ["skipped", "discarded", "draft", "rejected", "SKIPPED", "done", 3, None],
    "AssignmentStatus": ["Rejected", "Submitted", ""],
    "human-annotated": ["no", None],
    "workflow_status": ["REWORK", "IN_REVIEW", None],
    "label.responses.status": [["draft"], ["discarded"]],
    "skipped": [True],
    "failure-reason": ["ClientError"],
}
STRANGE_LABELS = (
    *("", " ", None, "Ant", "ANT", "ant ", " ant", "\xa0ant", "ant\u200b", "antt", "skip", "0", "1", 0, 1, 1.0, True, float("nan"), "dog"),
    *(
        *(["ant"], [], ["ant", "bee"], {"choices": ["ant", "bee"]}, {"ant": 1}, '["ant"]', '["ant","bee"]'),
        *('[{"taxonomy":[["ant"]]}]', "{}", "[]"),
    ),
    *("posi\ud83dtive", "a\x1b[2Jb", "a\nb", "a,b", "=ant", "'=ant", "x" * 10_000, "NaN", "null", "ant#bee", 2**70, "\u202etna"),
)
STRANGE_IDS = (
    *(None, "", " ", "r-99", "r-12 ", "R-12", "012", "12.0", 12.0, 12, "1.2E1", -1, 2**63, ["r-12"], {"id": "r-12"}, True),
    *("r-1\ud83d", "x" * 10_000),
)
STRANGE_TIMES = (
    *("2024-05-01 10:00:00", "2024-05-01", 1714557600, "1714557600", 1714557600.5, "yesterday", None, ""),
    *("0001-01-01T00:00:00+14:00", [1], "2024-05-01T10:00:00+25:00"),
)
STRANGE_SECONDS = ("4,5", "4.5", -1, "nan", float("inf"), None, "", [1], 1e300, "1:30", True)


def leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything that is kept under one of the keys."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in list(entries):
        if key in keys:
            yield value, key
        yield from leaves(entry, keys)


def _set(draw: Random, records: list[Any], keys: tuple[str, ...], strange: Any) -> None:
    found = list(leaves(records, keys))
    if found:
        container, key = draw.choice(found)
        container[key] = draw.choice(strange)


def spoil(draw: Random, records: list[Any]) -> None:
    place = draw.randrange(len(records)) if records else 0
    one = records[place] if records else {}
    match draw.choice(
        ["label"] * 6
        + ["id"] * 4
        + ["verdict"] * 4
        + ["time", "seconds", "who", "drop", "twice", "other", "keys", "extra", "entry", "round", "gone"]
    ):
        case "label":
            _set(draw, records, LABELS, STRANGE_LABELS)
        case "id":
            _set(draw, records, IDS, (*STRANGE_IDS, *(container[key] for container, key in leaves(records, IDS[:1]))))
        case "verdict":
            known = sorted({key for container, key in leaves(records, tuple(VERDICTS))})
            key = draw.choice(known if known and draw.random() < 0.8 else sorted(VERDICTS))
            holders = [container for container, _ in leaves(records, (key,))] or [record for record in records if isinstance(record, dict)]
            if holders:
                draw.choice(holders)[key] = draw.choice(VERDICTS[key])
        case "time":
            _set(draw, records, TIMES, STRANGE_TIMES)
        case "seconds":
            _set(draw, records, ("seconds", "lead_time", "WorkTimeInSeconds"), STRANGE_SECONDS)
        case "who":
            _set(
                draw,
                records,
                ("annotator", "completed_by", "_session_id", "WorkerId"),
                (None, "", 1, "kim ", "Kim", {"email": None}, [1], "k\ud83dm", {"id": 3}),
            )
        case "drop" if len(records) > 1:
            records.pop(place)
        case "twice":
            records.insert(place, json.loads(json.dumps(one)))
        case "other":
            again = json.loads(json.dumps(one))
            _set(draw, [again], LABELS, NAMES)
            records.append(again)
        case "keys" if isinstance(one, dict):
            records[place] = dict(draw.sample(sorted(one.items(), key=str), len(one)))
        case "extra" if isinstance(one, dict):
            one[draw.choice(["source", "status", "round", "task", "id", "label", "annotator", "suggested_label", "altool_rank", ""])] = (
                draw.choice(["twitter", "seed", "exploit", 1, -1, None, [1], {"a": 1}])
            )
        case "entry":
            records[place : place + 1] = [draw.choice([None, 3, "x", [], {}, [one], {"tasks": [one]}])]
        case "round":
            _set(draw, records, ("altool_round", "altool_rank", "round"), (0, 1, 7, -1, "1", "x", None, 2**31 - 1, 2**31, 1.5))
        case "gone":
            found = list(leaves(records, (*LABELS, *IDS, *TIMES, "data", "annotations", "result", "task", "label-metadata")))
            for container, key in draw.sample(found, min(1, len(found))):
                if isinstance(container, dict):
                    del container[key]
        case _:
            pass

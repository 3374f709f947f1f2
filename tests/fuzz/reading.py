"""What an export says, read without any of altool's code, as generously as it can be."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.exports import FORMULA, IDS, Record, leaves

PICTURE = ".jpg"


@dataclass(frozen=True)
class Reading:
    """What a file says: (id, label) pairs, the ids that are in it, and how many answers or tasks without one it has."""

    pairs: frozenset[tuple[str, str]]
    ids: frozenset[str]
    records: int


def read(content: bytes) -> Reading:
    """Any of the formats, as generously as it can be: a pair is there if some record, by its own verdict, gives that label to that id."""
    records = _records(content)
    pairs, ids = set(), set()
    for record in records:
        if isinstance(record, dict):
            named = {str(container[key]) for container, key in leaves(record, (*IDS, "task"))} - {"None", ""}
            ids |= named
            pairs |= {(id_, label) for id_ in named for label in _given(record)}
    return Reading(frozenset(pairs), frozenset(ids), sum(map(_count, records)))


def _count(record: Any) -> int:
    """The answers in a record; one that is not done is one, too."""
    if not isinstance(record, dict):
        return 1
    done = record.get("annotations", record.get("completions")) if isinstance(record.get("data"), dict) else None
    filled = [
        value
        for key, value in record.items()
        if str(key).startswith("annotator:") and ("" if value is None else str(value)).strip() not in ("", "[]")
    ]
    return max(1, len(done) if isinstance(done, list) else 0, len(filled))


def _records(content: bytes) -> list[Any]:
    while content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    if content[:4] == b"PK\x03\x04":
        return _of_archive(content)
    if content.lstrip()[:1] == b"<":
        return _of_xml(content)
    return [plain for record in _plain_records(content) for plain in _flattened(record)]


def _of_archive(content: bytes) -> list[Any]:
    damaged = (zipfile.BadZipFile, ElementTree.ParseError, KeyError, ValueError, OSError, EOFError, NotImplementedError, zlib.error)
    with contextlib.suppress(*damaged), zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if any(name.startswith("xl/") for name in names):
            return _of_workbook(archive)
        others = [record for name in names if not name.endswith(PICTURE) for record in _records(archive.read(name))]
        paths = [PurePosixPath(name) for name in names if name.endswith(PICTURE) and PurePosixPath(name).name != PICTURE]  # else hidden
        return others or [{"altool_id": path.stem, "label": None if path.parent.name == "no_label" else path.parent.name} for path in paths]
    return []


def _of_workbook(archive: zipfile.ZipFile) -> list[Any]:
    """The cells of the first sheet, whose texts are shared or stand in the cells."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    shared = ["".join(item.itertext()) for item in ElementTree.fromstring(archive.read("xl/sharedStrings.xml")).iter(f"{space}si")]
    rows: list[dict[str, str]] = []
    for row in ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml")).iter(f"{space}row"):
        rows += [{} for _ in range(int(row.attrib["r"]) - len(rows))]
        for cell in row:
            text = "".join(cell.itertext())
            kind = cell.attrib.get("t", "n")
            value = shared[int(text)] if kind == "s" else {"1": "TRUE", "0": "FALSE"}[text] if kind == "b" else text
            whole = kind == "n" and float(text).is_integer() and abs(float(text)) < 1e16
            rows[-1][cell.attrib["r"].rstrip("0123456789")] = str(int(float(text))) if whole and "." in text else value
    names = rows[0]
    return [{names[column]: value for column, value in row.items() if column in names} for row in rows[1:]]


def _of_xml(content: bytes) -> list[Any]:
    """CVAT's images, a record per tag."""
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError):
        return []
    records = []
    for image in root.iter("image"):
        name = PurePosixPath(image.attrib.get("name", "")).stem
        for tag in image.findall("tag") or [ElementTree.Element("tag")]:
            own = next((one.text for one in tag.findall("attribute") if one.attrib.get("name") == "altool_id"), None)
            records.append({"altool_id": (own or "").strip() or name, "label": tag.attrib.get("label")})
    return records


def _flattened(record: Any) -> list[Any]:
    """The records of tools that keep several answers in one, or say them in other words, as plain ones."""
    if not isinstance(record, dict):
        return [record]
    if {"annotation", "prediction"} <= set(record):  # Argilla, version 1
        metadata = record.get("metadata") if isinstance(record.get("metadata"), dict) else {}
        about = {"altool_id": metadata.get("altool_id"), "id": record.get("id")}
        valid = str(record.get("status")).lower() == "validated"
        return [{**about, "label": record["annotation"] if valid else None}]
    if isinstance(record.get("labels"), dict) and "classes" in record:
        return [{"altool_id": name, "label": _by_number(target, record["classes"])} for name, target in record["labels"].items()]
    if isinstance(record.get("data_row"), dict) and "projects" in record:
        return _of_labelbox(record)
    bits = [str(value).strip().removesuffix(".0") for name, value in record.items() if name != "filename"]
    if "filename" in record and set(bits) <= {"0", "1"}:
        chosen = [name.strip() for name, value in record.items() if str(value).strip().removesuffix(".0") == "1"]
        stem = PurePosixPath(str(record["filename"]).strip()).stem
        return [{"altool_id": stem, "label": chosen[0] if len(chosen) == 1 else chosen}]
    if isinstance(record.get("responses"), dict) and isinstance(given := record["responses"].get("label"), list):
        metadata = record.get("metadata") if isinstance(record.get("metadata"), dict) else {}
        about = {"altool_id": metadata.get("altool_id"), "id": record.get("id")}
        return [{**about, "label": one.get("value"), "status": one.get("status")} for one in given if isinstance(one, dict)] or [about]
    if isinstance(values := record.get("label.responses"), list) and values:
        statuses = record.get("label.responses.status")
        statuses = statuses if isinstance(statuses, list) else [statuses]
        about = {name: record.get(name) for name in ("altool_id", "id")}
        return [
            {**about, "label": value, "status": statuses[place] if place < len(statuses) else None} for place, value in enumerate(values)
        ]
    return [record]


def _by_number(target: Any, classes: Any) -> Any:
    target = target.get("label") if isinstance(target, dict) else target
    if isinstance(target, list):
        return [_by_number(one, classes) for one in target]
    numbered = isinstance(target, int) and not isinstance(target, bool) and isinstance(classes, list) and 0 <= target < len(classes)
    return classes[target] if numbered else target


def _of_labelbox(record: Record) -> list[Any]:
    ids = {name: record["data_row"].get(name) for name in ("external_id", "global_key")}
    projects = record["projects"].values() if isinstance(record["projects"], dict) else ()
    found = []
    for project in projects:
        labels = project.get("labels") if isinstance(project, dict) else None
        for label in labels if isinstance(labels, list) else ():
            if isinstance(label, dict):
                names = [container["name"] for container, _ in leaves(label, ("name",))]
                skipped = isinstance(label.get("performance_details"), dict) and label["performance_details"].get("skipped")
                found.append({**ids, "labels": names, "skipped": skipped})
    return found or [ids]


def _plain_records(content: bytes) -> list[Any]:
    try:
        if content[:4] == b"PAR1":
            return pq.read_table(io.BytesIO(content)).to_pylist()
        if content[:4] == b"\xff\xff\xff\xff":
            return pa.ipc.open_stream(content).read_all().to_pylist()
        text = content.decode()
        if text.lstrip()[:1] == "[":
            return list(json.loads(text))
        if text.lstrip()[:1] == "{":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, pa.ArrowException, OSError, SystemError):  # the last is what pyarrow raises for a damaged text
        return []
    if not text.strip():
        return []
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    names, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return [dict(zip(names, row, strict=False)) for row in rows if row]


def _given(record: Record) -> set[str]:
    """The labels that a record gives. Whoever says no gives none."""
    verdicts = {
        "_task_hash": "answer",
        "WorkerId": "AssignmentStatus",
    }  # of the tools that have these keys; what else is called so is payload
    said = {str(record.get(verdict)).lower() for tool, verdict in verdicts.items() if tool in record}
    said |= set() if {"annotation_id", "data", *verdicts} & set(record) else {str(record.get("status")).lower()}
    if said & {"reject", "ignore", "rejected", "skipped", "discarded", "draft"}:
        return set()
    if isinstance(meta := record.get("label-metadata"), dict):
        return set() if "failure-reason" in meta else _names(meta.get("class-name"))
    if isinstance(names := record.get("labels"), list) and "global_key" in record:
        return set() if record["skipped"] is True else {name for one in names for name in _names(one)}
    found: set[str] = set()
    done = record.get("annotations", record.get("completions"))
    for one in done if isinstance(done, list) else [record] if "result" in record else []:
        if isinstance(one, dict) and not _no(one):
            for container, key in leaves([one.get("result"), one.get("reviews")], ("choices",)):
                found |= _names(container[key])
    for key in ("label", "accept", "label.responses"):
        found |= _names(record.get(key))
    for key, value in record.items():
        found |= _names(value) if str(key).startswith("annotator:") else set()
    for container, _ in leaves(record.get("responses"), ("value",)):
        found |= _names(container["value"]) if container.get("status", "submitted") == "submitted" else set()
    return found


def _no(annotation: Record) -> bool:
    reviews = annotation.get("reviews")
    refused = isinstance(reviews, list) and reviews and isinstance(reviews[-1], dict) and reviews[-1].get("accepted") is False
    return bool(annotation.get("was_cancelled") or annotation.get("skipped") or refused)


def _names(value: Any) -> set[str]:
    """A text, or a list with one in it; in a cell, too. What else has structure is no name."""
    if isinstance(value, str):
        if value[:1] in ("[", "{"):
            for parse in (json.loads, ast.literal_eval):
                with contextlib.suppress(ValueError, SyntaxError):
                    return _names(parse(value))
            return {value}
        return {value} | ({value[1:]} if value[:1] == "'" and value.lstrip("'").startswith(FORMULA) else set())
    if isinstance(value, dict):
        return _names(value.get("choices"))
    if isinstance(value, list):
        return _names(value[0]) if len(value) == 1 else set()
    if isinstance(value, bool | int):
        return {json.dumps(value)}
    return {str(int(value))} if isinstance(value, float) and value.is_integer() else set()

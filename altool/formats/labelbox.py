"""Labelbox's NDJSON: a data row per line, with the labels of each project. Rows are known by `global_key`, else by `external_id`.

Source: Labelbox's manual, "Export specification" (version 2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from altool.errors import InputError
from altool.labels.exchange import REVIEWED, SEVERAL, Answers, Export, Format, Naming, choice, of_rows, texts

Row = dict[str, Any]


def recognizes(export: Export) -> bool:
    return "data_row" in export.columns and "projects" in export.columns and export.table is None


def read(export: Export, naming: Naming) -> Answers:
    """A row per label. A skipped one is a skip; one that is to be worked on again was rejected in review; a data row without a label is not
    done. Raises InputError where several questions may hold the label, and where no data row has an id."""
    labels = [(entry, record, *pair) for entry, record in enumerate(export.records) for pair in _labels(record)]
    asked = Counter(str(one.get("name")) for *_, label in labels for one in _classifications(label))
    wanted = naming.columns.get("label") or "label"
    if wanted not in asked and asked and (len(asked) > 1 or "label" in naming.columns):
        raise InputError(f"{export.name}: no question {wanted!r} (it has {', '.join(sorted(asked))})", "name it: --columns label=NAME")
    question = wanted if wanted in asked or not asked else next(iter(asked))
    key = naming.id_column or naming.columns.get("id")
    rows = [{"entry": entry, **_about(record, key), **_row(status, label, question)} for entry, record, status, label in labels]
    used = {name for name, other in naming.columns.items() if other and other in (key, question)}
    return of_rows(export, rows, naming, used, key or "global_key")


def _of(value: Any, key: str) -> Mapping[str, Any]:
    """The object that lies there, or an empty one."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _many(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _labels(record: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """(workflow status, label) of each label in each project; one with an empty label where there is none."""
    found = False
    for project in _of(record, "projects").values():
        status = _of(project, "project_details").get("workflow_status")
        for label in _many(project, "labels") if isinstance(project, Mapping) else ():
            found = True
            yield status, label
    if not found:
        yield None, {}


def _classifications(label: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _many(_of(label, "annotations"), "classifications")


def _about(record: Mapping[str, Any], key: str | None) -> Row:
    data = _of(record, "data_row")
    own = {one.get("schema_name"): one.get("value") for one in _many(record, "metadata_fields")}
    ids = [data.get(key), own.get(key)] if key else [own.get("altool_id"), data.get("global_key"), data.get("external_id")]
    shown = texts(data.get("row_data"))
    address = shown is not None and "://" in shown.split(" ")[0]
    return {
        "id": next((value for value in ids if value not in (None, "")), None),
        "text": None if address else shown,
        "picture": (shown if address else None) or texts(data.get("external_id")),
        **{name: own.get(f"altool_{name}") for name in ("round", "rank")},
    }


def _row(status: Any, label: Mapping[str, Any], question: str) -> Row:
    details, work = _of(label, "label_details"), _of(label, "performance_details")
    row: Row = {
        "annotator": texts(details.get("created_by")),
        "labeled_at": texts(details.get("content_last_updated_at")) or texts(details.get("created_at")),
        "seconds": work.get("seconds_to_create"),
    }
    if work.get("skipped") is True:
        return row | {"status": "skipped"}
    answers = [answer for one in _classifications(label) if str(one.get("name")) == question for answer in _answers(one)]
    name, reason = choice(answers)
    reason = SEVERAL if len(answers) > 1 else reason
    return row | {"label": name, "reason": REVIEWED if name is not None and status == "REWORK" else reason}


def _answers(classification: Mapping[str, Any]) -> list[Any]:
    """The names that were chosen; their `value` is a slug of it."""
    radio = _of(classification, "radio_answer")
    chosen = [radio] if radio else _many(classification, "checklist_answers")
    return [one.get("name") for one in chosen if one.get("name") is not None]


FORMAT = Format("labelbox", recognizes, read, order=7, reads="NDJSON exports of Labelbox")

"""Prodigy's JSON Lines, of binary and of choice views: the record's `answer` decides what its label means.

Rows are known by `altool_id`, of the record or of its `meta`: hashes and running numbers say nothing about ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from altool.errors import InputError
from altool.labels import pictures
from altool.labels.exchange import NO_VERDICT, REJECTED, Answers, Export, Format, Naming, Task, choice, of_rows, texts
from altool.tables import check

ANSWERS = ("accept", "reject", "ignore")


def recognizes(export: Export) -> bool:
    columns = set(export.columns)
    if {"_task_hash", "_input_hash"} & columns:
        return True
    if "answer" not in columns or not {"label", "accept"} & columns:
        return False
    values = export.table.column("answer").to_pylist() if export.table is not None else [row.get("answer") for row in export.records]
    said = {value for value in values if isinstance(value, str)}
    return bool(said) and said <= set(ANSWERS)


def read(export: Export, naming: Naming) -> Answers:
    """An accepted record has its label, a rejected one says which class it is not, and an ignored one is a skip.

    Raises InputError where nothing says which record is which row, and where none has a label.
    """
    records = export.records if export.table is None else export.table.to_pylist()
    key = naming.id_column or naming.columns.get("id") or "altool_id"
    view = naming.columns.get("label") or ("accept" if "accept" in export.columns else "label")
    if view not in export.columns:
        raise InputError(
            f"{export.name}: Prodigy's records without a label (they have {check.naming_columns(export.columns)})",
            "altool reads its binary and choice views; another key: --columns label=NAME",
        )
    rows = [{"id": _held(record, key), **_row(record, view)} for record in records]
    used = {name for name, other in naming.columns.items() if other and other in (key, view)}
    return of_rows(export, rows, naming, used, key)


def _held(record: Mapping[str, Any], key: str) -> Any:
    """A value of the record, or of what the task that it was made of brought along."""
    meta = record.get("meta")
    return record[key] if record.get(key) is not None else meta.get(key) if isinstance(meta, Mapping) else None


def _row(record: Mapping[str, Any], view: str) -> dict[str, Any]:
    answer = record.get("answer")
    label, reason = choice(record.get(view))
    picture = texts(record.get("image")) or texts(record.get("path"))
    row = {
        "label": label,
        "reason": reason,
        "annotator": record.get("_annotator_id") or record.get("_session_id"),
        "labeled_at": _time(record.get("_timestamp")),
        "round": _held(record, "altool_round"),
        "rank": _held(record, "altool_rank"),
        "suggested_label": _held(record, "altool_suggestion"),
        "text": texts(record.get("text")),
        "picture": None if picture is None or picture.startswith("data:") else picture,
    }
    if answer == "accept":
        return row
    if answer == "ignore":
        return row | {"label": None, "reason": None, "status": "skipped"}
    if answer == "reject":
        return row | {"label": label or "", "reason": REJECTED}
    return row | ({"label": None, "reason": None} if answer is None else {"reason": NO_VERDICT})


def _time(value: Any) -> str | None:
    """Seconds since 1970 as a time."""
    try:
        return None if isinstance(value, bool) else datetime.fromtimestamp(float(value), UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """A task per line in rank order, for a recipe with `view_id: choice`: the suggestion is chosen already, and counts once its annotator
    accepts the task. Raises InputError for tasks without text and image, and without classes to choose from."""
    pictures.check("prodigy", tasks)
    if tasks and not classes:
        raise InputError("prodigy: the classes to choose from are unknown", "name them: --classes A,B or a file")
    return {"": "".join(json.dumps(_task(task, classes), ensure_ascii=False) + "\n" for task in tasks).encode()}


def _task(task: Task, classes: Sequence[str]) -> dict[str, Any]:
    shown = {"text": task.text, "image": pictures.shown(task)}
    asked = {**task.asked, "altool_suggestion": task.suggested_label}
    record: dict[str, Any] = {name: value for name, value in {**shown, **asked}.items() if value is not None}
    record["options"] = [{"id": name, "text": name} for name in classes]
    if task.suggested_label in classes:
        record["accept"] = [task.suggested_label]
    return record | ({} if task.score is None else {"meta": {"score": task.score}})


FORMAT = Format(
    "prodigy",
    recognizes,
    read,
    write,
    order=1,
    by_address=True,
    ending=".jsonl",
    reads="JSON Lines of its binary and choice views",
    writes="tasks of the choice view, suggestions chosen already",
)

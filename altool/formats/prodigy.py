"""Prodigy's JSON Lines, of binary and of choice views: the record's `answer` decides what its label means.

Rows are known by `altool_id`, of the record or of its `meta`: hashes and running numbers say nothing about ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from altool.errors import InputError
from altool.labels.exchange import (
    EXTRAS,
    NO_VERDICT,
    REJECTED,
    Answers,
    Export,
    Format,
    Naming,
    answers,
    choice,
    json_ids,
    json_text,
)
from altool.tables import check

ANSWERS = ("accept", "reject", "ignore")
COLUMNS = ("label", "annotator", "status", "labeled_at", "round", "suggested_label", "reason")


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
    ids, id_type = json_ids(export.name, [_held(record, key) for record in records])
    if ids.null_count == len(ids):
        raise InputError(
            f"{export.name}: no record has {key!r}, neither itself nor in its meta", "name the key of altool's id: --id-col NAME"
        )
    rows = [_row(record, view) for record in records]
    columns = {name: pa.array([json_text(row.get(name)) for row in rows], pa.string()) for name in (*COLUMNS, *EXTRAS)}
    used = {name for name, other in naming.columns.items() if other and other in (key, view)}
    return answers(export.name, {"id": ids, **columns}, id_type, used, naming.meaning.clock)


def _held(record: Mapping[str, Any], key: str) -> Any:
    """A value of the record, or of what the task that it was made of brought along."""
    meta = record.get("meta")
    return record[key] if record.get(key) is not None else meta.get(key) if isinstance(meta, Mapping) else None


def _row(record: Mapping[str, Any], view: str) -> dict[str, Any]:
    answer = record.get("answer")
    label, reason = choice(record.get(view))
    text = record.get("text")
    row = {
        "label": label,
        "reason": reason,
        "annotator": record.get("_annotator_id") or record.get("_session_id"),
        "labeled_at": _time(record.get("_timestamp")),
        "round": _held(record, "altool_round"),
        "rank": _held(record, "altool_rank"),
        "suggested_label": _held(record, "altool_suggestion"),
        "text": text if isinstance(text, str) else None,
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


FORMAT = Format("prodigy", recognizes, read, reads="JSON Lines of its binary and choice views", order=1)

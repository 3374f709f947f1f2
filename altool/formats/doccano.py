"""doccano: its JSON Lines, CSV and fastText lines, one by one or in the zip archive that it exports.

doccano's own `id` says nothing about ours. Only the names of an archive's files say who answered: one file per annotator, or `all`.
Source: `ExportedExample.to_dict` and `ListedCategoryFormatter` of its backend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from altool.errors import InputError
from altool.labels.exchange import NO_TEXT, SEVERAL, Answers, Export, Format, Naming, Task, choice, of_rows, texts
from altool.tables import check
from altool.text import count

LABELS = ("label", "labels")
PEOPLES = {"annotator", "labeled_at", "seconds", "status", "skip", "suggestion", "tier"}  # columns of a sheet, not of doccano
NOBODY = ("all", "unknown")  # the names of files that are no annotator's


def recognizes(export: Export) -> bool:
    if export.encoding == "fasttext":
        return True
    columns = set(export.columns)
    if export.encoding in ("xml", "folder") or PEOPLES & columns:
        return False
    return {"id", "Comments"} <= columns and bool({*LABELS, "text", "filename"} & columns)


def read(export: Export, naming: Naming) -> Answers:
    """A row per example; one without a label is not done. Raises InputError where no key is the label's, where no example has an id, and
    for fastText's lines, which have none, without `--match text`."""
    if export.encoding == "fasttext" and naming.match != "text":
        raise InputError(f"{export.name}: fastText's lines have no ids", "take rows by their text: --match text --items TABLE")
    view = naming.columns.get("label") or next((name for name in LABELS if name in export.columns), "label")
    if view not in export.columns:
        raise InputError(
            f"{export.name}: doccano's examples without {view!r} (they have {check.naming_columns(export.columns)})",
            "export a project of text or image classification; another key: --columns label=NAME",
        )
    key = naming.id_column or naming.columns.get("id") or "altool_id"
    name = PurePosixPath(export.name).stem
    who = name if export.archived and name not in NOBODY else None
    records = export.records if export.table is None else export.table.to_pylist()
    rows = [{**_row(record, view, naming), "id": _held(record, key), "annotator": who} for record in records]
    used = {name for name, other in naming.columns.items() if other and other in (key, view)}
    return of_rows(export, rows, naming, used, key)


def _held(record: Mapping[str, Any], key: str) -> Any:
    """A value of the example, or of what it was imported with, which old versions keep apart."""
    meta = record.get("meta")
    if isinstance(meta, str) and meta.startswith("{"):
        try:
            meta = json.loads(meta)
        except ValueError:
            meta = None
    return record[key] if record.get(key) is not None else meta.get(key) if isinstance(meta, Mapping) else None


def _row(record: Mapping[str, Any], view: str, naming: Naming) -> dict[str, Any]:
    label, reason = choice(record.get(view))
    joined = label.split("#") if label and reason is None and label not in naming.classes else []
    if len(joined) > 1 and all(joined):
        reason = SEVERAL  # how its CSV writes them
    if isinstance(record.get(view), list) and any(isinstance(one, int | float) for one in record[view]):
        reason = NO_TEXT  # the number of a class
    return {
        "label": label,
        "reason": reason,
        "round": _held(record, "altool_round"),
        "rank": _held(record, "altool_rank"),
        "suggested_label": _held(record, "altool_suggestion"),
        "text": texts(record.get("text")),
        "picture": texts(record.get("filename")),
    }


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """JSON Lines of texts in rank order. A label that is imported is an answer to doccano, so that a suggestion goes beside the text.

    Raises InputError for tasks without text: doccano takes pictures as files only.
    """
    without = [task.id for task in tasks if task.text is None]
    if without:
        raise InputError(
            f"doccano: {count(len(without), 'query', 'queries')} without text (ids {', '.join(map(str, without[:3]))})",
            "give --items with text; pictures are uploaded to doccano as files, and their answers read with --match path",
        )
    return {"": "".join(json.dumps(_line(task), ensure_ascii=False) + "\n" for task in tasks).encode()}


def _line(task: Task) -> dict[str, Any]:
    suggestion = {} if task.suggested_label is None else {"altool_suggestion": task.suggested_label}
    return {"text": task.text, "label": [], **task.asked, **suggestion}


FORMAT = Format(
    "doccano",
    recognizes,
    read,
    write,
    order=4,
    ending=".jsonl",
    reads="JSON Lines, CSV and fastText lines of classification; its zip archives",
    writes="texts as JSON Lines",
)

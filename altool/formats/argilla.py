"""Argilla: records of version 2, nested or flat, of the feedback datasets before it, and of version 1.

Its `id` is the one that a record was added with, so ours survives there and in `metadata`. A record has a response per annotator, each of
a status: submitted, discarded or draft. Source: `records/_resource.py` and `_io` of its SDK.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from altool.errors import InputError
from altool.labels import pictures
from altool.labels.exchange import NO_STATUS, NO_VERDICT, Answers, Export, Format, Naming, Task, choice, of_rows, texts

QUESTION = "label"
RESPONSES = ".responses"
SUGGESTION = ".suggestion"
FIRST = {"annotation", "prediction"}  # of version 1

Row = dict[str, Any]


def recognizes(export: Export) -> bool:
    columns = set(export.columns)
    if export.encoding in ("xml", "folder"):
        return False
    nested = {"fields", "responses"} <= columns or {"fields", "suggestions"} <= columns or "_server_id" in columns
    flat = any(name.endswith((RESPONSES, ".suggestion.agent", ".responses.users")) for name in columns)
    return nested or flat or bool(_feedback(export)) or (columns >= FIRST and bool({"inputs", "annotation_agent"} & columns))


def _feedback(export: Export) -> list[str]:
    """The questions of a feedback dataset."""
    columns = set(export.columns)
    return [name for name in export.columns if f"{name}-suggestion-metadata" in columns]


def read(export: Export, naming: Naming) -> Answers:
    """A row per response. A discarded one is a skip, a draft is not done. A response without a status counts where its record is completed
    and has no other. Raises InputError where several questions may hold the label, and where no record has an id."""
    records = export.records if export.table is None else export.table.to_pylist()
    columns = set(export.columns)
    if columns >= FIRST and "fields" not in columns:
        shape, questions = _first, [QUESTION]
    elif "fields" in columns:
        shape, questions = _nested, _keys(records, "responses", "suggestions")
    elif found := _feedback(export):
        shape, questions = _fed_back, found
    else:
        shape = _flat
        questions = [name.removesuffix(RESPONSES) for name in export.columns if name.endswith(RESPONSES)]
        questions += [name.removesuffix(SUGGESTION) for name in export.columns if name.endswith(SUGGESTION) and f"{name}.agent" in columns]
    questions = list(dict.fromkeys(questions))
    wanted = naming.columns.get("label") or QUESTION
    if wanted not in questions and questions and (len(questions) > 1 or "label" in naming.columns):
        raise InputError(f"{export.name}: no question {wanted!r} (it has {', '.join(questions)})", "name the label's: --columns label=NAME")
    question = wanted if wanted in questions or not questions else questions[0]
    key = naming.id_column or naming.columns.get("id")
    rows = []
    for entry, record in enumerate(records):
        about = _about(record, key) | {"entry": entry}
        found_rows = list(shape(record, question))
        rows += [about | row for row in found_rows or [{}]]
    used = {name for name, other in naming.columns.items() if other and other in (key, question)}
    return of_rows(export, rows, naming, used, key or "altool_id")


def _keys(records: Sequence[Mapping[str, Any]], *names: str) -> list[str]:
    held = [record.get(name) for record in records for name in names]
    return [key for one in held if isinstance(one, Mapping) for key in one]


def _about(record: Mapping[str, Any], key: str | None) -> Row:
    """Of which item a record is, and what it shows."""
    metadata = record.get("metadata")
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError:
            metadata = {}
    metadata = metadata if isinstance(metadata, Mapping) else {}
    fields = next((record[name] for name in ("fields", "inputs") if isinstance(record.get(name), Mapping)), record)
    held = {name: metadata[name] if metadata.get(name) is not None else record.get(name) for name in ("altool_id", *ASKED.values())}
    ids = [record.get(key), metadata.get(key)] if key else [held["altool_id"], record.get("external_id"), record.get("id")]
    image = texts(fields.get("image"))
    return {
        "id": next((value for value in ids if value is not None), None),
        **{name: held[other] for name, other in ASKED.items()},
        "text": texts(fields.get("text")),
        "picture": None if image is None or image.startswith("data:") else image,
    }


ASKED = {"round": "altool_round", "rank": "altool_rank", "suggested_label": "altool_suggestion"}


def _response(value: Any, user: Any, status: Any, alone: bool) -> Row:
    """A response as a row; `alone`: of a completed record it is the only one."""
    row: Row = {"annotator": user if isinstance(user, str) else None}
    if isinstance(status, str):
        status = status.rpartition(".")[2].casefold()
    if status == "discarded":
        return row | {"status": "skipped"}
    if status == "draft":
        return row
    label, reason = choice(value)
    if status == "submitted":
        return row | {"label": label, "reason": reason}
    if status is None and label is not None:
        return row | {"label": label, "reason": reason if alone else NO_STATUS}
    return row | ({} if status is None else {"label": label or "", "reason": NO_VERDICT})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _suggested(value: Any) -> Row:
    label, reason = choice(value)
    return {"suggested_label": label} if label is not None and reason is None else {}


def _nested(record: Mapping[str, Any], question: str) -> Iterator[Row]:
    responses = record.get("responses")
    given = responses.get(question) if isinstance(responses, Mapping) else responses
    given = [one for one in _list(given) if isinstance(one, Mapping)]
    suggestions = record.get("suggestions")
    suggestion = suggestions.get(question) if isinstance(suggestions, Mapping) else None
    shown = _suggested(suggestion.get("value") if isinstance(suggestion, Mapping) else suggestion)
    alone = len(given) == 1 and record.get("status") == "completed"
    yield from (shown | _response(one.get("value"), one.get("user_id"), one.get("status"), alone) for one in given)


def _flat(record: Mapping[str, Any], question: str) -> Iterator[Row]:
    values, users, statuses = (_list(record.get(f"{question}{RESPONSES}{name}")) for name in ("", ".users", ".status"))
    shown = _suggested(record.get(f"{question}{SUGGESTION}"))
    alone = len(values) == 1 and record.get("status") == "completed"
    for place, value in enumerate(values):
        user, status = (one[place] if place < len(one) else None for one in (users, statuses))
        yield shown | _response(value, user, status, alone)


def _fed_back(record: Mapping[str, Any], question: str) -> Iterator[Row]:
    given = [one for one in _list(record.get(question)) if isinstance(one, Mapping)]
    shown = _suggested(record.get(f"{question}-suggestion"))
    yield from (shown | _response(one.get("value"), one.get("user_id"), one.get("status"), alone=False) for one in given)


def _first(record: Mapping[str, Any], question: str) -> Iterator[Row]:
    """Version 1: one annotation, which counts once it is validated."""
    status = record.get("status")
    status = status.rpartition(".")[2].casefold() if isinstance(status, str) else status
    row: Row = {"annotator": texts(record.get("annotation_agent"))} if record.get("annotation") is not None else {}
    predicted = record.get("prediction")
    if isinstance(predicted, list) and predicted:
        best = predicted[0]
        row |= _suggested(best.get("label") if isinstance(best, Mapping) else best[0] if isinstance(best, list) and best else best)
    label, reason = choice(record.get("annotation"))
    if status == "discarded":
        yield row | {"status": "skipped"}
    elif status == "validated":
        yield row | {"label": label, "reason": reason}
    elif status in (None, "default", "edited") or label is None:
        yield row | ({"label": label, "reason": reason or NO_STATUS} if status is None and label is not None else {})
    else:
        yield row | {"label": label, "reason": NO_VERDICT}


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """Records of version 2 as `records.from_json` takes them, in rank order, for a question called `label`; suggestions are suggestions.

    Raises InputError for tasks without text and image.
    """
    pictures.check("argilla", tasks)
    lines = [json.dumps(_record(task), ensure_ascii=False) for task in tasks]
    return {"": ("[" + ",".join("\n" + line for line in lines) + "\n]\n").encode()}


def _record(task: Task) -> Row:
    fields = {name: value for name, value in (("text", task.text), ("image", pictures.shown(task))) if value is not None}
    metadata = task.asked
    suggestions: Row = {}
    if task.suggested_label is not None:
        suggestions[QUESTION] = {"value": task.suggested_label, "agent": f"altool-r{task.round}"}
        if task.suggested_probability is not None:
            suggestions[QUESTION]["score"] = task.score
    return {"id": str(task.id), "fields": fields, "metadata": metadata, "suggestions": suggestions, "responses": {}, "vectors": {}}


FORMAT = Format(
    "argilla",
    recognizes,
    read,
    write,
    order=5,
    by_address=True,
    ending=".json",
    reads="records of Argilla 2 (nested and flat) and 1",
    writes="records of Argilla 2 as JSON, with suggestions",
)

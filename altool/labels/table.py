"""Plain tables: CSV or TSV, JSON Lines (or a JSON array), Parquet or Arrow; a row per answer, or a column per annotator.

Columns: the id (`altool_id`, `id` or `task`), `label`, and where there are any `annotator`, `labeled_at` (RFC 3339), `seconds`,
`status` (labeled or skipped), `source`, `round` (or `altool_round`) and `suggested_label` (or `suggestion`). All others are payload.
A column is an annotator's only if it is called `annotator:NAME` or named in `--annotator-columns`: payload is never taken for labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import InputError, UsageError
from altool.labels.exchange import NO_TEXT, Answers, Export, Format, Naming, Task, answers, cast, json_ids, json_text, whole
from altool.tables.schema import KINDS
from altool.tables.write import cell, csv_line

ANNOTATOR = "annotator:"
ALIASES = {
    "id": ("altool_id", "id", "task"),
    "round": ("round", "altool_round"),
    "suggested_label": ("suggested_label", "suggestion"),
}
PER_ANSWER = ("annotator", "status", "seconds")


def read(export: Export, naming: Naming) -> Answers:
    """Raises InputError where nothing says which column holds the ids or the labels, or where it may be either of two."""
    names = {column: naming.find(column, export.columns, *ALIASES.get(column, ())) for column in KINDS["labels"].columns}
    if names["id"] is None or (naming.id_column and naming.id_column not in export.columns):
        missing = naming.id_column or "altool_id"
        raise InputError(f"{export.name}: no column {missing!r} (it has {', '.join(export.columns)})", "name the id's: --id-col NAME")
    annotators = _annotators(export, naming)
    if names["label"] is None and not annotators:
        raise InputError(
            f"{export.name}: no column 'label' (it has {', '.join(export.columns)})",
            "name it: --columns label=NAME; a column per annotator is called annotator:NAME, or named in --annotator-columns a,b",
        )
    chosen = [*filter(None, names.values()), *annotators]
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"{export.name}: one column is named for two things", "see --columns, --id-col and --annotator-columns")
    columns = {column: _column(export, name) for column, name in names.items() if name is not None and column != "id"}
    ids, id_type = _ids(export, names["id"])
    used = {column for column, other in naming.columns.items() if names.get(column) == other}
    if annotators:
        return _wide(export, ids, id_type, columns, annotators, used)
    if export.table is None:
        columns["reason"] = pa.array([_fault(row.get(names["label"])) for row in export.records], pa.string())
    return answers(export.name, {"id": ids, **columns}, id_type, used)


def _annotators(export: Export, naming: Naming) -> dict[str, str]:
    """{column: annotator}."""
    if missing := [name for name in naming.annotators if name not in export.columns]:
        raise InputError(
            f"{export.name}: no column {missing[0]!r} (it has {', '.join(export.columns)})", "correct --annotator-columns, or leave it out"
        )
    found = {name: name[len(ANNOTATOR) :] for name in export.columns if name.startswith(ANNOTATOR) and len(name) > len(ANNOTATOR)}
    return found | {name: found.get(name, name) for name in naming.annotators}


def _ids(export: Export, name: str) -> tuple[pa.Array, pa.DataType | None]:
    if export.table is None:
        ids, id_type = json_ids(export.name, [row.get(name) for row in export.records])
        if id_type is None and ids.null_count < len(ids):
            raise InputError(f"{export.name}, column {name!r}: some ids are strings, some integers", "write them alike")
        return ids, id_type
    array = whole(_column(export, name))
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64()), pa.int64()
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or array.type == pa.string_view()):
        raise InputError(f"{export.name}, column {name!r}: ids are {array.type}", "write them as strings or integers")
    return array.cast(pa.string()), None if export.encoding == "csv" else pa.string()


def _column(export: Export, name: str) -> Any:
    if export.table is None:
        return pa.array([json_text(row.get(name)) for row in export.records], pa.string())
    return export.table.column(name)


def _fault(label: Any) -> str | None:
    """Why a JSON value is no label. An integer or a truth value may name a class."""
    return None if label is None or isinstance(label, str | int) else NO_TEXT


def _wide(
    export: Export, ids: pa.Array, id_type: pa.DataType | None, columns: dict[str, Any], annotators: dict[str, str], used: set[str]
) -> Answers:
    """A row per answer, out of a column per annotator. A row without any answer stays one row."""
    for name in ("label", *PER_ANSWER):
        if name in columns and columns.pop(name).null_count < len(ids):
            raise InputError(
                f"{export.name}: it has a column per annotator ({', '.join(annotators)}) and also a filled column {name!r}",
                "leave one of them out, or write a row per answer",
            )
    labels = [cast(export.name, name, whole(_column(export, name)), pa.string()) for name in annotators]
    filled = np.stack([np.asarray(label.is_valid()) for label in labels])
    filled[0] |= ~filled.any(axis=0)
    rows, positions = np.nonzero(filled)
    names, who = list(annotators), list(annotators.values())
    taken = {name: column.take(pa.array(positions)) for name, column in columns.items()}
    taken["label"] = pa.concat_arrays([label.filter(pa.array(keep)) for label, keep in zip(labels, filled, strict=True)])
    taken["annotator"] = pa.array([who[row] for row in rows], pa.string())
    if export.table is None:
        faults = [_fault(export.records[position].get(names[row])) for row, position in zip(rows.tolist(), positions.tolist(), strict=True)]
        taken["reason"] = pa.array(faults, pa.string())
    return answers(export.name, {"id": ids.take(pa.array(positions)), **taken}, id_type, used)


def write_csv(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """A sheet with empty columns for the answers, in rank order; `read` takes it back. Cells are guarded against formulas.

    The payload is `text` and `path`, each where any task has one. Encoded images are left out: a spreadsheet shows none.
    """
    payload = [name for name in ("text", "path") if any(getattr(task, name) is not None for task in tasks)]
    header = [
        "altool_id",
        "altool_round",
        "altool_rank",
        *payload,
        "suggestion",
        "suggestion_score",
        "tier",
        "label",
        "annotator",
        "comment",
    ]
    lines = [csv_line(header)]
    for task in tasks:
        shown = [getattr(task, name) for name in payload]
        score = None if task.suggested_probability is None else str(np.float32(task.suggested_probability))
        values = [task.id, task.round, task.rank, *shown, task.suggested_label, score, task.tier, None, None, None]
        lines.append(csv_line(map(cell, values)))
    return {"": "".join(lines).encode()}


FORMATS = (
    Format("csv", lambda export: export.encoding == "csv", read, write_csv),
    Format("jsonl", lambda export: export.encoding in ("jsonl", "json"), read),
    Format("parquet", lambda export: export.encoding in ("parquet", "arrow"), read),
)
